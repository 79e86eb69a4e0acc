import { describe, expect, test } from "bun:test";
import { Semaphore } from "../../src/async/semaphore.ts";

const tick = () => new Promise((resolve) => setImmediate(resolve));

describe("Semaphore.run()", () => {
  test.each([1, 3])("runs at most %p tasks at a time, in order of arrival", async (permits) => {
    const semaphore = new Semaphore(permits);
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
    expect(await Promise.all(ids.map((index) => semaphore.run(() => task(index))))).toEqual(ids);
    expect({ order, max }).toEqual({ order: ids, max: permits });
  });

  test("continues after a failed task", async () => {
    const semaphore = new Semaphore(1);
    const failed = semaphore.run(() => Promise.reject(new Error("It broke")));
    const next = semaphore.run(async () => "next");
    await expect(failed).rejects.toThrow("It broke");
    expect(await next).toBe("next");
    expect(await semaphore.run(async () => "later")).toBe("later");
  });
});
