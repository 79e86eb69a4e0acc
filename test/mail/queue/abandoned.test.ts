import { describe, expect, test } from "bun:test";
import type { MailOptions } from "../../../src/contracts/plugin/mail.ts";
import { HOLD_MS } from "../../../src/domain/queued-mail.ts";
import { ACTOR, gate, MESSAGE, queueInstance, until } from "../fixtures/queue.ts";

const [ANN, BOB] = ["ann@example.net", "bob@example.net"] as const;
const TWO = { ...MESSAGE, to: [ANN, BOB].map((address) => ({ name: "", address })) };
/** Longer than a lease on a file. */
const LEASE_SECONDS = 11;

/**
 * An instance whose worker sends a message to the first recipient when it dies, so that its lease ends. The attempt for the
 * second one is recorded as deferred.
 */
async function abandoned(options: MailOptions) {
  const entrance = gate();
  const instance = await queueInstance({
    around: async ({ recipient }, send) => {
      if (recipient === ANN) await entrance.pass();
      return send();
    },
  });
  await instance.save();
  instance.fail({ phase: "connect", code: "refused", retryable: true, times: 1 });
  const id = await instance.queue(options, TWO);
  const dying = instance.drain();
  await until(async () => (await instance.mail(id)).attempts.length === 1, "the second attempt is recorded");
  return {
    ...instance,
    id,
    endLease: () => instance.clock.advance(LEASE_SECONDS),
    async record() {
      const { state, recipients, attempts } = await instance.mail(id);
      return {
        state,
        recipients: recipients.map((one) => one.state),
        mayBeSent: recipients.map((one) => one.mayBeSent === true),
        attempts: attempts.map(({ recipient, outcome }) => `${recipient} ${outcome}`),
      };
    },
    async audited() {
      return (
        await instance.rows<{ row: string }>(
          "SELECT action || ' ' || recipient || ' ' || outcome AS row FROM audit WHERE action IN ('test', 'worker') ORDER BY number",
        )
      ).map(({ row }) => row);
    },
    async canRetry() {
      return (await instance.services.mailQueue.get(id))?.canRetry;
    },
    /** Lets the worker end, whose lease is lost. */
    async [Symbol.asyncDispose]() {
      entrance.open();
      await dying;
      await instance[Symbol.asyncDispose]();
    },
  };
}

const NOTICE: MailOptions = { purpose: "notice" };
const CODE: MailOptions = { purpose: "code" };
const ATTEMPTS = [`${BOB} not-sent`, `${ANN} lost`];

describe("a message whose worker has died", () => {
  test("is cancelled for a recipient that did not get it, and unknown for one that may have got it", async () => {
    await using instance = await abandoned(NOTICE);
    const { id, services } = instance;
    await expect(services.mailQueue.cancel(id, ACTOR)).rejects.toMatchObject({ code: "conflict" });
    instance.endLease();
    await services.mailQueue.cancel(id, ACTOR);
    expect(await instance.record()).toMatchObject({
      state: "unknown",
      recipients: ["unknown", "cancelled"],
      attempts: ATTEMPTS,
    });
    expect(await instance.audited()).toEqual([`test ${ANN},${BOB} `, `worker ${ANN} unknown`]);
    expect(await instance.rows("SELECT id FROM mail_content")).toEqual([]);
  });

  test("is repeated by a retry, as the next worker repeats it", async () => {
    await using instance = await abandoned(NOTICE);
    const { id, services } = instance;
    expect(await instance.canRetry()).toBe(false);
    instance.endLease();
    expect(await instance.canRetry()).toBe(true);
    await services.mailQueue.retry(id, ACTOR);
    expect(await instance.record()).toEqual({
      state: "deferred",
      recipients: ["queued", "deferred"],
      mayBeSent: [true, false],
      attempts: ATTEMPTS,
    });
    expect(await instance.audited()).toEqual([`test ${ANN},${BOB} `]);
  });

  test("goes through no other definition after a retry", async () => {
    await using instance = await abandoned(NOTICE);
    await instance.rows(`UPDATE mail SET alternatives = '["a","b"]'`);
    instance.endLease();
    await instance.services.mailQueue.retry(instance.id, ACTOR);
    expect((await instance.mail(instance.id)).alternatives).toEqual([]);
  });

  test("is retried for the recipients that did not get it, and not repeated if it must not arrive twice", async () => {
    await using instance = await abandoned(CODE);
    instance.endLease();
    await instance.services.mailQueue.retry(instance.id, ACTOR);
    expect(await instance.record()).toMatchObject({
      recipients: ["unknown", "deferred"],
      attempts: ATTEMPTS,
    });
    await instance.drain();
    expect(await instance.record()).toMatchObject({ recipients: ["unknown", "sent"] });
    expect(instance.got.map(({ recipient }) => recipient)).toEqual([BOB]);
  });

  test("becomes unknown, and is not retried, if it must not arrive twice and all recipients may have got it", async () => {
    await using instance = await abandoned(CODE);
    // The claim has not recorded that its attempt did not send the message.
    const recipients = JSON.stringify(
      (await instance.mail(instance.id)).recipients.map(({ notSentBy: _, ...one }) => one),
    );
    await instance.rows(`UPDATE mail SET recipients = '${recipients}'`);
    instance.endLease();
    expect(await instance.canRetry()).toBe(false);
    const retried = instance.services.mailQueue.retry(instance.id, ACTOR);
    await expect(retried).rejects.toMatchObject({ message: expect.stringContaining("is final (unknown)") });
    expect(await instance.record()).toMatchObject({ state: "unknown", recipients: ["unknown", "unknown"] });
    expect(await instance.audited()).toEqual([`worker ${ANN} unknown`, `worker ${BOB} unknown`]);
  });

  test.each(["retry", "cancel"] as const)("had not started to send a code: %s changes it", async (verb) => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue(CODE);
    await instance.rows("UPDATE mail SET state = 'sending', lease = 'old'");
    await instance.services.mailQueue[verb](id, ACTOR);
    await instance.drain();
    const state = verb === "retry" ? "sent" : "cancelled";
    expect(await instance.mail(id)).toMatchObject({
      state,
      attempts: verb === "retry" ? [{ outcome: "sent" }] : [],
    });
  });

  test("stays as it is if another worker takes it over in the meantime", async () => {
    await using instance = await abandoned(NOTICE);
    const { id, database, services } = instance;
    instance.endLease();
    const commit = database.commit.bind(database);
    database.commit = (async (...given: Parameters<typeof commit>) => {
      database.commit = commit;
      const leaseEndsAt = instance.clock.now.getTime() + 10_000;
      await instance.rows(`UPDATE mail SET lease = 'other', due_at = ${leaseEndsAt}`);
      return commit(...given);
    }) as typeof commit;
    await expect(services.mailQueue.cancel(id, ACTOR)).rejects.toMatchObject({
      message: expect.stringContaining("is being sent"),
    });
    expect(await instance.record()).toMatchObject({ state: "sending", attempts: [`${BOB} not-sent`] });
    expect(await instance.audited()).toEqual([]);
  });
});

describe("a code whose second worker has died, too, with the message on its way", () => {
  /** The first worker defers the second recipient and dies. The second one sends to that recipient and dies. */
  async function twiceAbandoned() {
    const [first, second] = [gate(), gate()];
    let attempts = 0;
    const instance = await queueInstance({
      around: async ({ recipient }, send) => {
        if (recipient === ANN) {
          await first.pass();
          return send();
        }
        const result = await send();
        if (++attempts === 2) await second.pass();
        return result;
      },
    });
    await instance.save();
    instance.fail({ phase: "connect", code: "refused", retryable: true, times: 1 });
    const id = await instance.queue(CODE, TWO);
    const dying = [instance.drain()];
    await until(async () => (await instance.mail(id)).attempts.length === 1, "the first attempt is recorded");
    instance.clock.advance(LEASE_SECONDS);
    dying.push(instance.drain());
    await until(async () => attempts === 2, "the second attempt is under way");
    instance.clock.advance(LEASE_SECONDS);
    return {
      ...instance,
      id,
      async [Symbol.asyncDispose]() {
        first.open();
        second.open();
        await Promise.all(dying);
        await instance[Symbol.asyncDispose]();
      },
    };
  }

  test("is unknown after a cancellation", async () => {
    await using instance = await twiceAbandoned();
    const { id, services } = instance;
    await services.mailQueue.cancel(id, ACTOR).catch(() => undefined);
    expect((await instance.mail(id)).recipients.map(({ state }) => state)).toEqual(["unknown", "unknown"]);
  });

  test("is not sent again by a retry", async () => {
    await using instance = await twiceAbandoned();
    const { id, services } = instance;
    await services.mailQueue.retry(id, ACTOR).catch(() => undefined);
    await instance.drain();
    expect(instance.got.map(({ recipient }) => recipient)).toEqual([BOB]);
  });
});

describe("a held copy of a code that was being sent", () => {
  async function heldCopy() {
    const instance = await queueInstance();
    await instance.save();
    const id = await instance.queue(CODE);
    await instance.rows(
      `UPDATE mail SET state = 'sending', lease = 'copied old', begun = 1, due_at = due_at + ${HOLD_MS}`,
    );
    return { ...instance, id };
  }

  test("is unknown after a cancellation", async () => {
    await using instance = await heldCopy();
    await instance.services.mailQueue.cancel(instance.id, ACTOR);
    expect(await instance.mail(instance.id)).toMatchObject({ state: "unknown" });
  });

  test("is not retried, because the original may have sent it", async () => {
    await using instance = await heldCopy();
    expect((await instance.services.mailQueue.get(instance.id))?.canRetry).toBe(false);
    const retried = instance.services.mailQueue.retry(instance.id, ACTOR);
    await expect(retried).rejects.toMatchObject({ code: "conflict" });
    await instance.drain();
    expect(instance.got).toEqual([]);
  });
});

test("a message that may have been sent is unknown when it is cancelled, not cancelled", async () => {
  await using instance = await queueInstance();
  await instance.save();
  instance.fail({ phase: "data", code: "closed", outcome: "unknown" });
  const id = await instance.queue(NOTICE);
  await instance.drain();
  expect(await instance.mail(id)).toMatchObject({ recipients: [{ state: "deferred", mayBeSent: true }] });
  await instance.services.mailQueue.cancel(id, ACTOR);
  expect(await instance.mail(id)).toMatchObject({ state: "unknown", recipients: [{ state: "unknown" }] });
});
