import { describe, expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { shareRead } from "../../src/async/batcher.ts";

describe("shareRead()", () => {
  test("callers of one tick share a read that starts after them", async () => {
    let state = 1;
    let reads = 0;
    const read = shareRead(async () => {
      reads++;
      return state;
    });
    const first = read("a");
    state = 2;
    const second = read("a");
    expect(await Promise.all([first, second])).toEqual([2, 2]);
    expect(reads).toBe(1);
  });

  test("no caller gets a read that started before its call", async () => {
    let state = 1;
    const gate = Promise.withResolvers<void>();
    const read = shareRead(async () => {
      const seen = state;
      await gate.promise;
      return seen;
    });
    const first = read("a");
    await setImmediate();
    await setImmediate();
    state = 2;
    const second = read("a");
    gate.resolve();
    expect(await Promise.all([first, second])).toEqual([1, 2]);
  });

  test("keys are separate, and only the callers of a failed read see its error", async () => {
    const read = shareRead(async (key) => {
      if (key === "bad") throw new Error("failed");
      return key;
    });
    const results = await Promise.allSettled([read("a"), read("bad"), read("bad")]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await read("a")).toBe("a");
  });
});
