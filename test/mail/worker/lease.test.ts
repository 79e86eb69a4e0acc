import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { setTimeout as sleep } from "node:timers/promises";
import { notAttempted, notSent } from "../../../src/domain/delivery.ts";
import { letGo } from "../../fixtures/instance.ts";
import { countedDatabase } from "../fixtures/counted.ts";
import { gatedInstance, headerOf, MESSAGE, queueInstance, until, working } from "../fixtures/queue.ts";

/** On a machine that is busy with others. */
setDefaultTimeout(30_000);

/** Lease of a database file or a database in memory. */
const LEASE_SECONDS = 10;
/** A twentieth of the usual lease. */
const SHORT = { leaseMs: 500, heartbeatMs: 166, marginMs: 200 };

describe("a lease", () => {
  test("that ends while a notice is being sent causes a repetition, and the late result changes nothing", async () => {
    await using instance = await gatedInstance();
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
    // It is sent twice, and the recipient can see that both are the same message.
    expect(instance.got.map((delivery) => headerOf(delivery, "Message-ID"))).toEqual([
      settled.messageId,
      settled.messageId,
    ]);
  });

  test("that ends while a code is being sent leaves an unknown outcome", async () => {
    await using instance = await gatedInstance();
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
    await using instance = await gatedInstance({ database: counted.database });
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

  test("is renewed only while the worker has messages", async () => {
    const counted = countedDatabase();
    await using instance = await gatedInstance({ database: counted.database, lease: SHORT });
    letGo(instance.clock);
    await using _ = working(instance);
    const id = await instance.queue();
    await instance.entrance.reached();
    const { writes } = counted;
    await sleep(2.5 * SHORT.leaseMs);
    // Only this worker renews it: the other one finds nothing to do.
    expect(counted.writes - writes).toBeWithin(5, 10);
    await instance.drain();
    instance.entrance.open();
    await until(async () => (await instance.mail(id)).state === "sent", "the message is sent");
    expect(instance.got).toHaveLength(1);
    const after = counted.writes;
    await sleep(SHORT.leaseMs);
    expect(counted.writes).toBe(after);
  });

  test("that a jump of the clock seems to have ended is not taken over before its worker can renew it", async () => {
    const { database } = countedDatabase();
    await using instance = await gatedInstance({ database, lease: SHORT });
    const other = await queueInstance({ database, lease: SHORT });
    const id = await instance.queue({ purpose: "code" });
    await using _ = working(instance);
    await instance.entrance.reached();
    await using __ = working(other);
    const sent = async () => {
      const next = await other.queue({ purpose: "code" });
      await until(async () => (await other.mail(next)).state === "sent", "the other worker sends");
    };
    await sent();
    for (const { clock } of [instance, other]) clock.advance(60);
    await sent();
    // Longer than the other worker waits.
    await sleep(SHORT.leaseMs);
    await sent();
    const { state, attempts } = await instance.mail(id);
    instance.entrance.open();
    expect({ state, attempts }).toEqual({ state: "sending", attempts: [] });
    await until(async () => (await instance.mail(id)).state === "sent", "the message is sent");
  });

  test("that another worker has taken over aborts a delivery that has not reached the server", async () => {
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
    // The other worker decides what follows.
    expect(await instance.mail(id)).toMatchObject({ state: "sending", attempts: [] });
  });

  test("that cannot be renewed prevents MAIL in the end", async () => {
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

/** Leaves a message like a worker that was killed. */
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
