import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  ACTOR,
  DOWN,
  GREYLISTED,
  gate,
  HOUR_SECONDS,
  LOST,
  MESSAGE,
  NO_JITTER,
  openCircuit,
  type QueueInstance,
  queueInstance,
  REFUSED,
  REJECTED,
  until,
} from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

const HOST = "mail.example.org";
const health = ({ services }: QueueInstance, name = "a") => services.circuit.health(name);
const audited = (instance: QueueInstance) =>
  instance.rows<{ action: string; identifier: string; info: string; phase: string }>(
    "SELECT action, identifier, phase, info FROM audit WHERE action LIKE 'circuit%' ORDER BY number",
  );

describe("the circuit of a definition", () => {
  test("opens after five failures in a row, and mail waits without attempts", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance);
    expect(await health(instance)).toMatchObject({
      ...{ circuit: "open", failures: 5, since: instance.clock.now },
      nextTry: new Date(instance.clock.now.getTime() + 30_000),
      lastFailure: { phase: "connect", code: "refused" },
    });
    instance.clock.advance(20);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    expect(await instance.rows("SELECT count(*) AS n FROM mail_attempt")).toEqual([{ n: 5 }]);
    expect(await audited(instance)).toMatchObject([
      { action: "circuit open", identifier: "a", phase: "connect", info: "refused" },
    ]);
  });

  test("does not open for failures of the message, failures after MAIL, or an abort", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const cancelled = { ...DOWN, code: "cancelled" } as const;
    const locked = { phase: "sender", code: "auth_required" } as const;
    const silent = { phase: "recipient", code: "timeout", retryable: true } as const;
    for (const fault of [REFUSED, LOST, cancelled, locked, silent]) {
      instance.fail({ ...fault, times: 5 });
      for (let number = 0; number < 5; number++) await instance.queue({ onUnknown: "stop" });
      for (let number = 0; number < 5; number++) await instance.drain();
      await instance.drain();
      expect(await health(instance)).toMatchObject({ circuit: "closed", failures: 0 });
    }
  });

  test("opens for a target that the egress policy denies", async () => {
    await using instance = await queueInstance();
    await instance.save();
    instance.fail({ phase: "policy", code: "egress_denied", times: 5 });
    for (let number = 0; number < 5; number++) {
      await instance.queue();
      await instance.drain();
    }
    expect(await health(instance)).toMatchObject({ circuit: "open", failures: 5 });
  });

  test("also stops messages that a worker has claimed, so that a wrong password is not tried for each message", async () => {
    let logins = 0;
    await using instance = await queueInstance({
      around: async (_, send) => {
        logins++;
        await new Promise((resolve) => setImmediate(resolve));
        return send();
      },
    });
    await instance.save();
    for (let number = 0; number < 50; number++) await instance.queue();
    instance.fail({ ...REJECTED, times: 1_000 });
    await instance.drain();
    // The logins that were under way when the fifth was rejected.
    expect(logins).toBeWithin(5, 11);
    const waiting = "SELECT count(*) AS n FROM mail WHERE state IN ('queued', 'deferred') AND lease IS NULL";
    expect(await instance.rows(waiting)).toEqual([{ n: 50 }]);
  });

  test("stays open for a poll that has read the queues before it opened", async () => {
    await using instance = await queueInstance(NO_JITTER);
    const { circuit } = instance.services;
    const closed = { queueName: "a", failures: 5, openUntil: null };
    const readMs = performance.now();
    await openCircuit(instance);
    circuit.note([closed], readMs);
    expect(circuit.isOpen("a")).toBe(true);
    circuit.note([closed], performance.now());
    expect(circuit.isOpen("a")).toBe(false);
  });

  test("counts from zero after a delivered message", async () => {
    await using instance = await queueInstance();
    await instance.save();
    for (let round = 0; round < 3; round++) {
      instance.fail({ ...DOWN, times: 4 }, HOST);
      await instance.queue();
      for (let number = 0; number < 5; number++) {
        await instance.drain();
        instance.clock.advance(HOUR_SECONDS);
      }
      expect(await health(instance)).toMatchObject({ circuit: "closed", failures: 0 });
    }
    expect(await audited(instance)).toEqual([]);
  });

  test("is probed without a message, closes when the probe succeeds, and the waiting messages are sent", async () => {
    const entrance = gate();
    let conversations = 0;
    await using instance = await queueInstance({
      ...NO_JITTER,
      around: async (_, send) => {
        if (++conversations > 5) await entrance.pass();
        return send();
      },
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    expect((await health(instance)).circuit).toBe("half-open");
    const one = instance.drain();
    await entrance.reached();
    // Another worker finds nothing to do while the first one probes.
    await instance.drain();
    expect(conversations).toBe(6);
    expect((await health(instance)).circuit).toBe("half-open");
    expect(await instance.rows("SELECT 1 FROM mail WHERE lease IS NOT NULL")).toEqual([]);
    entrance.open();
    await one;
    expect(instance.got).toHaveLength(8);
    expect(await instance.rows("SELECT count(*) AS n FROM mail_attempt")).toEqual([{ n: 13 }]);
    expect(await health(instance)).toEqual({
      ...{ circuit: "closed", failures: 0, since: null, nextTry: null, lastFailure: null, waiting: 0 },
    });
    expect((await audited(instance)).map(({ action }) => action)).toEqual(["circuit open", "circuit close"]);
  });

  test("makes every waiting message due when it closes", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save();
    instance.fail({ ...GREYLISTED, reply: { code: 450, enhanced: null, text: "try again in 10 hours" } });
    const id = await instance.queue();
    await instance.drain();
    await openCircuit(instance, 0);
    instance.clock.advance(31);
    await instance.drain();
    expect((await instance.mail(id)).state).toBe("sent");
  });

  test.each([
    ["every 30 s while the server cannot be reached", DOWN, [30, 30, 30, 30, 30, 30, 30]],
    ["ever less often while the login is rejected", REJECTED, [30, 60, 120, 240, 480, 900, 900]],
  ])("is probed %s, and no message is attempted", async (_, fault, seconds) => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 1, fault);
    const waits: number[] = [];
    instance.fail({ ...fault, times: 100 }, HOST);
    for (const _ of seconds) {
      const { nextTry } = await health(instance);
      waits.push(((nextTry?.getTime() ?? 0) - instance.clock.now.getTime()) / 1_000);
      instance.clock.now = nextTry ?? instance.clock.now;
      await instance.drain();
    }
    expect(waits).toEqual(seconds);
    expect(await instance.rows("SELECT count(*) AS n FROM mail_attempt")).toEqual([{ n: 5 }]);
    expect((await audited(instance)).map(({ action }) => action)).toEqual(["circuit open"]);
  });

  test("is probed every 30 s again when the server becomes unavailable after rejected logins", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 1, REJECTED);
    const waits: number[] = [];
    for (const fault of [REJECTED, REJECTED, DOWN, REJECTED, REJECTED]) {
      instance.fail(fault, HOST);
      const { nextTry } = await health(instance);
      instance.clock.now = nextTry ?? instance.clock.now;
      await instance.drain();
      const next = (await health(instance)).nextTry;
      waits.push(((next?.getTime() ?? 0) - instance.clock.now.getTime()) / 1_000);
    }
    expect(waits).toEqual([60, 120, 30, 30, 60]);
  });

  test("is probed immediately when a message is retried, and by one probe", async () => {
    await using instance = await queueInstance(NO_JITTER);
    const [id = "", other = ""] = await openCircuit(instance, 2);
    await instance.services.mailQueue.retry(id, ACTOR);
    await instance.services.mailQueue.retry(other, ACTOR);
    expect((await health(instance)).circuit).toBe("half-open");
    instance.fail(DOWN, HOST);
    await instance.drain();
    expect(await health(instance)).toMatchObject({ circuit: "open", failures: 6 });
    expect(await instance.rows("SELECT count(*) AS n FROM mail_attempt")).toEqual([{ n: 5 }]);
    await instance.services.mailQueue.retry(id, ACTOR);
    await instance.drain();
    expect(instance.got).toHaveLength(7);
  });

  test("is probed by another worker 15 s after one was killed in the middle of a probe", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance);
    instance.clock.advance(31);
    const leased = instance.clock.now.getTime() + 15_000;
    await instance.rows(`UPDATE server_health SET probe = 'of one who was killed', open_until = ${leased}`);
    instance.clock.advance(14);
    await instance.drain();
    expect([instance.got.length, (await health(instance)).circuit]).toEqual([0, "half-open"]);
    instance.clock.advance(1);
    await instance.drain();
    expect(instance.got).toHaveLength(8);
  });

  test("is opened once by the failures of a message for many recipients", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save();
    instance.fail({ ...DOWN, times: 100 }, HOST);
    const to = Array.from({ length: 9 }, (_, at) => ({ name: "", address: `user${at}@example.net` }));
    await instance.queue({}, { ...MESSAGE, to });
    await instance.drain();
    const { nextTry } = await health(instance);
    expect((nextTry?.getTime() ?? 0) - instance.clock.now.getTime()).toBe(30_000);
    expect(await audited(instance)).toHaveLength(1);
  });

  test("is probed immediately when the definition is saved, and a late failure of the old one does not count", async () => {
    const entrance = gate();
    let conversations = 0;
    await using instance = await queueInstance({
      ...NO_JITTER,
      around: async (_, send) => {
        if (++conversations === 6) await entrance.pass();
        return send();
      },
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail(DOWN, HOST);
    const probing = instance.drain();
    await entrance.reached();
    await instance.save("a", { description: "moved" });
    expect((await health(instance)).circuit).toBe("half-open");
    entrance.open();
    await probing;
    // The second probe, of the new definition, decided.
    expect(conversations).toBe(7 + 8);
    expect(instance.got).toHaveLength(8);
    expect((await health(instance)).circuit).toBe("closed");
  });

  test("stays open when the definition is saved and is still wrong", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 3, REJECTED);
    await instance.save("a", { description: "moved" });
    instance.fail(REJECTED, HOST);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    expect(await health(instance)).toMatchObject({ circuit: "open", failures: 6 });
  });

  test("is reset when the definition is saved before it opened, and waiting messages are due", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save();
    instance.fail({ phase: "sender", code: "tls_required", times: 3 });
    for (let number = 0; number < 3; number++) await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    await instance.save("a", { tls: true });
    await instance.drain();
    expect(instance.got).toHaveLength(3);
  });

  test("stays open if the egress policy denies the probe", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail({ phase: "policy", code: "egress_denied" }, HOST);
    await instance.drain();
    expect(await health(instance)).toMatchObject({ circuit: "open", lastFailure: { code: "egress_denied" } });
    expect(instance.got).toHaveLength(0);
  });

  test("does not close because of an abort, and the next worker probes immediately", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail({ ...DOWN, code: "cancelled" }, HOST);
    const stopped = instance.services.drain({
      ...{ signal: AbortSignal.abort(), endsMs: performance.now() + 20_000, messageTimeoutMs: 1_000 },
    });
    await stopped;
    expect((await health(instance)).circuit).toBe("half-open");
    expect(instance.got).toHaveLength(0);
    await instance.drain();
    expect((await health(instance)).circuit).toBe("closed");
    expect(instance.got).toHaveLength(8);
  });

  test("closes for a server that is too slow for a probe but responds", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save("a", { timeout: 60 });
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail({ phase: "greeting", code: "timeout", retryable: true }, HOST);
    await instance.drain();
    expect(instance.got).toHaveLength(8);
  });

  test("does not affect other definitions", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance);
    await instance.save("b", { server: "two.example.org" });
    await instance.queue({}, MESSAGE, "b");
    await instance.drain();
    expect(instance.got.map(({ server }) => server.host)).toEqual(["two.example.org"]);
  });

  test("does not hold back messages that are about to expire", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 0);
    const expiresAt = new Date(instance.clock.now.getTime() + 10_000);
    const id = await instance.queue({ expiresAt });
    instance.clock.advance(11);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "expired", attempts: [] });
    expect((await health(instance)).circuit).toBe("open");
  });

  test("moves mail with alternatives to another server without an attempt", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 0);
    await instance.save("b", { server: "two.example.org", sender: "b@example.org" });
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    await instance.drain();
    expect(instance.got.map(({ server, from }) => [server.host, from])).toEqual([
      ["two.example.org", "b@example.org"],
    ]);
    expect(await instance.mail(id)).toMatchObject({
      ...{ state: "sent", identifier: "b" },
      recipients: [{ attempts: 1 }],
      attempts: [
        { identifier: "a", decision: "next-server", phase: "connect", code: "refused" },
        { identifier: "b", decision: "ended" },
      ],
    });
  });

  test("makes a message with several definitions wait if all are down, instead of moving it back and forth", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 0);
    await instance.save("b", { server: "two.example.org" });
    instance.fail({ ...DOWN, times: 5 }, "two.example.org");
    for (let number = 0; number < 5; number++) {
      await instance.queue({}, MESSAGE, "b");
      await instance.drain();
    }
    expect((await health(instance, "b")).circuit).toBe("open");
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    await instance.drain();
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "queued", identifier: "a", attempts: [] });
  });

  test("is checked before inline delivery if there is another server", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await openCircuit(instance, 0);
    await instance.save("b", { server: "two.example.org" });
    expect(await instance.submit({ queue: false }, MESSAGE, ["a", "b"])).toMatchObject({
      ...{ state: "delivered", identifier: "b", skipped: [{ identifier: "a", code: "refused" }] },
    });
    // A waiting caller without another server finds out for all whether the server is available again.
    expect(await instance.submit({ queue: false })).toMatchObject({ state: "delivered", identifier: "a" });
    expect((await health(instance)).circuit).toBe("closed");
  });

  test("that a wrong clock opened until tomorrow closes earlier", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save();
    instance.clock.advance(86_400);
    await openCircuit(instance, 1);
    instance.clock.advance(-86_400);
    const stop = new AbortController();
    const working = instance.services.work(stop.signal);
    await until(() => instance.got.length === 6, "all mail is sent");
    stop.abort();
    await working;
  });
});
