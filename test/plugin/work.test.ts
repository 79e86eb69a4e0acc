import { expect, test } from "bun:test";
import { createPluginWork } from "../../src/plugin/work.ts";

const NOW = Date.UTC(2026, 5, 1);
const drain = async () => undefined;
const nothing = async (): Promise<Date | null> => null;
const due = (seconds: number) => async (): Promise<Date | null> => new Date(NOW + seconds * 1_000);

function pluginWork() {
  return createPluginWork({
    epoch: { run: (work) => work() },
    background: () => undefined,
    drainLater: async () => undefined,
  });
}

test.each([
  ["never for a plugin without work", {}, Number.POSITIVE_INFINITY],
  ["never if nothing waits", { drain, nextDueAt: nothing }, Number.POSITIVE_INFINITY],
  ["when the work is due", { drain, nextDueAt: due(30) }, 30],
  ["in five seconds for work that a drain left", { drain, nextDueAt: due(0) }, 5],
  ["in a minute for a plugin that does not say", { drain }, 60],
] as const)("the next work of plugins is due %s", async (_, instance, seconds) => {
  const work = pluginWork();
  work.add("one", instance);
  expect((await work.nextAt(NOW)) - NOW).toBe(seconds * 1_000);
});

test("the next work is due soon while a drain is under way, because the object may end", async () => {
  const work = pluginWork();
  const end = Promise.withResolvers<void>();
  work.add("one", { drain: () => end.promise, nextDueAt: due(30) });
  const bounds = { signal: AbortSignal.timeout(1_000), timeLeftMs: () => 1_000, isSequential: false };
  const drained = work.drain(bounds);
  expect((await work.nextAt(NOW)) - NOW).toBe(5_000);
  end.resolve();
  await drained;
  expect((await work.nextAt(NOW)) - NOW).toBe(30_000);
});

test("the next work of several plugins is that of the first", async () => {
  const work = pluginWork();
  work.add("later", { drain, nextDueAt: due(90) });
  work.add("sooner", { drain, nextDueAt: due(10) });
  work.add("none", {});
  expect((await work.nextAt(NOW)) - NOW).toBe(10_000);
  expect(work.plugins).toEqual(["later", "sooner"]);
});
