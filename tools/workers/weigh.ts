import { bundleWorker, LIBSQL_ENTRY, OBJECT_ENTRY, type WorkerBundle } from "./build.ts";
import { startModules } from "./join-start.ts";

// Prints what the builds of the Worker weigh by gzip, as a table: `bun tools/workers/weigh.ts`. A part has the share of
// its module's weight that it has of the module's length.

/** Lighter parts are summed up. */
const MIN_KB = 3;

/** Weight by gzip, in bytes. */
interface Weight {
  /** Loaded by an isolate before its first request. */
  start: number;
  /** Loaded when a request needs it. */
  later: number;
}

/** Returns the weight of a build, and those of its parts: packages, and rooms of the tree. */
export function weigh(bundle: WorkerBundle): {
  readonly all: Weight;
  readonly parts: ReadonlyMap<string, Weight>;
} {
  const all: Weight = { start: 0, later: 0 };
  const parts = new Map<string, Weight>();
  const atStart = startModules(bundle);
  for (const { name, text } of bundle.modules) {
    const when = atStart.has(name) ? "start" : "later";
    const weight = Bun.gzipSync(text).length;
    const own = bundle.parts.filter(({ module }) => module === name);
    const length = own.reduce((sum, { bytes }) => sum + bytes, 0);
    all[when] += weight;
    for (const { path, bytes } of own) {
      const part = partOf(path);
      const sum = parts.get(part) ?? { start: 0, later: 0 };
      sum[when] += (weight * bytes) / length;
      parts.set(part, sum);
    }
  }
  return { all, parts };
}

function partOf(path: string): string {
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  return name ?? /^(?:src|plugins)\/[^/.]+(?=\/)/.exec(path)?.[0] ?? "other";
}

async function main(): Promise<void> {
  const builds = await Promise.all(
    [OBJECT_ENTRY, LIBSQL_ENTRY].map(async (entry) => weigh(await bundleWorker(entry))),
  );
  const names = [...new Set(builds.flatMap(({ parts }) => [...parts.keys()]))];
  const rows = names.map((name) => ({ name, weights: builds.map(({ parts }) => parts.get(name)) }));
  const isHeavy = ({ weights }: (typeof rows)[number]) =>
    weights.some((weight) => total(weight) >= MIN_KB * 1_000);
  const sorted = rows
    .filter(isHeavy)
    .toSorted((left, right) => total(right.weights[0]) - total(left.weights[0]));
  const lines = [
    "| kB by gzip: at start, and later | object | libSQL |",
    "| --- | --- | --- |",
    row(
      "**all**",
      builds.map(({ all }) => all),
    ),
    ...sorted.map(({ name, weights }) => row(name, weights)),
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
}

const total = (weight: Weight | undefined) => (weight?.start ?? 0) + (weight?.later ?? 0);

function row(name: string, weights: readonly (Weight | undefined)[]): string {
  const cells = weights.map((weight) => (weight ? `${kb(weight.start)}, ${kb(weight.later)}` : ""));
  return `| ${[name, ...cells].join(" | ")} |`;
}

const kb = (bytes: number) => (bytes / 1_000).toFixed(1);

if (import.meta.main) await main();
