import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { createPollWake } from "../../src/wake/poll.ts";
import { Listener, mailId, mailIds, testWake } from "../contract/wake.ts";

const HOUR_MS = 3_600_000;
const now = () => new Date();

testWake("poll", async () => {
  const wake = createPollWake({ now });
  return { wake, listen: wake.listen, receivedBy: "each", [Symbol.asyncDispose]: wake[Symbol.asyncDispose] };
});

describe("createPollWake()", () => {
  test("notify() calls the listeners before it returns", async () => {
    await using wake = createPollWake({ now });
    using listener = new Listener(wake.listen);
    const ids = mailIds(2);
    void wake.notify(ids);
    expect(listener.received).toEqual(ids);
  });

  test("notify() does not wait for the listeners", async () => {
    await using wake = createPollWake({ now });
    using listener = new Listener(wake.listen, () => new Promise(() => undefined));
    await wake.notify([mailId()]);
    expect(listener.received).toHaveLength(1);
  });

  test("dispose ends listen()", async () => {
    const wake = createPollWake({ now });
    const listener = new Listener(wake.listen);
    await wake[Symbol.asyncDispose]();
    await listener.ended;
    expect(wake.listen(async () => undefined, { signal: new AbortController().signal })).rejects.toThrow(
      "closed",
    );
  });

  describe("notify() with notBefore", () => {
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());
    // The wake's clock stands still, and the test advances its timers.
    const make = () => createPollWake({ now: () => new Date(0) });

    test("calls the listeners after that time", async () => {
      await using wake = make();
      using listener = new Listener(wake.listen);
      const ids = mailIds(3);
      await wake.notify(ids, { notBefore: new Date(5_000) });
      jest.advanceTimersByTime(5_000);
      expect(listener.received).toEqual([]);
      jest.advanceTimersByTime(1);
      expect(listener.received).toEqual(ids);
    });

    test.each([
      ["starts one timer for all messages of a wake", true, HOUR_MS, 1],
      ["starts no timer for more than an hour, because the sweep finds the message", true, HOUR_MS + 1, 0],
      ["starts no timer without listeners, as in a Worker", false, 1_000, 0],
    ])("%s", async (_, isHeard, waitMs, expected) => {
      await using wake = make();
      using _listener = isHeard ? new Listener(wake.listen) : null;
      await wake.notify(mailIds(3), { notBefore: new Date(waitMs) });
      expect(jest.getTimerCount()).toBe(expected);
    });

    test("starts at most 1,000 timers and stops them with the last listener", async () => {
      await using wake = make();
      using listener = new Listener(wake.listen);
      for (let count = 0; count < 1_100; count++)
        await wake.notify([mailId()], { notBefore: new Date(HOUR_MS) });
      expect(jest.getTimerCount()).toBe(1_000);
      listener[Symbol.dispose]();
      await listener.ended;
      expect(jest.getTimerCount()).toBe(0);
    });

    test("dispose stops the timers", async () => {
      const wake = make();
      using _listener = new Listener(wake.listen);
      await wake.notify([mailId()], { notBefore: new Date(HOUR_MS) });
      await wake[Symbol.asyncDispose]();
      expect(jest.getTimerCount()).toBe(0);
    });
  });
});
