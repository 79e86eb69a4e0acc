import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  DOWN,
  gate,
  HOUR_SECONDS,
  LOST,
  MESSAGE,
  type QueueInstance,
  queueInstance,
  REFUSED,
  TO,
  until,
} from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

const HOST = "mail.example.org";
/** No jitter: what is tried again comes after the whole wait. */
const noJitter = { randomBytes: varied(255) };

/** Ids need to differ; only the four bytes that spread the tries are fixed. */
function varied(share: number) {
  return (length: number) =>
    length === 4 ? new Uint8Array(4).fill(share) : crypto.getRandomValues(new Uint8Array(length));
}

const health = ({ services }: QueueInstance, name = "a") => services.circuit.health(name);
const audited = (instance: QueueInstance) =>
  instance.rows<{ action: string; identifier: string; info: string; phase: string }>(
    "SELECT action, identifier, phase, info FROM audit WHERE action LIKE 'circuit%' ORDER BY number",
  );

/** An instance with five mails that found the server of `a` down, and more that wait. */
async function openCircuit(instance: QueueInstance, waiting = 3) {
  if (!(await instance.services.servers.get("a"))) await instance.save();
  instance.fail({ ...DOWN, times: 5 }, HOST);
  const ids: string[] = [];
  for (let number = 0; number < 5; number++) {
    ids.push(await instance.queue());
    await instance.drain();
  }
  for (let number = 0; number < waiting; number++) ids.push(await instance.queue());
  return ids;
}

describe("the circuit of a definition", () => {
  test("opens after five failures in a row, then mail waits without a try", async () => {
    await using instance = await queueInstance(noJitter);
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

  test("does not open for failures that are of the mail, of a policy, or a stop of ours", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const cancelled = { ...DOWN, code: "cancelled" } as const;
    const denied = { phase: "policy", code: "egress_denied" } as const;
    for (const fault of [REFUSED, LOST, cancelled, denied]) {
      instance.fail({ ...fault, times: 5 });
      for (let number = 0; number < 5; number++) await instance.queue({ onUnknown: "stop" });
      for (let number = 0; number < 5; number++) await instance.drain();
      await instance.drain();
      expect(await health(instance)).toMatchObject({ circuit: "closed", failures: 0 });
    }
  });

  test("begins to count anew after a mail that went through", async () => {
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

  test("lets one mail try, closes when that goes through, and all others follow", async () => {
    const entrance = gate();
    let tries = 0;
    await using instance = await queueInstance({
      ...noJitter,
      around: async (_, send) => {
        if (++tries > 5) await entrance.pass();
        return send();
      },
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    expect((await health(instance)).circuit).toBe("half-open");
    const one = instance.drain();
    await entrance.reached();
    // Another worker finds nothing to do while the first one tries.
    await instance.drain();
    expect(tries).toBe(6);
    expect((await health(instance)).circuit).toBe("half-open");
    entrance.open();
    await one;
    await instance.drain();
    expect(instance.got).toHaveLength(8);
    expect(await health(instance)).toEqual({
      ...{ circuit: "closed", failures: 0, since: null, nextTry: null, lastFailure: null },
    });
    expect((await audited(instance)).map(({ action }) => action)).toEqual(["circuit open", "circuit close"]);
  });

  test("opens again for longer each time that the try fails, ten minutes at most", async () => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance, 1);
    const openMs: number[] = [];
    instance.fail({ ...DOWN, times: 100 }, HOST);
    for (let round = 0; round < 7; round++) {
      const { nextTry } = await health(instance);
      openMs.push((nextTry?.getTime() ?? 0) - instance.clock.now.getTime());
      instance.clock.now = new Date((nextTry?.getTime() ?? 0) + 1);
      await instance.drain();
    }
    expect(openMs).toEqual([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
    expect(await instance.rows("SELECT count(*) AS n FROM mail_attempt")).toEqual([{ n: 12 }]);
  });

  test("is opened once by a mail for several recipients that tries it", async () => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance, 0);
    await instance.rows("UPDATE mail SET due_at = due_at + 1000000");
    const to = ["a", "b", "c"].map((name) => ({ name: "", address: `${name}@example.net` }));
    await instance.queue({}, { ...MESSAGE, to });
    instance.fail({ ...DOWN, times: 100 }, HOST);
    instance.clock.advance(31);
    await instance.drain();
    const { nextTry } = await health(instance);
    expect((nextTry?.getTime() ?? 0) - instance.clock.now.getTime()).toBe(60_000);
  });

  test("closes when the definition is saved, and a late failure of the old one does not open it", async () => {
    const entrance = gate();
    let tries = 0;
    await using instance = await queueInstance({
      ...noJitter,
      around: async (_, send) => {
        if (++tries === 6) await entrance.pass();
        return send();
      },
    });
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail(DOWN, HOST);
    const probing = instance.drain();
    await entrance.reached();
    await instance.save("a", { description: "moved" });
    expect((await health(instance)).circuit).toBe("closed");
    entrance.open();
    await probing;
    expect((await health(instance)).circuit).toBe("closed");
    instance.clock.advance(HOUR_SECONDS);
    await instance.drain();
    expect(instance.got).toHaveLength(8);
  });

  test.each([
    ["a policy of ours", { phase: "policy", code: "egress_denied" } as const],
    ["a stop of ours", { ...DOWN, code: "cancelled" } as const],
  ])("does not close because of %s", async (_, fault) => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance);
    instance.clock.advance(31);
    instance.fail(fault, HOST);
    await instance.drain();
    expect((await health(instance)).circuit).toBe("half-open");
    expect(instance.got).toHaveLength(0);
    // Nobody knows yet; another mail tries.
    instance.clock.advance(121);
    await instance.drain();
    await instance.drain();
    expect((await health(instance)).circuit).toBe("closed");
  });

  test("is of no concern to other definitions", async () => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance);
    await instance.save("b", { server: "two.example.org" });
    await instance.queue({}, MESSAGE, "b");
    await instance.drain();
    expect(instance.got.map(({ server }) => server.host)).toEqual(["two.example.org"]);
  });

  test("does not keep mail that grows too old", async () => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance, 0);
    const expiresAt = new Date(instance.clock.now.getTime() + 10_000);
    const id = await instance.queue({ expiresAt });
    instance.clock.advance(11);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "expired", attempts: [] });
    expect((await health(instance)).circuit).toBe("open");
  });

  test("leads mail with a list around, without a try", async () => {
    await using instance = await queueInstance(noJitter);
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

  test("has mail with a list wait where all are down, and does not send it back and forth", async () => {
    await using instance = await queueInstance(noJitter);
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

  test("is asked before a mail of which the caller waits, if there is another server", async () => {
    await using instance = await queueInstance(noJitter);
    await openCircuit(instance, 0);
    await instance.save("b", { server: "two.example.org" });
    expect(await instance.submit({ queue: false }, MESSAGE, ["a", "b"])).toMatchObject({
      ...{ state: "delivered", identifier: "b", passedOver: [{ identifier: "a", code: "refused" }] },
    });
    // Somebody who waits and has no other server finds out whether it is back, and so do all.
    expect(await instance.submit({ queue: false })).toMatchObject({ state: "delivered", identifier: "a" });
    expect((await health(instance)).circuit).toBe("closed");
  });

  test("that a wrong clock has opened until tomorrow does not stay so", async () => {
    await using instance = await queueInstance(noJitter);
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

describe("mails_per_minute", () => {
  test("is kept, whatever is waiting", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 3 });
    for (let number = 0; number < 8; number++) await instance.queue();
    const sent: number[] = [];
    for (let round = 0; round < 4; round++) {
      await instance.drain();
      await instance.drain();
      sent.push(instance.got.length);
      instance.clock.advance(61);
    }
    expect(sent).toEqual([3, 6, 8, 8]);
  });

  test("does not keep mail that grows too old", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 1 });
    await instance.queue();
    const id = await instance.queue({ expiresAt: new Date(instance.clock.now.getTime() + 10_000) });
    await instance.drain();
    instance.clock.advance(11);
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect(await instance.mail(id)).toMatchObject({ state: "expired", attempts: [] });
  });

  test("counts what another worker is sending", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async (_, send) => {
        await entrance.pass();
        return send();
      },
    });
    await instance.save("a", { mails_per_minute: 3 });
    for (let number = 0; number < 8; number++) await instance.queue();
    const first = instance.drain();
    await entrance.reached();
    const second = instance.drain();
    await second;
    entrance.open();
    await first;
    expect(instance.got).toHaveLength(3);
  });

  test("is not used up for a day by a clock that was wrong", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 3 });
    instance.clock.advance(86_400);
    for (let number = 0; number < 3; number++) await instance.queue();
    await instance.drain();
    instance.clock.advance(-86_400);
    await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(4);
  });
});

describe("max_connections", () => {
  test("is kept by the deliveries of one worker", async () => {
    let now = 0;
    let most = 0;
    await using instance = await queueInstance({
      around: async (_, send) => {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now--;
        return send();
      },
    });
    await instance.save("a", { max_connections: 2 });
    for (let number = 0; number < 20; number++) await instance.queue();
    const to = Array.from({ length: 9 }, (_, at) => ({ ...TO, address: `user${at}@example.net` }));
    await instance.queue({}, { ...MESSAGE, to });
    await instance.drain();
    expect({ most, sent: instance.got.length }).toEqual({ most: 2, sent: 29 });
  });
});

describe("a server that is slow", () => {
  test.each([
    ["one", 5, 1],
    ["several with many connections", 100, 2],
  ])("%s does not hold up another", async (_, connections, count) => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async ({ server }, send) => {
        if (server.host.startsWith("slow")) await entrance.pass();
        return send();
      },
    });
    const slowMails = connections * 5;
    for (let slow = 0; slow < count; slow++) {
      const name = `slow${slow}`;
      await instance.save(name, { server: `${name}.example.org`, max_connections: connections });
      await Promise.all(Array.from({ length: slowMails }, () => instance.queue({}, MESSAGE, name)));
    }
    const stop = new AbortController();
    const working = instance.services.work(stop.signal);
    await entrance.reached();
    await instance.save("fast", { server: "fast.example.org" });
    for (let number = 0; number < 30; number++) await instance.queue({}, MESSAGE, "fast");
    await until(() => instance.got.length === 30, "the fast one is done");
    expect(new Set(instance.got.map(({ server }) => server.host))).toEqual(new Set(["fast.example.org"]));
    entrance.open();
    await until(() => instance.got.length === 30 + count * slowMails, "the others, too", 20_000);
    stop.abort();
    await working;
  });
});
