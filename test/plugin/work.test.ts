import { afterEach, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import type { Database } from "../../src/contracts/database.ts";
import { createPluginWork } from "../../src/plugin/work.ts";
import { testInstance } from "../fixtures/instance.ts";

afterEach(reset);

const NOW = Date.UTC(2026, 5, 1);
const drain = async () => undefined;
const nothing = async (): Promise<Date | null> => null;
const due = (seconds: number) => async (): Promise<Date | null> => new Date(NOW + seconds * 1_000);

function pluginWork(database?: Database, sharesDrains = false) {
  const commit = () => Promise.reject(new Error("It commits nothing"));
  return createPluginWork({
    database: database ?? { commit },
    epoch: { run: (work) => work() },
    background: () => undefined,
    platform: { now: () => new Date(NOW) },
    drainLater: async () => undefined,
    sharesDrains,
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

const UNSAID: readonly (readonly [what: string, nextDueAt: () => Promise<Date | null>])[] = [
  ["throws", () => Promise.reject(new Error("planted"))],
  ["returns no valid date", async () => new Date(Number.NaN)],
  ["never returns", () => new Promise(() => undefined)],
];
test.each(UNSAID)(
  "a plugin whose nextDueAt %s is due in a minute, and is no obstacle for others",
  async (_, unsaid) => {
    const work = pluginWork();
    work.add("unsaid", { drain, nextDueAt: unsaid });
    expect((await work.nextAt(NOW)) - NOW).toBe(60_000);
    work.add("sooner", { drain, nextDueAt: due(10) });
    expect((await work.nextAt(NOW)) - NOW).toBe(10_000);
  },
);

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

test("a drain that goes on after its time keeps no object awake", async () => {
  const work = pluginWork();
  work.add("hangs", { drain: () => new Promise(() => undefined), nextDueAt: nothing });
  let timeLeftMs = 1_000;
  const bounds = { signal: AbortSignal.timeout(1_000), timeLeftMs: () => timeLeftMs, isSequential: false };
  void work.drain(bounds);
  expect((await work.nextAt(NOW)) - NOW).toBe(5_000);
  timeLeftMs = 0;
  expect(await work.nextAt(NOW)).toBe(Number.POSITIVE_INFINITY);
});

test("rare sweeps drain when work is due and at a wake, and not every five seconds", async () => {
  const stop = new AbortController();
  const start = (nextDueAt: () => Promise<Date | null>) => {
    const counted = { drains: 0, work: pluginWork(), second: Promise.withResolvers<void>() };
    const drain = async () => {
      if (++counted.drains === 2) counted.second.resolve();
    };
    counted.work.add("one", { drain, nextDueAt });
    return { counted, ended: counted.work.run(stop.signal, { isRare: true }) };
  };
  const [idle, woken, waiting] = [start(nothing), start(nothing), start(due(5))];
  woken.counted.work.wake();
  await woken.counted.second.promise;
  // After five seconds. The idle one was started before, so a sweep of its own would have come first.
  await waiting.counted.second.promise;
  stop.abort();
  await Promise.all([idle, woken, waiting].map(({ ended }) => ended));
  expect([idle, woken, waiting].map(({ counted }) => counted.drains)).toEqual([1, 2, 2]);
}, 20_000);

test("drains that share connections run one at a time, and one that is asked meanwhile looks again", async () => {
  const work = pluginWork(undefined, true);
  const rounds: PromiseWithResolvers<void>[] = [];
  const slow = () => {
    const round = Promise.withResolvers<void>();
    rounds.push(round);
    return round.promise;
  };
  let quick = 0;
  work.add("slow", { drain: slow });
  work.add("quick", { drain: async () => void quick++ });
  const bounds = { signal: AbortSignal.timeout(5_000), timeLeftMs: () => 1_000, isSequential: true };
  const first = work.drain(bounds);
  await Promise.all([work.drain(bounds), work.drain(bounds)]);
  expect([rounds.length, quick]).toEqual([1, 2]);
  rounds[0]?.resolve();
  await Bun.sleep(1);
  expect(rounds).toHaveLength(2);
  rounds[1]?.resolve();
  await first;
  expect(rounds).toHaveLength(2);
});

test("a shared drain that goes on after its time keeps no other from starting", async () => {
  const work = pluginWork(undefined, true);
  let started = 0;
  const hang = () => {
    started++;
    return new Promise<void>(() => undefined);
  };
  work.add("hangs", { drain: hang });
  let timeLeftMs = 1_000;
  const { signal } = new AbortController();
  void work.drain({ signal, timeLeftMs: () => timeLeftMs, isSequential: true });
  void work.drain({ signal, timeLeftMs: () => 1_000, isSequential: true });
  expect(started).toBe(1);
  timeLeftMs = 0;
  void work.drain({ signal, timeLeftMs: () => 1_000, isSequential: true });
  expect(started).toBe(2);
});

/** A plugin as an object of a class. */
class Jobs {
  drained = 0;
  async drain() {
    this.drained++;
  }
  async nextDueAt() {
    return this.drained === 0 ? null : new Date(NOW + 30_000);
  }
}

test("the work of a plugin may be methods of a class", async () => {
  const work = pluginWork();
  work.add("jobs", new Jobs());
  expect(await work.nextAt(NOW)).toBe(Number.POSITIVE_INFINITY);
  await work.drain({ signal: AbortSignal.timeout(1_000), timeLeftMs: () => 1_000, isSequential: false });
  expect((await work.nextAt(NOW)) - NOW).toBe(30_000);
});

test("a plugin that cannot end its leases is logged, and those of the others end", async () => {
  await using instance = await testInstance();
  const { database } = instance;
  const statement = (text: string) => () => [database.write.run(text)];
  await database.commit([database.write.run("CREATE TABLE jobs (lease TEXT)")]);
  await database.commit([database.write.run("INSERT INTO jobs VALUES ('old')")]);
  const work = pluginWork(database);
  const throws = () => {
    throw new Error("no");
  };
  work.add("throws", { drain, abandonLeases: throws });
  work.add("fails", { drain, abandonLeases: statement("UPDATE missing SET lease = ''") });
  work.add("has none", { drain });
  work.add("works without a drain", { abandonLeases: statement("UPDATE jobs SET lease = ''") });
  const records: LogRecord[] = [];
  await configure({
    sinks: { kept: (record) => void records.push(record) },
    loggers: [
      { category: ["sealpost"], lowestLevel: "error", sinks: ["kept"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
    ],
  });
  await work.abandonLeases();
  expect(records.map(({ properties: { plugin } }) => plugin)).toEqual(["throws", "fails"]);
  expect(await database.read.all<{ readonly lease: string }>("SELECT lease FROM jobs")).toEqual([
    { lease: "" },
  ]);
});

test("the next work of several plugins is that of the first", async () => {
  const work = pluginWork();
  work.add("later", { drain, nextDueAt: due(90) });
  work.add("sooner", { drain, nextDueAt: due(10) });
  work.add("none", {});
  expect((await work.nextAt(NOW)) - NOW).toBe(10_000);
  expect(work.plugins).toEqual(["later", "sooner"]);
});
