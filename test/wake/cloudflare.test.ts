import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { consumeWakes, createCloudflareWake } from "../../src/wake/cloudflare.ts";
import { Listener, mailId, mailIds, testWake } from "../contract/wake.ts";
import { startQueue, type TestQueue } from "./fixtures/queue.ts";

const TEST_MS = 20_000;
const HOUR_SECONDS = 3_600;

let queue: TestQueue;
beforeAll(async () => {
  queue = await startQueue();
}, TEST_MS);
afterAll(() => queue[Symbol.asyncDispose]());

testWake("cloudflare", async () => {
  const wake = queue.open();
  return {
    wake,
    listen: queue.listen,
    receivedBy: "one",
    isSerial: true,
    [Symbol.asyncDispose]: wake[Symbol.asyncDispose],
  };
});

describe("createCloudflareWake()", () => {
  type Sent = { readonly bodies: readonly string[]; readonly delaySeconds: number | undefined };
  function make() {
    const sent: Sent[] = [];
    const producer = {
      sendBatch: async (
        messages: Iterable<{ readonly body: string }>,
        options?: { readonly delaySeconds?: number },
      ) => {
        sent.push({ bodies: Array.from(messages, ({ body }) => body), delaySeconds: options?.delaySeconds });
      },
    };
    return { sent, wake: createCloudflareWake({ queue: producer, now: () => new Date(0) }) };
  }

  test("notify() sends at most 100 IDs per call", async () => {
    const { sent, wake } = make();
    const ids = mailIds(201);
    await wake.notify(ids);
    expect(sent.map(({ bodies }) => bodies.length)).toEqual([100, 100, 1]);
    expect(sent.flatMap(({ bodies }) => bodies)).toEqual(ids);
  });

  test.each([
    [-5_000, [0]],
    [0, [0]],
    [1, [1]],
    [1_001, [2]],
    [12 * HOUR_SECONDS * 1_000, [12 * HOUR_SECONDS]],
    // Left to the sweep.
    [12 * HOUR_SECONDS * 1_000 + 1, []],
  ])("notify() with notBefore in %d ms has a delay of %j seconds", async (ms, expected) => {
    const { sent, wake } = make();
    await wake.notify([mailId()], { notBefore: new Date(ms) });
    expect(sent.map(({ delaySeconds }) => delaySeconds ?? 0)).toEqual(expected);
  });

  test("notify() rejects with the error of the queue", async () => {
    const sendBatch = () => Promise.reject(new Error("Queue is overloaded"));
    const wake = createCloudflareWake({ queue: { sendBatch }, now: () => new Date() });
    expect(wake.notify([mailId()])).rejects.toThrow("Queue is overloaded");
  });
});

test("one createPollWake() serves all invocations of a Worker and does nothing there", async () => {
  await queue.poll([mailId()]);
  await queue.poll([mailId()], { notBefore: new Date(Date.now() + 1_000) });
});

describe("consumeWakes()", () => {
  test(
    "acknowledges and skips a body that is not an ID",
    async () => {
      await using wake = queue.open();
      using listener = new Listener(queue.listen);
      for (const body of [{ mailId: "x" }, 7, "", "x".repeat(65), null]) await queue.put(body);
      const ids = mailIds(2);
      for (const [at, id] of ids.entries()) {
        await wake.notify([id]);
        await listener.until(at + 1);
      }
      expect(listener.received).toEqual(ids);
    },
    TEST_MS,
  );

  test("acknowledges before it calls, calls once for each ID, and waits for all calls", async () => {
    const steps: string[] = [];
    const [one, other] = [mailId(), mailId()];
    const messages = [one, one, other].map((body) => ({ body }));
    await consumeWakes({ messages, ackAll: () => steps.push("acknowledged") }, async (id) => {
      await Promise.resolve();
      steps.push(id);
    });
    expect(steps).toEqual(["acknowledged", one, other]);
  });
});
