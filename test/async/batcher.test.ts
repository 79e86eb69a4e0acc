import { describe, expect, test } from "bun:test";
import { Batcher, type BatcherOptions } from "../../src/async/batcher.ts";

const tick = () => new Promise((resolve) => setImmediate(resolve));
const abandoned = () => new Error("Cut off");
/** Long enough for every run of these tests. */
const polling = { maxRunMs: 60_000, abandoned };

/** Creates a batcher that echoes its items and records the items of each run. */
function echo(
  options: Partial<BatcherOptions<number, string>> = {},
  before: (items: readonly number[]) => unknown = tick,
) {
  const runs: (readonly number[])[] = [];
  const batcher = new Batcher<number, string>({
    async run(items) {
      runs.push(items);
      await before(items);
      return items.map(String);
    },
    maxSize: 100,
    ...options,
  });
  return { batcher, runs };
}

const numbers = (length: number) => Array.from({ length }, (_, index) => index);
const bad = (items: readonly number[]) => items.findIndex((item) => item < 0);

/** Fails like a transaction: if one item is bad, none of the run is done. */
function failOnBad(items: readonly number[]): void {
  if (bad(items) >= 0) throw new Error(`bad: ${items[bad(items)]}`);
}

describe.each([
  ["callers that await each other", {}],
  ["callers that poll", { polling }],
] as const)("Batcher.run() with %s", (_name, mode) => {
  test("runs the items that arrive during a run together, in order of arrival", async () => {
    const { batcher, runs } = echo(mode);
    const items = numbers(50);
    expect(await Promise.all(items.map((item) => batcher.run(item)))).toEqual(items.map(String));
    expect(runs.flat()).toEqual(items);
    expect(runs.length).toBeLessThanOrEqual(2);
  });

  test("has one run in progress at a time", async () => {
    let inside = 0;
    let max = 0;
    const { batcher } = echo({ ...mode, maxSize: 3 }, async () => {
      max = Math.max(max, ++inside);
      await tick();
      inside--;
    });
    await Promise.all(numbers(40).map((item) => batcher.run(item)));
    expect(max).toBe(1);
  });

  test("bounds the total size of a run, and runs a larger item alone", async () => {
    const { batcher, runs } = echo({ ...mode, maxSize: 10, sizeOf: (item) => item });
    await Promise.all([1, 4, 6, 30, 5, 5, 5].map((item) => batcher.run(item)));
    const sizes = runs.map((run) => run.reduce((sum, item) => sum + item, 0));
    expect(sizes.filter((size) => size > 10)).toEqual([30]);
    expect(runs).toContainEqual([5, 5]);
    expect(runs.flat()).toEqual([1, 4, 6, 30, 5, 5, 5]);
  });

  test("resolves after its own run, not before", async () => {
    const running = Promise.withResolvers<void>();
    const { batcher } = echo(mode, () => running.promise);
    let isDone = false;
    const first = batcher.run(1).then(() => {
      isDone = true;
    });
    const second = batcher.run(2);
    await tick();
    await tick();
    expect(isDone).toBe(false);
    running.resolve();
    await Promise.all([first, second]);
  });

  test("returns a separate promise to each caller", async () => {
    const { batcher } = echo(mode);
    const calls = [batcher.run(1), batcher.run(1)];
    expect(calls[0]).not.toBe(calls[1]);
    await Promise.all(calls);
  });

  test("an urgent item goes before waiting items, after urgent ones", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { batcher, runs } = echo({ ...mode, maxSize: 1 }, () => promise);
    const run = (item: number, isUrgent: boolean) => batcher.run(item, { isUrgent });
    const first = run(0, false);
    while (runs.length === 0) await tick();
    const others = [run(3, false), run(1, true), run(4, false), run(2, true)];
    resolve();
    await Promise.all([first, ...others]);
    expect(runs.flat()).toEqual([0, 1, 2, 3, 4]);
  });

  test.each([
    ["index", (_: unknown, items: readonly number[]) => bad(items)],
    ["unknown", () => "unknown" as const],
  ])("an item with its own error fails alone, blamed by %s", async (_what, blame) => {
    const { batcher, runs } = echo({ ...mode, blame }, failOnBad);
    const items = [1, 2, -1, 3, -2, -3, 4];
    const outcomes = await Promise.allSettled(items.map((item) => batcher.run(item)));
    expect(
      outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : String(outcome.reason))),
    ).toEqual(["1", "2", "Error: bad: -1", "3", "Error: bad: -2", "Error: bad: -3", "4"]);
    expect(runs.filter((run) => bad(run) < 0).flat()).toEqual([1, 2, 3, 4]);
  });

  test("an item whose error may depend on earlier items runs again after them", async () => {
    const taken = new Set<number>();
    const { batcher } = echo(
      { ...mode, blame: (error) => Number(error instanceof Error && error.message) },
      (items) => {
        const duplicate = items.findIndex((item, index) => taken.has(item) || items.indexOf(item) < index);
        if (duplicate >= 0) throw new Error(`${duplicate}`);
        for (const item of items) taken.add(item);
      },
    );
    const first = batcher.run(0);
    const outcomes = await Promise.allSettled([first, ...[7, 7, 8].map((item) => batcher.run(item))]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected", "fulfilled"]);
    expect([...taken].toSorted()).toEqual([0, 7, 8]);
  });

  test("after an error that concerns the whole run, its items do not run again", async () => {
    const { batcher, runs } = echo({ ...mode, blame: () => "all" }, () => {
      throw new Error("Unavailable");
    });
    const outcomes = await Promise.allSettled(numbers(5).map((item) => batcher.run(item)));
    expect(outcomes.map(({ status }) => status)).toEqual(Array(5).fill("rejected"));
    expect(runs.flat()).toEqual(numbers(5));
  });

  test("after a run that did nothing, items that may still wait run again before later ones", async () => {
    let isBusy = true;
    let nowMs = 0;
    const started = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const runs: (readonly number[])[] = [];
    const batcher = new Batcher<number, string>({
      async run(items, deadlineMs) {
        runs.push(items);
        started.resolve();
        await go.promise;
        if (!isBusy || items.length === 1) return items.map(String);
        isBusy = false;
        // The first item has now waited too long, the other one has not.
        nowMs = deadlineMs;
        throw new Error("Busy");
      },
      ...mode,
      maxSize: 100,
      maxWaitMs: 200,
      nowMs: () => nowMs,
      blame: () => "none",
      tooLate: () => new Error("Late"),
    });
    const first = batcher.run(0);
    await started.promise;
    const impatient = batcher.run(1).catch(String);
    nowMs += 20;
    const patient = batcher.run(2);
    go.resolve();
    expect(await first).toBe("0");
    expect(await impatient).toBe("Error: Busy");
    expect(await patient).toBe("2");
    expect(runs).toEqual([[0], [1, 2], [2]]);
  });

  test("an item that waited too long is rejected and never runs", async () => {
    let nowMs = 0;
    const running = Promise.withResolvers<void>();
    const { batcher, runs } = echo(
      { ...mode, maxWaitMs: 20, nowMs: () => nowMs, tooLate: () => new Error("Late") },
      () => running.promise,
    );
    const first = batcher.run(1);
    while (runs.length === 0) await tick();
    const late = batcher.run(2).catch(String);
    nowMs += 25;
    const last = batcher.run(3);
    running.resolve();
    expect(await first).toBe("1");
    expect(await late).toBe("Error: Late");
    expect(await last).toBe("3");
    expect(runs).toEqual([[1], [3]]);
  });

  test("drain() resolves when every item is settled or there is none", async () => {
    const { batcher } = echo({ ...mode, maxSize: 2 });
    await batcher.drain();
    let settled = 0;
    const calls = numbers(7).map((item) => batcher.run(item).then(() => settled++));
    await batcher.drain();
    await tick();
    expect(settled).toBe(7);
    await Promise.all(calls);
  });
});

describe("Batcher.run() with callers that poll", () => {
  test("starts without a wait if no run is in progress", () => {
    const { batcher, runs } = echo({ polling });
    void batcher.run(1);
    expect(runs).toEqual([[1]]);
  });

  test("a request that was cut off during its run blocks no other, and its run is not repeated", async () => {
    const { batcher, runs } = echo({ polling: { maxRunMs: 30, abandoned } }, (items) =>
      // No promise of a request that was cut off ever settles.
      items.includes(2) ? new Promise(() => undefined) : tick(),
    );
    const first = batcher.run(1);
    // It runs both items and never returns.
    void batcher.run(2);
    const other = batcher.run(3).catch(String);
    await first;
    while (runs.length < 2) await tick();
    const next = batcher.run(4);
    expect(await other).toBe("Error: Cut off");
    expect(await next).toBe("4");
    expect(runs).toEqual([[1], [2, 3], [4]]);
  });

  test("another request runs the item of one that was cut off while waiting", async () => {
    const { batcher, runs } = echo({ polling });
    const first = batcher.run(1);
    void batcher.run(2);
    const last = batcher.run(3);
    await Promise.all([first, last]);
    expect(runs).toEqual([[1], [2, 3]]);
  });
});

describe("Batcher.run() with callers that await each other", () => {
  test("items that arrive within a few ticks of each other share a run", async () => {
    const { batcher, runs } = echo();
    const late = async (ticks: number) => {
      for (let count = 0; count < ticks; count++) await Promise.resolve();
      return batcher.run(ticks);
    };
    await Promise.all(numbers(20).map(late));
    expect(runs.map(({ length }) => length)).toEqual([20]);
  });

  test("a run waits for `gatherMs` only if the previous one had several items", async () => {
    const { batcher, runs } = echo({ gatherMs: 400 });
    const startMs = performance.now();
    await batcher.run(0);
    expect(performance.now() - startMs).toBeLessThan(400);
    await Promise.all([batcher.run(1), batcher.run(2)]);
    const gatheringMs = performance.now();
    await batcher.run(3);
    expect(performance.now() - gatheringMs).toBeGreaterThanOrEqual(399);
    expect(runs).toEqual([[0], [1, 2], [3]]);
  });

  test("flush() ends the wait for `gatherMs`", async () => {
    const { batcher, runs } = echo({ gatherMs: 60_000 });
    await Promise.all([batcher.run(0), batcher.run(1)]);
    const run = batcher.run(2);
    batcher.flush();
    await run;
    expect(runs).toEqual([[0, 1], [2]]);
  });
});

test("a batcher that waits for no tick runs items in the turn of their callers", async () => {
  const { batcher, runs } = echo({ maxTicks: 0 }, () => undefined);
  const done: string[] = [];
  for (const item of [1, 2]) void batcher.run(item).then((value) => done.push(value));
  for (let turn = 0; turn < 100; turn++) await Promise.resolve();
  expect(done.toSorted()).toEqual(["1", "2"]);
  expect(runs).toEqual([[1, 2]]);
});
