import { describe, expect, test } from "bun:test";
import { onAbort, orAborted, untilAborted } from "../../src/async/abort.ts";

describe("onAbort()", () => {
  test("calls each listener once, except canceled ones", () => {
    const controller = new AbortController();
    const calls: string[] = [];
    onAbort(controller.signal, () => calls.push("first"));
    onAbort(controller.signal, () => calls.push("second"))();
    onAbort(controller.signal, () => calls.push("third"));
    controller.abort();
    expect(calls).toEqual(["first", "third"]);
  });

  test("does not call for a signal that is already aborted", () => {
    const calls: string[] = [];
    onAbort(AbortSignal.abort(), () => calls.push("late"));
    expect(calls).toEqual([]);
  });
});

describe("untilAborted()", () => {
  test("resolves when the signal is aborted", async () => {
    const controller = new AbortController();
    const aborted = untilAborted(controller.signal).then(() => "aborted");
    controller.abort();
    expect(await aborted).toBe("aborted");
  });

  test("resolves immediately for an aborted signal", async () => {
    await untilAborted(AbortSignal.abort());
  });
});

describe("orAborted()", () => {
  const never = new Promise<void>(() => undefined);

  test("resolves or rejects as the work does", async () => {
    const { signal } = new AbortController();
    await orAborted(Promise.resolve(), signal);
    await expect(orAborted(Promise.reject(new Error("broken")), signal)).rejects.toThrow("broken");
  });

  test("does not wait for the work once the signal is aborted", async () => {
    const controller = new AbortController();
    const waiting = orAborted(never, controller.signal);
    controller.abort();
    await waiting;
    await orAborted(never, controller.signal);
  });
});
