import { describe, expect, test } from "bun:test";
import { withDeadline } from "../../src/async/abort.ts";

const late = () => new Error("late");

describe("withDeadline()", () => {
  test("resolves or rejects as the work does", async () => {
    expect(await withDeadline(Promise.resolve(1), 10_000, late)).toBe(1);
    await expect(withDeadline(Promise.reject(new Error("broken")), 10_000, late)).rejects.toThrow("broken");
  });

  test("rejects work that takes longer, and ignores its late error", async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    await expect(withDeadline(promise, 1, late)).rejects.toThrow("late");
    reject(new Error("broken"));
  });
});
