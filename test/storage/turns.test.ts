import { describe, expect, test } from "bun:test";
import { Turns } from "../../src/storage/turns.ts";

const never = new AbortController().signal;

describe("Turns.run()", () => {
  test("lets one at a time through, in the order in which they came", async () => {
    const turns = new Turns();
    const order: number[] = [];
    let inside = 0;
    let most = 0;
    const work = async (at: number) => {
      order.push(at);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside--;
      return at;
    };
    const ids = Array.from({ length: 50 }, (_, at) => at);
    expect(await Promise.all(ids.map((at) => turns.run(() => work(at), never)))).toEqual(ids);
    expect(order).toEqual(ids);
    expect(most).toBe(1);
  });

  test("begins at once if nobody is before", () => {
    let hasBegun = false;
    void new Turns().run(async () => {
      hasBegun = true;
    }, never);
    expect(hasBegun).toBe(true);
  });

  test("goes on after work that failed", async () => {
    const turns = new Turns();
    const failed = turns.run(() => Promise.reject(new Error("It broke")), never);
    const next = turns.run(async () => "next", never);
    expect(await failed.catch(String)).toBe("Error: It broke");
    expect(await next).toBe("next");
  });

  test("gives up a place in the queue when the signal is aborted, and does not do the work", async () => {
    const turns = new Turns();
    const first = Promise.withResolvers<void>();
    const running = turns.run(() => first.promise, never);
    const controller = new AbortController();
    let hasBegun = false;
    const waiting = turns.run(async () => {
      hasBegun = true;
    }, controller.signal);
    const last = turns.run(async () => "last", never);
    const reason = new Error("Too late");
    controller.abort(reason);
    expect(await waiting.catch((error: unknown) => error)).toBe(reason);
    first.resolve();
    await running;
    expect(await last).toBe("last");
    expect(hasBegun).toBe(false);
  });

  test("lets urgent work through before what waits", async () => {
    const turns = new Turns();
    const order: string[] = [];
    const work = (name: string, isUrgent = false) =>
      turns.run(async () => void order.push(name), never, { isUrgent });
    const first = turns.run(() => new Promise<void>((resolve) => setImmediate(resolve)), never);
    await Promise.all([first, work("one"), work("urgent", true), work("two"), work("urgent, too", true)]);
    expect(order).toEqual(["urgent", "urgent, too", "one", "two"]);
  });
});
