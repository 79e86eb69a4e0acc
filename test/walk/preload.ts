import { relative } from "node:path";
import { plugin } from "bun";
import { ROOT } from "../../tools/gate/sources.ts";
import { instrument } from "./instrument.ts";

// Preloaded into a server: reports each file of src/ and plugins/ that is entered while the parent process records.

declare global {
  var __entered: (path: string) => void;
}

let recorded: Set<string> | null = null;

/** Sweeps wait longer than the steps of a request. */
const MIN_SWEEP_MS = 1_000;

// Heartbeats and sweeps are not part of a request: those that were set before it do not fire.
for (const [name, minHeldMs] of [
  ["setTimeout", MIN_SWEEP_MS],
  ["setInterval", 0],
] as const) {
  const original = globalThis[name];
  const holding = (callback: (...values: unknown[]) => void, ms = 0, ...values: unknown[]) => {
    const setDuring = recorded;
    return original(() => {
      if (ms < minHeldMs || recorded === setDuring) callback(...values);
    }, ms);
  };
  Object.assign(globalThis, { [name]: Object.assign(holding, original) });
}

globalThis.__entered = (path) => void recorded?.add(path);

plugin({
  name: "walk",
  setup(build) {
    build.onLoad({ filter: /\/(src|plugins)\/[^.]*\.ts$/ }, async ({ path }) => {
      const text = await Bun.file(path).text();
      return { contents: instrument(relative(ROOT, path), text), loader: "ts" };
    });
  },
});

process.on("message", (message) => {
  if (message === "record") recorded = new Set();
  process.send?.([...(recorded ?? [])]);
});
