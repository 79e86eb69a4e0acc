import { expect, test } from "bun:test";
import type { Purpose } from "../../../src/domain/queued-mail.ts";
import { holdCopied } from "../../../src/storage/queued-mail.ts";
import { ACTOR, DOWN, gate, MESSAGE, queueInstance, until } from "../fixtures/queue.ts";

const [ANN, BOB] = ["ann@example.net", "bob@example.net"] as const;
const TWO = { ...MESSAGE, to: [ANN, BOB].map((address) => ({ name: "", address })) };
/** Longer than a lease on a file, and than the first backoff. */
const LEASE_SECONDS = 11;

/** An instance whose deliveries to some recipients wait, as if their worker had died. */
async function dyingInstance() {
  const entrance = gate();
  const waiting = new Set<string>([ANN]);
  const started: string[] = [];
  const instance = await queueInstance({
    around: async ({ recipient }, send) => {
      started.push(recipient);
      if (waiting.has(recipient)) await entrance.pass();
      return send();
    },
  });
  await instance.save();
  const drains: Promise<void>[] = [];
  return {
    ...instance,
    /** The recipients whose deliveries wait. */
    waiting,
    /** Starts a worker. Resolves when it has started so many deliveries as all workers together. */
    async work(deliveries: number) {
      drains.push(instance.drain());
      await until(() => started.length >= deliveries, `${deliveries} deliveries start`);
    },
    async states(id: string) {
      return (await instance.mail(id)).recipients.map(({ state }) => state);
    },
    async outcomes(id: string) {
      return (await instance.mail(id)).attempts.map(({ recipient, outcome }) => `${recipient} ${outcome}`);
    },
    /** Lets the first workers end. */
    async [Symbol.asyncDispose]() {
      entrance.open();
      await Promise.all(drains);
      await instance[Symbol.asyncDispose]();
    },
  };
}

/** A message whose delivery to the first recipient is under way, and to the second recorded as deferred. */
async function deferredForBob(purpose: Purpose) {
  const instance = await dyingInstance();
  instance.fail({ ...DOWN, times: 1 });
  const id = await instance.queue({ purpose }, TWO);
  await instance.work(2);
  await until(async () => (await instance.mail(id)).attempts.length === 1, "the second attempt is recorded");
  expect(await instance.states(id)).toEqual(["queued", "deferred"]);
  return { instance, id };
}

test("a code is sent to a recipient whose attempt was recorded as not sent when the worker died", async () => {
  const { instance, id } = await deferredForBob("code");
  await using _ = instance;
  instance.clock.advance(LEASE_SECONDS);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "sent"]);
  expect(await instance.outcomes(id)).toEqual([`${BOB} not-sent`, `${ANN} lost`, `${BOB} sent`]);
  expect(instance.got.map(({ recipient }) => recipient)).toEqual([BOB]);
});

test("a notice is not recorded as lost for a recipient whose attempt was recorded as not sent", async () => {
  const { instance, id } = await deferredForBob("notice");
  await using _ = instance;
  instance.waiting.clear();
  instance.clock.advance(LEASE_SECONDS);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["sent", "sent"]);
  const { attempts, recipients } = await instance.mail(id);
  expect(attempts.filter(({ outcome }) => outcome === "lost").map(({ recipient }) => recipient)).toEqual([
    ANN,
  ]);
  expect(recipients.map(({ mayBeSent = false }) => mayBeSent)).toEqual([true, false]);
});

test("a code stays unknown for a recipient that may have got it from a second worker before that died", async () => {
  const { instance, id } = await deferredForBob("code");
  await using _ = instance;
  instance.waiting.add(BOB);
  instance.clock.advance(LEASE_SECONDS);
  await instance.work(3);
  instance.clock.advance(LEASE_SECONDS);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "unknown"]);
  expect(await instance.outcomes(id)).toEqual([`${BOB} not-sent`, `${ANN} lost`, `${BOB} lost`]);
});

test("a code stays unknown if its attempt was recorded under a lease before the one that was lost", async () => {
  await using instance = await dyingInstance();
  instance.waiting.clear();
  instance.fail({ ...DOWN, times: 2 });
  const id = await instance.queue({ purpose: "code" }, TWO);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["deferred", "deferred"]);
  for (const address of [ANN, BOB]) instance.waiting.add(address);
  instance.clock.advance(LEASE_SECONDS);
  await instance.work(4);
  instance.clock.advance(LEASE_SECONDS);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "unknown"]);
});

test("a code stays unknown if the attempt that a lost worker recorded was not the last one", async () => {
  const { instance, id } = await deferredForBob("code");
  await using _ = instance;
  // The second worker finds the second recipient before the next attempt is due.
  await instance.rows(`UPDATE mail SET due_at = 0 WHERE id = '${id}'`);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "deferred"]);
  instance.waiting.add(BOB);
  instance.clock.advance(LEASE_SECONDS);
  await instance.work(3);
  instance.clock.advance(LEASE_SECONDS);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "unknown"]);
});

test("a code stays unknown in a copy of the database, because the original may have sent it meanwhile", async () => {
  const { instance, id } = await deferredForBob("code");
  await using _ = instance;
  const { database, services } = instance;
  await database.commit(holdCopied(database, []));
  instance.clock.advance(LEASE_SECONDS);
  await services.mailQueue.release(ACTOR);
  await instance.drain();
  expect(await instance.states(id)).toEqual(["unknown", "unknown"]);
});
