import {
  type CounterName,
  type HistogramName,
  type LabelsOf,
  METRICS,
  type Metric,
  type MetricName,
} from "./metrics.ts";

/** Counts what this process does. Calls are cheap, and never throw. */
export interface Meter {
  /** Adds one to a counter. */
  count<N extends CounterName>(name: N, labels: LabelsOf<N>): void;
  /** Adds a value to a histogram. */
  observe<N extends HistogramName>(name: N, value: number, labels: LabelsOf<N>): void;
}

/** Where a process means nothing to a scraper, as on Workers. */
export const NO_METER: Meter = { count: () => undefined, observe: () => undefined };

/** The value of a metric at the time of a scrape. */
export type Reading = {
  [N in MetricName]: { readonly name: N; readonly labels: LabelsOf<N>; readonly value: number };
}[MetricName];

/** The values of a histogram. */
interface Distribution {
  /** Values in each bucket, not cumulative; the last is +Inf. */
  readonly counts: number[];
  sum: number;
}

/** A series: its label values in the order of the metric's labels, and its value. */
export interface Series {
  readonly values: readonly string[];
  value: number | Distribution;
}

/** Bounds the series of a label that follows data, such as the names of definitions. */
export const MAX_LABEL_VALUES = 200;
/** Value of a label after the first 200. */
export const OTHER = "other";
/** Value of the label `server` for definitions that are not stored. */
export const UNSAVED = "unsaved";

/** Returns the value of the label `server`. The name of an unsaved definition may be anything, so it is none. */
export function serverLabel(server: {
  readonly identifier: string;
  readonly poolKey: string | null;
}): string {
  return server.poolKey === null ? UNSAVED : server.identifier;
}

/** Returns the value of the label `mode` for a message whose submitter waits. */
export function modeLabel({
  name,
  isTest,
}: {
  readonly name: string;
  readonly isTest?: boolean;
}): "test" | "plugin" | "inline" {
  return isTest ? "test" : name.startsWith("plugin ") ? "plugin" : "inline";
}

/** No label value contains it. */
const SEPARATOR = "\u0000";

/** The series of all metrics of one process. */
export class MetricRegistry implements Meter {
  readonly #series = new Map<MetricName, Map<string, Series>>();
  /** The values that each label has had. */
  readonly #known = new Map<string, Set<string>>();

  count<N extends CounterName>(name: N, labels: LabelsOf<N>): void {
    const series = this.#find(name, labels, 0);
    if (typeof series.value === "number") series.value++;
  }

  observe<N extends HistogramName>(name: N, value: number, labels: LabelsOf<N>): void {
    const { buckets } = METRICS[name];
    const { value: held } = this.#find(name, labels, null);
    if (typeof held === "number") return;
    const index = buckets.findIndex((bound) => value <= bound);
    const bucket = index < 0 ? buckets.length : index;
    held.counts[bucket] = (held.counts[bucket] ?? 0) + 1;
    held.sum += value;
  }

  /** Forgets the series of definitions that are no longer stored. */
  retainServers(identifiers: readonly string[]): void {
    const stored = new Set([...identifiers, UNSAVED, OTHER]);
    const known = this.#known.get("server") ?? new Set();
    for (const value of known) if (!stored.has(value)) known.delete(value);
    for (const [name, all] of this.#series) {
      const index = labelsOf(name).indexOf("server");
      if (index < 0) continue;
      for (const [key, { values }] of all) if (!stored.has(values[index] ?? "")) all.delete(key);
    }
  }

  /** Returns the series of each metric, with readings of this moment. */
  collect(readings: readonly Reading[]): ReadonlyMap<MetricName, readonly Series[]> {
    const collected = new Map<MetricName, Series[]>();
    for (const [name, all] of this.#series) collected.set(name, [...all.values()]);
    const read = new Map<string, Series>();
    for (const { name, labels, value } of readings) {
      const values = this.#valuesOf(name, labels);
      const key = [name, ...values].join(SEPARATOR);
      const known = read.get(key);
      if (known !== undefined) {
        known.value = merged(METRICS[name], Number(known.value), value);
        continue;
      }
      const series = { values, value };
      read.set(key, series);
      collected.set(name, [...(collected.get(name) ?? []), series]);
    }
    return collected;
  }

  #find(name: MetricName, labels: Readonly<Record<string, string>>, initial: 0 | null): Series {
    const values = this.#valuesOf(name, labels);
    const key = values.join(SEPARATOR);
    const all = this.#series.get(name) ?? new Map<string, Series>();
    const known = all.get(key);
    if (known !== undefined) return known;
    const series = { values, value: initial ?? emptyDistribution(METRICS[name]) };
    this.#series.set(name, all.set(key, series));
    return series;
  }

  #valuesOf(name: MetricName, labels: Readonly<Record<string, string>>): readonly string[] {
    return labelsOf(name).map((label) => this.#bounded(label, labels[label] ?? ""));
  }

  #bounded(label: string, value: string): string {
    const known = this.#known.get(label) ?? new Set();
    if (known.has(value)) return value;
    if (known.size >= MAX_LABEL_VALUES) return OTHER;
    this.#known.set(label, known.add(value));
    return value;
  }
}

function labelsOf(name: MetricName): readonly string[] {
  return METRICS[name].labels;
}

function emptyDistribution({ buckets = [] }: Metric): Distribution {
  return { counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 };
}

function merged({ merge }: Metric, one: number, other: number): number {
  return merge === undefined ? one + other : Math[merge](one, other);
}
