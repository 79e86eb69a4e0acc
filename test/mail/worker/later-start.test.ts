import { expect, test } from "bun:test";
import { HOUR_SECONDS, MESSAGE, NO_JITTER, openCircuit, queueInstance, until } from "../fixtures/queue.ts";

test("a message with a later start does not leave before, whether its definition is saved, recovers or is deleted", async () => {
  await using instance = await queueInstance(NO_JITTER);
  await instance.save("b", { server: "b.example.org" });
  const [one = ""] = await openCircuit(instance, 0);
  const sendAt = new Date(instance.clock.now.getTime() + 20 * HOUR_SECONDS * 1_000);
  const scheduled = await instance.queue({ sendAt });
  const moving = await instance.queue({ sendAt }, MESSAGE, ["a", "b"]);
  instance.clock.advance(60);
  await until(async () => {
    await instance.drain();
    return (await instance.mail(one)).state === "sent";
  }, "the message that waits for its server is sent");
  await instance.drain();
  expect(await instance.services.circuit.health("a")).toMatchObject({ circuit: "closed" });
  await instance.save("a", { timeout: 20 });
  await instance.drain();
  await instance.request("DELETE", "/smtpserver/a");
  await instance.drain();
  const waits = { state: "queued", recipients: [{ attempts: 0, dueAt: sendAt.getTime() }] };
  expect([await instance.mail(scheduled), await instance.mail(moving)]).toMatchObject([waits, waits]);
  instance.clock.now = sendAt;
  await instance.drain();
  expect(await instance.mail(scheduled)).toMatchObject({
    ...{ state: "failed", recipients: [{ failure: { code: "server_unknown" } }] },
  });
  expect(await instance.mail(moving)).toMatchObject({ state: "sent", identifier: "b" });
});
