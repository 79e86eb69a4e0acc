import { describe, expect, test } from "bun:test";
import { notSent } from "../../../src/domain/delivery.ts";
import { failed } from "../../fixtures/receipts.ts";
import {
  DOWN,
  GREYLISTED,
  HOUR_SECONDS,
  headerOf,
  LOST,
  MESSAGE,
  queueInstance,
  REFUSED,
  TO,
} from "../fixtures/queue.ts";

const OTHER = { name: "", address: "other@example.net" };
const BOTH = { ...MESSAGE, to: [TO, OTHER] };

describe("drain()", () => {
  test("sends queued messages once", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    expect(await instance.mail(id)).toMatchObject({ state: "queued", attempts: [] });
    expect(instance.got).toHaveLength(0);
    await instance.drain();
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect(await instance.mail(id)).toMatchObject({
      state: "sent",
      recipients: [{ state: "sent", attempts: 1, dueAt: null, failure: null }],
      attempts: [
        { outcome: "sent", decision: "ended", identifier: "a", recipient: TO.address, reply: { code: 250 } },
      ],
    });
  });

  test("repeats a transient failure with the same bytes", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    const seen: string[] = [];
    instance.fail({ ...GREYLISTED, times: 2 });
    for (let round = 0; round < 2; round++) {
      await instance.drain();
      const { state, recipients, attempts } = await instance.mail(id);
      expect({ state, tries: recipients[0]?.attempts }).toEqual({ state: "deferred", tries: round + 1 });
      expect(attempts.at(-1)).toMatchObject({
        decision: "retry",
        code: "rate_limited",
        reply: GREYLISTED.reply,
      });
      seen.push(
        (await instance.rows<{ content: string }>("SELECT content FROM mail_content"))[0]?.content ?? "",
      );
      instance.clock.advance(HOUR_SECONDS);
    }
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect((await instance.mail(id)).state).toBe("sent");
    // The message is encrypted once, so the bytes sent last are those accepted first.
    expect(new Set(seen).size).toBe(1);
    expect(headerOf(instance.got[0], "Message-ID")).toBe((await instance.mail(id)).messageId);
  });

  test("does not attempt a message before it is due", async () => {
    await using instance = await queueInstance({ randomBytes: (length) => new Uint8Array(length).fill(128) });
    await instance.save();
    const id = await instance.queue();
    instance.fail(GREYLISTED);
    await instance.drain();
    instance.clock.advance(2.4);
    await instance.drain();
    expect((await instance.mail(id)).recipients[0]?.attempts).toBe(1);
    instance.clock.advance(0.2);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("sent");
  });

  test("fails a message after a permanent rejection", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    instance.fail(REFUSED);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      state: "failed",
      recipients: [{ state: "failed", failure: { code: "recipient_rejected" } }],
      attempts: [{ outcome: "not-sent", decision: "ended" }],
    });
    const [row] = await instance.rows("SELECT * FROM audit ORDER BY number DESC LIMIT 1");
    expect(row).toMatchObject({
      ...{ action: "worker", success: 0, identifier: "a", recipient: TO.address, outcome: "not-sent" },
      ...{ phase: "recipient", info: `failed recipient_rejected ${id}` },
    });
  });

  test("reports a message once if several recipients did not get it", async () => {
    await using instance = await queueInstance();
    await instance.save();
    instance.fail({ ...REFUSED, times: 3 });
    const to = ["a", "b", "c"].map((name) => ({ name: "", address: `${name}@example.net` }));
    const id = await instance.queue({}, { ...MESSAGE, to });
    await instance.drain();
    expect((await instance.mail(id)).attempts).toHaveLength(3);
    expect(await instance.rows("SELECT recipient FROM audit WHERE action = 'worker'")).toEqual(
      to.map(({ address }) => ({ recipient: address })),
    );
  });

  test("gives up after 24 hours", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    instance.fail({ ...GREYLISTED, times: 100 });
    for (let hour = 0; hour < 23; hour++) {
      await instance.drain();
      instance.clock.advance(HOUR_SECONDS);
    }
    expect((await instance.mail(id)).state).toBe("deferred");
    instance.clock.advance(2 * HOUR_SECONDS);
    await instance.drain();
    const { state, recipients } = await instance.mail(id);
    expect({ state, tries: recipients[0]?.attempts }).toEqual({ state: "failed", tries: 23 });
  });

  test("attempts again only the recipients that were not reached", async () => {
    await using instance = await queueInstance({
      around: (delivery, send) =>
        delivery.recipient === OTHER.address || instance.clock.now.getTime() > startMs
          ? send()
          : Promise.resolve(failed(notSent("recipient", "rate_limited"))),
    });
    const startMs = instance.clock.now.getTime();
    await instance.save();
    const id = await instance.queue({}, BOTH);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      state: "deferred",
      recipients: [{ state: "deferred" }, { state: "sent", dueAt: null }],
    });
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(instance.got.map(({ recipient }) => recipient)).toEqual([OTHER.address, TO.address]);
    expect((await instance.mail(id)).state).toBe("sent");
    expect(instance.got[0]?.bytes).toEqual(instance.got[1]?.bytes ?? new Uint8Array());
  });

  test("reads host and password when it sends", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.queue();
    await instance.save("a", { server: "new.example.org", password: "changed", sender: "other@example.org" });
    await instance.drain();
    const [delivery] = instance.got;
    expect(delivery?.server.host).toBe("new.example.org");
    expect(delivery?.server.password.reveal()).toBe("changed");
    expect([delivery?.from, headerOf(delivery, "From")]).toEqual(["me@example.org", "me@example.org"]);
  });

  test("fails mail whose definition is gone", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    await instance.request("DELETE", "/smtpserver/a");
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      state: "failed",
      recipients: [{ failure: { phase: "policy", code: "server_unknown" } }],
      attempts: [{ decision: "ended", code: "server_unknown" }],
    });
  });

  test("uses an unsaved definition only for its own message", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { password: "of the saved one" });
    const json = { server: "unsaved.example.org", sender: "x@example.org", enqueue_job: true };
    const { status } = await instance.request("POST", "/smtpserver/send_test_email", {
      json: {
        ...json,
        identifier: "a",
        username: "u",
        password: "of the unsaved one",
        recipient: TO.address,
      },
    });
    expect(status).toBe(200);
    await instance.queue();
    await instance.drain();
    const used = instance.got.map(({ server, poolKey }) => [
      server.host,
      server.password.reveal(),
      poolKey === null,
    ]);
    expect(used.sort()).toEqual([
      ["mail.example.org", "of the saved one", false],
      ["unsaved.example.org", "of the unsaved one", true],
    ]);
  });

  test("does not send a decoy, whether the definition queues or not", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { enqueue_job: false });
    const id = await instance.queue({ decoy: true });
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    expect(await instance.mail(id)).toMatchObject({ state: "cancelled", attempts: [] });
  });

  test("ends immediately if the signal is already aborted", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    const drained = instance.services.drain({
      ...{ signal: AbortSignal.abort(), endsMs: performance.now() + 20_000, messageTimeoutMs: 1_000 },
    });
    await drained;
    const mail = await instance.mail(id);
    expect(mail.recipients).toMatchObject([{ attempts: 0 }]);
    expect(mail.attempts.length).toBeLessThan(3);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("sent");
  });

  test("starts no message for which too little time is left", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    const { signal } = new AbortController();
    await instance.services.drain({ signal, endsMs: performance.now() + 500, messageTimeoutMs: 1_000 });
    expect((await instance.mail(id)).state).toBe("queued");
  });
});

describe("expires_at", () => {
  test("prevents the delivery of an expired message", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const expiresAt = new Date(instance.clock.now.getTime() + 300_000);
    const id = await instance.queue({ expiresAt });
    instance.clock.advance(300);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    expect(await instance.mail(id)).toMatchObject({ state: "expired", expiresAt, attempts: [] });
  });

  test("ends the attempts of its own message only", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue({ expiresAt: new Date(instance.clock.now.getTime() + 60_000) });
    instance.fail({ ...GREYLISTED, times: 100 });
    for (let second = 0; second < 61; second++) {
      await instance.drain();
      instance.clock.advance(1);
    }
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("expired");
    expect(instance.got).toHaveLength(0);
  });
});

describe("an unknown outcome", () => {
  test.each([
    ["a notice is repeated", {}, "repeat", "sent", ["repeat", "ended"]],
    ["a code is not", { purpose: "code" }, "stop", "unknown", ["ended"]],
    ["a notice that asks for it is not", { onUnknown: "stop" }, "stop", "unknown", ["ended"]],
    [
      "a code that asks for it is",
      { purpose: "code", onUnknown: "repeat" },
      "repeat",
      "sent",
      ["repeat", "ended"],
    ],
  ] as const)("%s", async (_, options, onUnknown, state, decisions) => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue(options);
    instance.fail(LOST);
    await instance.drain();
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    const mail = await instance.mail(id);
    expect(mail).toMatchObject({
      state,
      onUnknown,
      purpose: "purpose" in options ? options.purpose : "notice",
    });
    expect(mail.attempts.map(({ decision }) => decision)).toEqual([...decisions]);
    expect(mail.attempts[0]).toMatchObject({ outcome: "unknown", phase: "data", code: "closed" });
    expect(instance.got.map((delivery) => headerOf(delivery, "Message-ID"))).toEqual(
      state === "sent" ? [mail.messageId] : [],
    );
  });

  test.each([
    ["is rejected for good", REFUSED],
    ["fails until the end", { ...DOWN, times: 100 }],
  ] as const)("is not forgotten if the repetition %s", async (_, failure) => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    instance.fail(LOST);
    await instance.drain();
    instance.fail(failure);
    for (let hours = 0; hours < 26; hours++) {
      instance.clock.advance(HOUR_SECONDS);
      await instance.drain();
    }
    const mail = await instance.mail(id);
    expect(mail).toMatchObject({ state: "unknown", recipients: [{ failure: { outcome: "not-sent" } }] });
    expect(mail.attempts[0]?.outcome).toBe("unknown");
  });
});
