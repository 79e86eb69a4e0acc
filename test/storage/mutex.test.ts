import { describe, expect, test } from "bun:test";
import { Mutex } from "../../src/storage/mutex.ts";

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("Mutex.run()", () => {
  test("runs one task at a time, in the order of their arrival", async () => {
    const mutex = new Mutex();
    const order: number[] = [];
    let inside = 0;
    let max = 0;
    const task = async (index: number) => {
      order.push(index);
      max = Math.max(max, ++inside);
      await tick();
      inside--;
      return index;
    };
    const ids = Array.from({ length: 20 }, (_, index) => index);
    expect(await Promise.all(ids.map((index) => mutex.run(() => task(index))))).toEqual(ids);
    expect({ order, max }).toEqual({ order: ids, max: 1 });
  });

  test("runs an urgent task before those that wait, and after urgent ones before it", async () => {
    const mutex = new Mutex();
    const order: string[] = [];
    const task = (name: string, isUrgent = false) =>
      mutex.run(
        async () => {
          order.push(name);
          await tick();
        },
        { isUrgent },
      );
    await Promise.all([
      task("first"),
      task("second"),
      task("urgent", true),
      task("third"),
      task("urgent, too", true),
    ]);
    expect(order).toEqual(["first", "urgent", "urgent, too", "second", "third"]);
  });

  test("goes on after a task that failed", async () => {
    const mutex = new Mutex();
    const failed = mutex.run(() => Promise.reject(new Error("It broke")));
    const next = mutex.run(async () => "next");
    await expect(failed).rejects.toThrow("It broke");
    expect(await next).toBe("next");
    expect(await mutex.run(async () => "later")).toBe("later");
  });
});
