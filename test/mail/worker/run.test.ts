import { describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Wake, WakeSource } from "../../../src/contracts/wake.ts";
import { SealpostError } from "../../../src/errors.ts";
import { countedDatabase, THERE } from "../fixtures/counted.ts";
import {
  drainOf,
  GREYLISTED,
  gatedInstance,
  MESSAGE,
  queueInstance,
  TO,
  until,
  varied,
  working,
} from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

const AWAY = new SealpostError("database_unavailable", "The database is away");

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
      // Half of five seconds would be long: less than a hundredth.
      randomBytes: varied(2),
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
    await using instance = await gatedInstance({ database: counted.database });
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
    await using instance = await gatedInstance();
    await using _ = working(instance);
    const id = await instance.queue();
    await instance.entrance.reached();
    // This simulates a machine that was asleep for an hour.
    instance.clock.advance(3_600);
    await instance.queue();
    await until(() => instance.got.length === 1, "the other mail is sent");
    instance.entrance.open();
    await until(async () => (await instance.mail(id)).state === "sent", "the mail is sent");
    expect(instance.got).toHaveLength(2);
    expect((await instance.mail(id)).attempts).toMatchObject([{ outcome: "sent" }]);
  });

  test("is not delayed by a clock jump back, and does not claim messages in flight", async () => {
    await using instance = await gatedInstance();
    const held = await instance.queue();
    await using _ = working(instance);
    await instance.entrance.reached();
    instance.clock.advance(-86_400);
    // The old clock wrote this due time, which is tomorrow.
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
    await using instance = await gatedInstance();
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

  test("shares the work among several workers of one process", async () => {
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
