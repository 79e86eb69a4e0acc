import { AsyncLocalStorage } from "node:async_hooks";
import { relative } from "node:path";
import { plugin } from "bun";
import { ROOT } from "../../tools/gate/sources.ts";
import { instrument } from "./instrument.ts";

// Preloaded into a server: reports each file of src/ and plugins/ that is entered while the parent process records.

declare global {
  var __entered: (path: string) => void;
}

let recorded: Set<string> | null = null;

// Heartbeats and sweeps that run anyway are not part of a request: their timers were set before it.
const background = new AsyncLocalStorage<true>();
for (const name of ["setTimeout", "setInterval"] as const) {
  const original = globalThis[name];
  const marking = (callback: (...values: unknown[]) => void, ms?: number, ...values: unknown[]) =>
    recorded === null
      ? original(() => background.run(true, callback, ...values), ms)
      : original(callback, ms, ...values);
  Object.assign(globalThis, { [name]: Object.assign(marking, original) });
}

globalThis.__entered = (path) => {
  if (background.getStore() === undefined) recorded?.add(path);
};

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
