import type { Series } from "./meter.ts";
import { METRICS, type Metric, type MetricName } from "./metrics.ts";

/** Text format of Prometheus 0.0.4, or OpenMetrics 1.0. */
export type Format = "prometheus" | "openmetrics";

/** Media types of the formats. */
export const MEDIA_TYPES: Readonly<Record<Format, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

const NAMES = Object.keys(METRICS) as readonly MetricName[];
const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", '"': '\\"' };

/** Writes metrics as text. One without a series is left out. */
export function writeMetrics(collected: ReadonlyMap<MetricName, readonly Series[]>, format: Format): string {
  const lines = NAMES.flatMap((name) => {
    const series = collected.get(name) ?? [];
    return series.length === 0
      ? []
      : [...headOf(name, format), ...series.flatMap((one) => linesOf(name, one))];
  });
  if (format === "openmetrics") lines.push("# EOF");
  return `${lines.join("\n")}\n`;
}

function headOf(name: MetricName, format: Format): readonly string[] {
  const { type, help } = METRICS[name];
  // OpenMetrics names a counter without the suffix of its samples.
  const family = format === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name;
  return [`# HELP ${family} ${help}`, `# TYPE ${family} ${type}`];
}

function linesOf(name: MetricName, { values, value }: Series): readonly string[] {
  const { labels, buckets = [] }: Metric = METRICS[name];
  const pairs = labels.map((label, index) => `${label}="${escaped(values[index] ?? "")}"`);
  if (typeof value === "number") return [`${name}${braced(pairs)} ${value}`];
  let count = 0;
  const inBuckets = value.counts.map((inBucket, index) => {
    count += inBucket;
    return `${name}_bucket${braced([...pairs, `le="${boundText(buckets[index])}"`])} ${count}`;
  });
  return [...inBuckets, `${name}_sum${braced(pairs)} ${value.sum}`, `${name}_count${braced(pairs)} ${count}`];
}

function braced(pairs: readonly string[]): string {
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

/** OpenMetrics asks for the form of a float. */
function boundText(bound: number | undefined): string {
  if (bound === undefined) return "+Inf";
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function escaped(value: string): string {
  return value.replaceAll(/[\\\n"]/g, (character) => ESCAPES[character] ?? character);
}
