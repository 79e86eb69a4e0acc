import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Wake, WakeSource } from "../../../src/contracts/wake.ts";
import { notAttempted, notSent } from "../../../src/domain/delivery.ts";
import { SealpostError } from "../../../src/errors.ts";
import { letGo } from "../../fixtures/instance.ts";
import { countedDatabase, THERE } from "../fixtures/counted.ts";
import {
  drainOf,
  GREYLISTED,
  gate,
  headerOf,
  MESSAGE,
  type QueueOptions,
  queueInstance,
  TO,
  until,
} from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

/** Of a database in a file or in memory. */
const LEASE_SECONDS = 10;
/** A twentieth of the usual. */
const SHORT = { leaseMs: 500, heartbeatMs: 166, marginMs: 200 };
const AWAY = new SealpostError("database_unavailable", "The database is away");

/** An instance whose first delivery waits at a gate. */
async function heldInstance(options: QueueOptions = {}) {
  const entrance = gate();
  let tries = 0;
  const instance = await queueInstance({
    ...options,
    around: async (_, send) => {
      if (++tries === 1) await entrance.pass();
      return send();
    },
  });
  await instance.save();
  return { ...instance, entrance };
}

describe("a lease", () => {
  test("that ends while a notice is being sent has it repeated, and the late result changes nothing", async () => {
    await using instance = await heldInstance();
    const id = await instance.queue();
    const first = instance.drain();
    await instance.entrance.reached();
    instance.clock.advance(LEASE_SECONDS + 1);
    await instance.drain();
    const settled = await instance.mail(id);
    expect(settled).toMatchObject({
      state: "sent",
      attempts: [
        { outcome: "lost", decision: "repeat", phase: "", code: "", reply: null },
        { outcome: "sent", decision: "ended" },
      ],
    });
    instance.entrance.open();
    await first;
    expect(await instance.mail(id)).toEqual(settled);
    // Sent twice, and whoever got both can see that they are one.
    expect(instance.got.map((delivery) => headerOf(delivery, "Message-ID"))).toEqual([
      settled.messageId,
      settled.messageId,
    ]);
  });

  test("that ends while a code is being sent leaves an unknown outcome", async () => {
    await using instance = await heldInstance();
    const id = await instance.queue({ purpose: "code" });
    const first = instance.drain();
    await instance.entrance.reached();
    instance.clock.advance(LEASE_SECONDS + 1);
    await instance.drain();
    const settled = await instance.mail(id);
    expect(settled).toMatchObject({ state: "unknown", attempts: [{ outcome: "lost", decision: "ended" }] });
    instance.entrance.open();
    await first;
    expect(await instance.mail(id)).toEqual(settled);
    expect(instance.got).toHaveLength(1);
  });

  test("of a code whose sending had not started changes nothing", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue({ purpose: "code" });
    await abandon(instance, id, { begun: 0 });
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "sent", attempts: [{ outcome: "sent" }] });
  });

  test("of a code whose sending had started is remembered if the next worker dies as well", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue({ purpose: "code" });
    await abandon(instance, id, { begun: 0, lost: 2 });
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({ state: "unknown", attempts: [{ outcome: "lost" }] });
    expect(instance.got).toHaveLength(0);
  });

  test("of a message to several recipients concerns only those that were due", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const to = ["a", "b", "c"].map((name) => ({ name: "", address: `${name}@example.net` }));
    const id = await instance.queue({ purpose: "code" }, { ...MESSAGE, to });
    const [sent, due, later] = (await instance.mail(id)).recipients;
    const recipients = [
      { ...sent, state: "sent", dueAt: null },
      due,
      { ...later, state: "deferred", dueAt: instance.clock.now.getTime() + 3_600_000 },
    ];
    await abandon(instance, id, { begun: 1, recipients: JSON.stringify(recipients) });
    await instance.drain();
    expect((await instance.mail(id)).recipients).toMatchObject([
      { state: "sent" },
      { state: "unknown" },
      { state: "deferred" },
    ]);
    instance.clock.advance(3_600);
    await instance.drain();
    expect(instance.got.map(({ recipient }) => recipient)).toEqual(["c@example.net"]);
    expect((await instance.mail(id)).state).toBe("unknown");
  });

  test("binds a message with alternatives to the server that may have accepted it", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.save("b", { server: "two.example.org" });
    const id = await instance.queue({}, MESSAGE, ["a", "b"]);
    await abandon(instance, id, { begun: 0 });
    instance.fail({ phase: "connect", code: "refused", retryable: true }, "mail.example.org");
    await instance.drain();
    instance.clock.advance(3_600);
    await instance.drain();
    expect(instance.got.map(({ server }) => server.host)).toEqual(["mail.example.org"]);
    expect((await instance.mail(id)).attempts.map(({ decision }) => decision)).toEqual([
      "repeat",
      "retry",
      "ended",
    ]);
  });
});

describe("a lease of a worker", () => {
  test.each([
    ["a file", "local", 10],
    ["a database on the network", "remote", 20],
  ] as const)("on %s (%s) lasts %d s, and then the message goes on", async (_, kind, seconds) => {
    const counted = countedDatabase(kind);
    await using instance = await heldInstance({ database: counted.database });
    const id = await instance.queue();
    const first = instance.drain();
    await instance.entrance.reached();
    instance.clock.advance(seconds - 0.001);
    await instance.drain();
    expect(instance.got).toHaveLength(0);
    instance.clock.advance(0.001);
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect(await instance.mail(id)).toMatchObject({ state: "sent", attempts: [{ outcome: "lost" }, {}] });
    instance.entrance.open();
    await first;
  });

  test("is renewed while messages are in hand, and at no other time", async () => {
    const counted = countedDatabase();
    await using instance = await heldInstance({ database: counted.database, lease: SHORT });
    letGo(instance.clock);
    await using _ = working(instance);
    const id = await instance.queue();
    await instance.entrance.reached();
    const { writes } = counted;
    await sleep(2.5 * SHORT.leaseMs);
    // By this worker and by nobody else: the other one finds nothing to do.
    expect(counted.writes - writes).toBeWithin(5, 10);
    await instance.drain();
    instance.entrance.open();
    await until(async () => (await instance.mail(id)).state === "sent", "the message is sent");
    expect(instance.got).toHaveLength(1);
    const after = counted.writes;
    await sleep(SHORT.leaseMs);
    expect(counted.writes).toBe(after);
  });

  test("that another worker has taken over ends the delivery of which the server has nothing yet", async () => {
    const aborted = Promise.withResolvers<void>();
    await using instance = await queueInstance({
      lease: SHORT,
      transport: {
        name: "silent",
        send: (_, { signal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener("abort", () => {
              aborted.resolve();
              reject(signal.reason);
            });
          }),
        [Symbol.asyncDispose]: async () => undefined,
      },
    });
    letGo(instance.clock);
    await instance.save();
    await using _ = working(instance);
    const id = await instance.queue();
    await until(async () => (await instance.mail(id)).state === "sending", "the message is leased");
    await instance.rows("UPDATE mail SET lease = 'of another', due_at = due_at + 3600000");
    await aborted.promise;
    // It is the other one's to say what follows.
    expect(await instance.mail(id)).toMatchObject({ state: "sending", attempts: [] });
  });

  test("that cannot be renewed lets no MAIL be written in the end", async () => {
    const counted = countedDatabase();
    const verdicts: boolean[] = [];
    const stalled = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    await using instance = await queueInstance({
      database: counted.database,
      lease: SHORT,
      transport: {
        name: "slow",
        async send(_, { mayTransact = () => true }) {
          begun.resolve();
          verdicts.push(mayTransact());
          await sleep(SHORT.leaseMs);
          verdicts.push(mayTransact());
          stalled.resolve();
          return notAttempted(notSent("sender", "cancelled"));
        },
        [Symbol.asyncDispose]: async () => undefined,
      },
    });
    letGo(instance.clock);
    await instance.save();
    const stop = new AbortController();
    const ended = instance.services.work(stop.signal);
    await instance.queue();
    await begun.promise;
    counted.stalled = stalled.promise;
    await stalled.promise;
    stop.abort();
    await ended;
    expect(verdicts.slice(0, 2)).toEqual([true, false]);
  });
});

/** As a worker leaves a mail that was killed. */
async function abandon(
  { rows, clock }: Pick<Awaited<ReturnType<typeof queueInstance>>, "rows" | "clock">,
  id: string,
  columns: Readonly<Record<string, string | number>>,
) {
  const all = {
    state: "sending",
    lease: "of one who was killed",
    due_at: clock.now.getTime() - 1,
    ...columns,
  };
  const set = Object.entries(all).map(
    ([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'`,
  );
  await rows(`UPDATE mail SET ${set.join()} WHERE id = '${id}'`);
}

function working({ services }: Pick<Awaited<ReturnType<typeof queueInstance>>, "services">) {
  const stop = new AbortController();
  const ended = services.work(stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await ended;
    },
  };
}

describe("run()", () => {
  test("polls at most once a second while idle, and sends a new message immediately", async () => {
    const counted = countedDatabase();
    await using instance = await queueInstance({ database: counted.database });
    await instance.save();
    await using _ = working(instance);
    await until(() => counted.reads > 0, "the first look");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [reads, writes] = [counted.reads, counted.writes];
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(counted.reads - reads).toBeWithin(2, 4);
    expect(counted.writes - writes).toBe(0);
    const startMs = performance.now();
    await instance.queue();
    await until(() => instance.got.length === 1, "the mail is sent");
    expect(performance.now() - startMs).toBeLessThan(500);
  });

  test("attempts a message again when it is due", async () => {
    await using instance = await queueInstance({
      // Half of five seconds would be long: a hundredth.
      randomBytes: (length) =>
        length === 4 ? Uint8Array.of(2, 143, 0, 0) : crypto.getRandomValues(new Uint8Array(length)),
    });
    const startMs = Date.now();
    // The clock has to go by itself here.
    Object.defineProperty(instance.clock, "now", { get: () => new Date(Date.now()), configurable: true });
    const saved = await instance.logIn("admin", "correct horse");
    await instance.request("POST", "/smtpserver/a", {
      token: saved,
      json: { server: "mail.example.org", sender: "me@example.org", enqueue_job: true },
    });
    await using _ = working(instance);
    instance.fail(GREYLISTED);
    const id = await instance.queue();
    await until(() => instance.got.length === 1, "the mail is sent");
    expect(Date.now() - startMs).toBeLessThan(3_000);
    await until(async () => (await instance.mail(id)).state === "sent", "and recorded");
  });

  test("loses no outcome while the database is unavailable", async () => {
    const counted = countedDatabase();
    await using instance = await heldInstance({ database: counted.database });
    await using _ = working(instance);
    const ids = [await instance.queue(), await instance.queue()];
    await instance.entrance.reached();
    await until(() => instance.got.length === 1, "the other one is sent");
    counted.failure = { reads: AWAY, writes: AWAY };
    instance.entrance.open();
    await until(() => instance.got.length === 2, "the mails are sent");
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    counted.failure = THERE;
    for (const id of ids) {
      await until(async () => (await instance.mail(id)).state === "sent", "the result is written");
      expect((await instance.mail(id)).attempts).toMatchObject([{ outcome: "sent" }]);
    }
    expect(instance.got).toHaveLength(2);
  });

  test("does not claim its own messages after a pause", async () => {
    await using instance = await heldInstance();
    await using _ = working(instance);
    const id = await instance.queue();
    await instance.entrance.reached();
    // As after the machine has slept for an hour.
    instance.clock.advance(3_600);
    await instance.queue();
    await until(() => instance.got.length === 1, "the other mail is sent");
    instance.entrance.open();
    await until(async () => (await instance.mail(id)).state === "sent", "the mail is sent");
    expect(instance.got).toHaveLength(2);
    expect((await instance.mail(id)).attempts).toMatchObject([{ outcome: "sent" }]);
  });

  test("is not delayed by a clock jump back, and does not claim messages in flight", async () => {
    await using instance = await heldInstance();
    const held = await instance.queue();
    await using _ = working(instance);
    await instance.entrance.reached();
    instance.clock.advance(-86_400);
    // Written by the old clock: due tomorrow.
    const id = await instance.queue();
    await instance.rows(
      `UPDATE mail SET due_at = due_at + 86400000, updated_at = updated_at + 86400000,
        recipients = replace(recipients, '"dueAt":17', '"dueAt":18') WHERE id = '${id}'`,
    );
    await until(async () => (await instance.mail(id)).state === "sent", "the mail is sent");
    instance.entrance.open();
    await until(async () => (await instance.mail(held)).state === "sent", "the held one, too");
    expect(instance.got).toHaveLength(2);
    expect((await instance.mail(held)).attempts).toMatchObject([{ outcome: "sent" }]);
  });

  test("releases at its end the messages that have not started, and waits for the others", async () => {
    await using instance = await heldInstance();
    await instance.save("a", { max_connections: 1 });
    for (let number = 0; number < 4; number++) await instance.queue();
    const stop = new AbortController();
    const ended = instance.services.work(stop.signal);
    await instance.entrance.reached();
    stop.abort();
    const waiting = "SELECT count(*) AS n FROM mail WHERE lease IS NULL AND state = 'queued'";
    await until(async () => (await instance.rows(waiting))[0]?.n === 3, "three are given back");
    instance.entrance.open();
    await ended;
    expect(instance.got).toHaveLength(1);
    expect(
      await instance.rows("SELECT state, count(*) AS n FROM mail GROUP BY state ORDER BY state"),
    ).toEqual([
      { state: "queued", n: 3 },
      { state: "sent", n: 1 },
    ]);
    expect(await instance.rows("SELECT DISTINCT lost, begun FROM mail")).toEqual([{ lost: 0, begun: 0 }]);
    await instance.drain();
    expect(instance.got).toHaveLength(4);
  });

  test("does not count an attempt that is aborted before the server has the message", async () => {
    const cut = new AbortController();
    const arrived = Promise.withResolvers<void>();
    await using instance = await queueInstance({
      around: async (_, send) => {
        if (cut.signal.aborted) return send();
        arrived.resolve();
        await new Promise((resolve) => cut.signal.addEventListener("abort", resolve));
        throw cut.signal.reason;
      },
    });
    await instance.save();
    const ids = await Promise.all(Array.from({ length: 5 }, () => instance.queue()));
    const stop = new AbortController();
    const ended = instance.services.work(stop.signal, cut.signal);
    await arrived.promise;
    stop.abort();
    cut.abort();
    await ended;
    for (const id of ids)
      expect(await instance.mail(id)).toMatchObject({ state: "queued", recipients: [{ attempts: 0 }] });
    expect(await instance.services.circuit.health("a")).toMatchObject({ circuit: "closed", failures: 0 });
    await instance.drain();
    expect(instance.got).toHaveLength(5);
  });

  test("finds by its sweep a message whose wake failed", async () => {
    const refusing: Wake & WakeSource = {
      ...{ name: "refusing", sweepMs: 50 },
      notify: () => Promise.reject(new Error("The engine is away")),
      listen: () => Promise.reject(new Error("The engine is away")),
      [Symbol.asyncDispose]: async () => undefined,
    };
    await using instance = await queueInstance({ wake: refusing });
    await instance.save();
    await using _ = working(instance);
    expect(await instance.submit()).toMatchObject({ state: "queued" });
    await until(() => instance.got.length === 1, "the mail is sent");
  });

  test("lets several workers of one process share the work", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await using _1 = working(instance);
    await using _2 = working(instance);
    for (let number = 0; number < 50; number++)
      await instance.queue({}, { ...MESSAGE, to: [TO, { ...TO, address: "b@example.net" }] });
    await until(() => instance.got.length >= 100, "all are sent");
    await until(
      async () => (await instance.rows("SELECT 1 FROM mail WHERE state <> 'sent'")).length === 0,
      "and recorded",
    );
    await drainOf(instance.services);
    expect(instance.got).toHaveLength(100);
  });
});
