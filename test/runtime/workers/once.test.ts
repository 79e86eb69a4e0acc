import { describe, expect, test } from "bun:test";
import { createOnce } from "../../../src/runtime/workers/once.ts";

describe("createOnce()", () => {
  test("runs the action once for simultaneous callers, and never again", async () => {
    let runs = 0;
    const inFlight = Promise.withResolvers<void>();
    const once = createOnce(() => {
      runs++;
      return inFlight.promise;
    });
    const asking = Array.from({ length: 150 }, () => once());
    inFlight.resolve();
    await Promise.all(asking);
    await once();
    expect(runs).toBe(1);
  });

  test("returns a promise of its own to every caller", () => {
    const once = createOnce(async () => undefined);
    expect(once()).not.toBe(once());
  });

  test("resolves for waiting callers only when the action is done", async () => {
    let isDone = false;
    const inFlight = Promise.withResolvers<void>();
    const once = createOnce(async () => {
      await inFlight.promise;
      isDone = true;
    });
    void once();
    const follower = once().then(() => isDone);
    inFlight.resolve();
    expect(await follower).toBe(true);
  });

  test("rejects for all waiting callers, and the next caller runs the action again", async () => {
    const errors = [new Error("first"), new Error("second")];
    let runs = 0;
    const once = createOnce(async () => {
      const error = errors[runs++];
      if (error) throw error;
    });
    const outcomes = await Promise.all([once(), once(), once()].map((one) => one.catch((error) => error)));
    expect(outcomes).toEqual([errors[0], errors[0], errors[0]]);
    expect(await once().catch((error) => error)).toBe(errors[1]);
    await once();
    expect(runs).toBe(3);
  });
});
