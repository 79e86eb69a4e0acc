import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { noConnection, notAttempted } from "../../../src/domain/delivery.ts";
import { queueInstance } from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

describe("mail that got no connection", () => {
  test("opens no circuit, and its next attempt is the first", async () => {
    let isFull = true;
    await using instance = await queueInstance({
      around: async (_, send) => (isFull ? notAttempted(noConnection()) : send()),
    });
    await instance.save();
    const ids: string[] = [];
    for (let number = 0; number < 6; number++) ids.push(await instance.queue());
    await instance.drain();
    expect(await instance.submit({ queue: false })).toMatchObject({ state: "failed" });
    const health = await instance.services.circuit.health("a");
    expect(health).toMatchObject({ circuit: "closed", failures: 0, waiting: 6 });
    isFull = false;
    instance.clock.advance(6);
    await instance.drain();
    expect(instance.got).toHaveLength(6);
    expect(await instance.mail(ids[0] ?? "")).toMatchObject({
      ...{ state: "sent", recipients: [{ attempts: 1 }] },
      attempts: [{ decision: "retry", phase: "connect", code: "timeout" }, { decision: "ended" }],
    });
  });
});
