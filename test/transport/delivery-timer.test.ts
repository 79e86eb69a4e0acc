import { expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { DeliveryTimeout, DeliveryTimer } from "../../src/transport/smtp/delivery-timer.ts";

const LIMITS = { stepTimeoutMs: 50, totalTimeoutMs: 200, finalReplyTimeoutMs: 5_000 };

/** Returns the reason for which a timer stops, and how long that takes, after it was used. */
async function stopOf(use: (timer: DeliveryTimer) => void, signal = new AbortController().signal) {
  const startMs = performance.now();
  using timer = new DeliveryTimer(LIMITS, signal);
  use(timer);
  const reason = await new Promise((resolve) => timer.onStop(resolve));
  return { reason, elapsedMs: performance.now() - startMs };
}

test.each([
  ["a phase", (timer: DeliveryTimer) => timer.enter("greeting")],
  ["the end of a message", (timer: DeliveryTimer) => timer.endMessage()],
])("a restart after %s leaves the bound of the whole delivery", async (_, use) => {
  const { reason, elapsedMs } = await stopOf((timer) => {
    use(timer);
    timer.restart();
  });
  expect(reason).toBeInstanceOf(DeliveryTimeout);
  expect(elapsedMs).toBeWithin(LIMITS.totalTimeoutMs - 2, LIMITS.finalReplyTimeoutMs / 2);
});

test("a restart after the bound of the whole delivery, in the wait for the last reply, stops at once", async () => {
  using timer = new DeliveryTimer({ ...LIMITS, totalTimeoutMs: 1 }, new AbortController().signal);
  timer.endMessage();
  for (const startMs = performance.now(); performance.now() - startMs < 2; ) await setImmediate();
  expect(timer.stopped).toBe(null);
  timer.restart();
  expect(timer.stopped?.reason).toBeInstanceOf(DeliveryTimeout);
});

test("a restart stops for an abort that arrived during the message", async () => {
  const abort = new AbortController();
  const { reason } = await stopOf((timer) => {
    timer.startPiece();
    abort.abort("canceled");
    timer.restart();
  }, abort.signal);
  expect(reason).toBe("canceled");
});

test("each piece of a message that the server takes is a step, within the bound of the whole delivery", async () => {
  const takesPieces = async (forMs: number) => {
    const startMs = performance.now();
    const elapsedMs = () => performance.now() - startMs;
    using timer = new DeliveryTimer(LIMITS, new AbortController().signal);
    timer.enter("data");
    while (timer.stopped === null && elapsedMs() < forMs) {
      timer.startPiece();
      await setImmediate();
    }
    return { isStopped: timer.stopped !== null, elapsedMs: elapsedMs() };
  };
  expect(await takesPieces(2.5 * LIMITS.stepTimeoutMs)).toMatchObject({ isStopped: false });
  const { isStopped, elapsedMs } = await takesPieces(10 * LIMITS.totalTimeoutMs);
  expect([isStopped, elapsedMs < 2 * LIMITS.totalTimeoutMs]).toEqual([true, true]);
});
