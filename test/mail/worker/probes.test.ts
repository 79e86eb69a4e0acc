import { describe, expect, setDefaultTimeout, spyOn, test } from "bun:test";
import type { SendOptions } from "../../../src/contracts/transport.ts";
import type { Receipt } from "../../../src/domain/delivery.ts";
import { openCircuit, queueInstance } from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

/** Ends the timers of this length immediately, as if the time had passed. */
function skipTime(skippedMs: number) {
  const { setTimeout } = globalThis;
  const skip = (call: () => void, ms?: number) => setTimeout(call, ms === skippedMs ? 0 : ms);
  return spyOn(globalThis, "setTimeout").mockImplementation(Object.assign(skip, setTimeout));
}

/** A delivery that only an abort ends. */
function untilAbort({ signal }: SendOptions): Promise<Receipt> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

describe("a probe", () => {
  test("keeps the circuit open if it gets no connection, and is repeated 5 s later", async () => {
    let isFull = true;
    await using instance = await queueInstance({
      around: (_, send, options) => (isFull && options.until !== undefined ? untilAbort(options) : send()),
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    using _time = skipTime(4_000);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    expect(await instance.services.circuit.health("a")).toMatchObject({
      ...{ circuit: "open", failures: 5, lastFailure: { code: "refused" } },
      nextTry: new Date(instance.clock.now.getTime() + 5_000),
    });
    isFull = false;
    instance.clock.advance(5);
    await instance.drain();
    expect(instance.got).toHaveLength(8);
  });

  test("closes the circuit if its conversation goes on for 10 s", async () => {
    await using instance = await queueInstance({
      async around(_, send, options) {
        if (options.until === undefined) return send();
        options.onStarted?.();
        return untilAbort(options);
      },
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    using _time = skipTime(10_000);
    await instance.drain();
    expect(instance.got).toHaveLength(8);
  });
});
