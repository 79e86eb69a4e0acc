import { expect, test } from "bun:test";
import { HOLD_MS } from "../../src/domain/queued-mail.ts";
import { createQueueClock } from "../../src/storage/durable/queue-clock.ts";
import { createOutboxRepository } from "../../src/storage/outbox.ts";
import { changedRows, createQueuedMailRepository } from "../../src/storage/queued-mail.ts";
import { createWaitingMailRepository } from "../../src/storage/server-health.ts";
import { later, mailRows, NOW } from "./fixtures/mail-rows.ts";

const CLAIM = {
  queueName: "a",
  lease: "mine",
  leaseEndsAt: later(10),
  now: NOW,
  expiredBefore: NOW,
  limit: 10,
  mailsPerMinute: 0,
};

/** A held message that was due, one that was being sent, and one that nothing holds. */
async function held() {
  const instance = await mailRows();
  const repository = createQueuedMailRepository(instance.database, []);
  await instance.insert("due", { giveUpAt: NOW });
  await instance.insert("sending", { state: "sending", lease: "old", dueAt: HOLD_MS + later(5).getTime() });
  await instance.database.commit([repository.hold()]);
  await instance.insert("new", { dueAt: later(5).getTime() });
  return { ...instance, repository, outbox: createOutboxRepository(instance.database) };
}

test("a held message is not claimed, neither to be sent nor because its time is over", async () => {
  await using instance = await held();
  const { database, outbox } = instance;
  const results = await database.commit([
    outbox.claim(CLAIM),
    outbox.claimOverdue(CLAIM),
    outbox.claimForFailover(CLAIM),
  ]);
  expect(results.map((rows) => rows.length)).toEqual([0, 0, 0]);
});

test("a held message takes no part of mails_per_minute", async () => {
  await using instance = await held();
  const { database, outbox } = instance;
  const [rows] = await database.commit([outbox.claim({ ...CLAIM, now: later(6), mailsPerMinute: 1 })]);
  expect(rows).toHaveLength(1);
});

test("a held message stays held when its server is back, and when an object starts again", async () => {
  await using instance = await held();
  const { database } = instance;
  const before = await instance.column<number>("due_at");
  const clock = createQueueClock(database);
  await database.commit([
    createWaitingMailRepository(database).makeDue("a", NOW),
    ...clock.abandonLeases(NOW),
  ]);
  expect(await instance.column<number>("due_at")).toEqual({ ...before, new: NOW.getTime() });
  await database.commit([database.write.run("DELETE FROM mail WHERE id = 'new'")]);
  expect(await clock.nextAt(NOW.getTime())).toBeGreaterThanOrEqual(HOLD_MS);
});

test("a release makes each message due when it was due before", async () => {
  await using instance = await held();
  const { database, repository, outbox } = instance;
  expect(changedRows(await database.commit(repository.release()))).toBe(2);
  expect(await instance.column<number>("due_at")).toEqual({
    due: NOW.getTime(),
    sending: later(5).getTime(),
    new: later(5).getTime(),
  });
  const [claimed] = await database.commit([
    outbox.claim({ ...CLAIM, now: later(9), expiredBefore: later(9) }),
  ]);
  expect(claimed).toHaveLength(3);
});
