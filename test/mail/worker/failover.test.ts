import { describe, expect, spyOn, test } from "bun:test";
import { sql } from "drizzle-orm";
import { Circuit } from "../../../src/mail/circuit.ts";
import { LEASE_TIMES } from "../../../src/mail/worker/leases.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import {
  ACTOR,
  DOWN,
  GREYLISTED,
  HOUR_SECONDS,
  headerOf,
  LOST,
  MESSAGE,
  openCircuit,
  type QueueInstance,
  queueInstance,
  REFUSED,
  TO,
  textOf,
} from "../fixtures/queue.ts";

const CLOSING = { retryable: true, reply: { code: 421, enhanced: "4.3.0", text: "Closing" } };

describe("a list of servers", () => {
  const twoServers = async () => {
    const instance = await queueInstance();
    const { key, certificate, intermediate } = await sender("rsa");
    await instance.save("a", { server: "one.example.org", sender: "first@example.org" });
    await instance.save("b", {
      ...{ server: "two.example.org", sender: SENDER, smime: true },
      ...{ private_key: key, certificate: certificate + intermediate.certificate },
    });
    return instance;
  };

  test("is used in order while the caller waits, and the audit log shows it", async () => {
    await using instance = await twoServers();
    instance.fail(DOWN, "one.example.org");
    const result = await instance.submit({ queue: false }, MESSAGE, ["a", "b"]);
    expect(result).toMatchObject({
      ...{ state: "delivered", identifier: "b", skipped: [{ identifier: "a", code: "refused" }] },
      smime: { signed: true },
    });
    const [row] = await instance.rows("SELECT * FROM audit ORDER BY number DESC LIMIT 1");
    expect(row).toMatchObject({ identifier: "b", success: 1, info: "failover from a: refused" });
  });

  test("stops after an unknown outcome, a rejection or an abort", async () => {
    await using instance = await twoServers();
    for (const fault of [LOST, REFUSED, GREYLISTED]) {
      instance.fail(fault, "one.example.org");
      const result = await instance.submit({ queue: false }, MESSAGE, ["a", "b"]);
      expect(result).toMatchObject({ state: "failed", identifier: "a", failure: { code: fault.code } });
    }
    const options = { queue: false, signal: AbortSignal.abort() };
    expect(await instance.submit(options, MESSAGE, ["a", "b"])).toMatchObject({
      ...{ state: "failed", identifier: "a", failure: { code: "cancelled" }, skipped: [] },
    });
    expect(instance.got).toHaveLength(0);
  });

  test("keeps the result of the first if the second cannot be used, so a repetition sends nothing again", async () => {
    await using instance = await twoServers();
    const { write } = instance.database;
    await instance.database.commit([
      write.run(sql`UPDATE smtp_server SET password = 'lost.AAAA.BBBB' WHERE identifier = 'b'`),
    ]);
    instance.fail(DOWN, "one.example.org");
    const message = { ...MESSAGE, to: [TO, { name: "", address: "second@example.net" }] };
    const submit = () => instance.submit({ queue: false, idempotencyKey: "key" }, message, ["a", "b"]);
    const result = await submit();
    expect(result).toMatchObject({
      ...{ state: "failed", identifier: "a", failure: { code: "refused" }, skipped: [] },
      recipients: [{ receipt: { successful: false } }, { receipt: { successful: true } }],
    });
    expect(await submit()).toMatchObject({ state: "failed", identifier: "a", failure: { code: "refused" } });
    expect(instance.got).toHaveLength(1);
    const rows = await instance.rows("SELECT * FROM audit WHERE recipient LIKE '%second@%'");
    expect(rows).toMatchObject([{ identifier: "a", success: 0, outcome: "not-sent", info: "refused" }]);
    await expect(instance.submit({ queue: false }, MESSAGE, ["b", "a"])).rejects.toThrow("Cannot decrypt");
  });

  test("moves queued mail on, with another From and signature and the same Message-ID and Date", async () => {
    await using instance = await twoServers();
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    const before = await instance.mail(id);
    instance.fail(DOWN, "one.example.org");
    instance.clock.advance(30);
    await instance.drain();
    const mail = await instance.mail(id);
    expect(mail).toMatchObject({ state: "sent", identifier: "b", alternatives: ["a", "b"] });
    expect(mail.attempts).toMatchObject([
      { identifier: "a", decision: "next-server", code: "refused" },
      { identifier: "b", decision: "ended", outcome: "sent" },
    ]);
    const [delivery] = instance.got;
    expect(delivery?.from).toBe(SENDER);
    expect(headerOf(delivery, "From")).toContain(SENDER);
    expect(headerOf(delivery, "Message-ID")).toBe(before.messageId);
    expect(new Date(headerOf(delivery, "Date"))).toEqual(before.createdAt);
    expect(textOf(delivery)).toContain("multipart/signed");
    const [row] = await instance.rows("SELECT * FROM audit ORDER BY number DESC LIMIT 1");
    expect(row).toMatchObject({
      ...{ action: "worker", success: 1, outcome: "sent", identifier: "b", recipient: TO.address },
      info: `failover from a; ${id}`,
    });
  });

  /** The second definition signs, or does not send, and its certificate is for another sender. */
  const unsignable = async () => {
    const instance = await twoServers();
    await instance.save("b", {
      ...{ server: "two.example.org", sender: SENDER, smime: true, dont_send_on_error: true },
      private_key: "__CENSORED__",
    });
    return instance;
  };
  const FROM_FIRST = { ...MESSAGE, from: { name: "", address: "first@example.org" } };

  test.each([
    ["does not accept the sender", { phase: "sender", code: "sender_rejected" }, true],
    ["wants a login at RCPT", { phase: "recipient", code: "auth_required" }, true],
    ["is lost before the end of the message", { phase: "data", code: "closed", retryable: true }, true],
    ["denies the target", { phase: "policy", code: "egress_denied" }, true],
    ["states a limit before MAIL", { phase: "greeting", code: "rate_limited", retryable: true }, true],
    ["states a limit from MAIL on", { phase: "sender", code: "rate_limited", retryable: true }, false],
    ["closes by 421 from MAIL on", { ...CLOSING, phase: "recipient", code: "closed" }, false],
    ["rejects the recipient", REFUSED, false],
  ] as const)("decides on failover when the first %s (%#)", async (_, fault, fails) => {
    await using instance = await twoServers();
    instance.fail(fault, "one.example.org");
    const { state } = await instance.submit({ queue: false }, MESSAGE, ["a", "b"]);
    expect(state).toBe(fails ? "delivered" : "failed");
    instance.fail(fault, "one.example.org");
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    await instance.drain();
    expect((await instance.mail(id)).identifier).toBe(fails ? "b" : "a");
  });

  test("continues if a definition cannot sign, while the caller waits", async () => {
    await using instance = await unsignable();
    expect(await instance.submit({ queue: false }, FROM_FIRST, ["b", "a"])).toMatchObject({
      ...{ state: "delivered", identifier: "a", skipped: [{ identifier: "b", code: "sign_sender" }] },
    });
  });

  test("makes queued mail wait if the last definition cannot sign", async () => {
    await using instance = await unsignable();
    const id = await instance.queue({}, FROM_FIRST, ["a", "b"]);
    instance.fail(DOWN, "one.example.org");
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      ...{ state: "deferred", identifier: "a" },
      attempts: [{ code: "refused" }, { identifier: "b", code: "sign_sender", decision: "retry" }],
    });
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", identifier: "a" });
  });

  test("starts again after the last definition and a backoff", async () => {
    await using instance = await twoServers();
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    instance.fail(DOWN, "one.example.org");
    instance.fail(DOWN, "two.example.org");
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "deferred", identifier: "a" });
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(instance.got.map(({ server }) => server.host)).toEqual(["one.example.org"]);
  });

  test("attempts a definition that is named twice once, and then waits", async () => {
    await using instance = await twoServers();
    for (const host of ["one.example.org", "two.example.org"]) {
      instance.fail({ phase: "sender", code: "sender_rejected", times: 9 }, host);
    }
    const once = await instance.queue({}, MESSAGE, ["a", "a"]);
    const twice = await instance.queue({}, MESSAGE, ["a", "b", "a"]);
    const older = await instance.queue({}, MESSAGE, ["a", "b"]);
    await instance.database.commit([
      instance.database.write.run(sql`UPDATE mail SET alternatives = '["a","a","b"]' WHERE id = ${older}`),
    ]);
    await instance.drain();
    expect(await instance.mail(once)).toMatchObject({ state: "deferred", alternatives: [] });
    for (const id of [twice, older]) {
      const { state, attempts } = await instance.mail(id);
      expect(state).toBe("deferred");
      expect(attempts.map(({ identifier }) => identifier)).toEqual(["a", "b"]);
    }
  });

  test("ends for a message that may have been accepted", async () => {
    await using instance = await twoServers();
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    instance.fail(LOST, "one.example.org");
    instance.fail({ ...DOWN, times: 3 }, "one.example.org");
    for (let round = 0; round < 5; round++) {
      await instance.drain();
      instance.clock.advance(HOUR_SECONDS);
    }
    expect(instance.got.map(({ server }) => server.host)).toEqual(["one.example.org"]);
    expect(await instance.mail(id)).toMatchObject({ state: "sent", identifier: "a", alternatives: [] });
  });

  test("skips a deleted definition", async () => {
    await using instance = await twoServers();
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    await instance.request("DELETE", "/smtpserver/a");
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", identifier: "b" });
    expect(await instance.queue({ queue: true }, MESSAGE, ["a", "b"])).toBeString();
  });
});

const LEASE_MS = LEASE_TIMES.local.leaseMs;

describe("while the circuit of its server is open", () => {
  const halfDown = async () => {
    const instance = await queueInstance();
    await openCircuit(instance, 0);
    await instance.save("b", { server: "two.example.org" });
    return instance;
  };

  test("a code moves on although the health of the other server could not be read at first", async () => {
    await using instance = await halfDown();
    const id = await instance.queue({ purpose: "code" }, MESSAGE, ["a", "b"]);
    using _ = spyOn(Circuit.prototype, "firstHealthy").mockRejectedValueOnce(
      new Error("The database is away"),
    );
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      ...{ state: "sent", identifier: "b" },
      attempts: [{ identifier: "a", decision: "next-server" }, { identifier: "b" }],
    });
  });

  const abandon = ({ rows, clock }: QueueInstance, id: string, begun: number) =>
    rows(`UPDATE mail SET state = 'sending', lease = 'of one who was killed', begun = ${begun},
      due_at = ${clock.now.getTime() + LEASE_MS} WHERE id = '${id}'`);

  test.each([
    ["a code whose sending had not started moves on", "code", 0, { state: "sent", identifier: "b" }],
    ["a code that may have been sent is unknown", "code", 1, { state: "unknown", identifier: "a" }],
    ["a notice waits for its server", "notice", 1, { state: "queued", identifier: "a", alternatives: [] }],
  ] as const)("when the lease of a killed worker has ended, %s", async (_, purpose, begun, expected) => {
    await using instance = await halfDown();
    const id = await instance.queue({ purpose }, MESSAGE, ["a", "b"]);
    await abandon(instance, id, begun);
    instance.clock.advance((LEASE_MS - 1) / 1_000);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sending", attempts: [] });
    instance.fail({ ...DOWN, times: 3 }, "mail.example.org");
    instance.clock.advance(0.001);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject(expected);
    expect(instance.got.map(({ server }) => server.host)).toEqual(begun ? [] : ["two.example.org"]);
  });

  test("a message without another server can be cancelled when the lease of a killed worker has ended", async () => {
    await using instance = await halfDown();
    const id = await instance.queue();
    await abandon(instance, id, 0);
    instance.clock.advance(LEASE_MS / 1_000);
    instance.fail({ ...DOWN, times: 3 }, "mail.example.org");
    await instance.drain();
    await instance.services.mailQueue.cancel(id, ACTOR);
    // The killed worker may have sent it.
    expect(await instance.mail(id)).toMatchObject({
      state: "unknown",
      recipients: [{ state: "unknown", dueAt: null }],
    });
  });
});
