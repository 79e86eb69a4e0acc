import { describe, expect, test } from "bun:test";
import { notSent } from "../../src/domain/delivery.ts";
import {
  createServerHealthRepository,
  createWaitingMailRepository,
} from "../../src/storage/server-health.ts";
import { later, mailRows, NOW, waiting } from "./fixtures/mail-rows.ts";
import { queryPlan } from "./fixtures/plan.ts";

const FAILURE = notSent("recipient", "rate_limited", {
  code: 450,
  enhanced: null,
  text: '"q" \\ /\u2028\u0007é😀',
});

describe("makeDue()", () => {
  test("makes every waiting recipient due and changes nothing else", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const recipients = [
      waiting(later(60), { address: "one@example.net", failure: FAILURE }),
      waiting(null, { address: "two@example.net", state: "sent" }),
      waiting(later(-5), { address: "three@example.net", state: "queued", attempts: 0 }),
    ];
    await insert("1", { recipients, dueAt: later(60).getTime() });
    await database.commit([createWaitingMailRepository(database).makeDue("a", NOW)]);
    expect((await instance.column("due_at"))["1"]).toBe(NOW.getTime());
    const due = recipients.map((one) => (one.dueAt === null ? one : { ...one, dueAt: NOW.getTime() }));
    expect((await instance.column("recipients"))["1"]).toBe(JSON.stringify(due));
  });

  test("leaves messages and recipients that are to be sent later at their time", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const start = { state: "queued", attempts: 0, startsAt: later(3_600).getTime() } as const;
    const scheduled = waiting(later(3_600), start);
    await insert("scheduled", { recipients: [scheduled], dueAt: start.startsAt, updatedAt: later(-9) });
    const started = waiting(later(60), { startsAt: later(-60).getTime() });
    // Another clock was ahead when it was retried.
    const retried = waiting(later(60), { startsAt: later(3_600).getTime() });
    await insert("started", { recipients: [scheduled, started], dueAt: later(60).getTime() });
    await insert("retried", { recipients: [retried], dueAt: later(60).getTime() });
    await database.commit([createWaitingMailRepository(database).makeDue("a", NOW)]);
    const time = NOW.getTime();
    expect(await instance.column<number>("due_at")).toEqual({
      ...{ scheduled: start.startsAt, started: time, retried: later(60).getTime() },
    });
    expect(await instance.column<string>("recipients")).toEqual({
      scheduled: JSON.stringify([scheduled]),
      started: JSON.stringify([scheduled, { ...started, dueAt: time }]),
      retried: JSON.stringify([retried]),
    });
    expect((await instance.column<number>("updated_at")).scheduled).toBe(later(-9).getTime());
  });

  test("leaves other definitions, leased and final messages alone", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const dueAt = later(60).getTime();
    await insert("waits", { dueAt });
    await insert("other", { dueAt, queueName: "b" });
    await insert("leased", { dueAt, lease: "mark" });
    await insert("final", { dueAt: null });
    await database.commit([createWaitingMailRepository(database).makeDue("a", NOW)]);
    expect(await instance.column<number | null>("due_at")).toEqual({
      ...{ waits: NOW.getTime(), other: dueAt, leased: dueAt, final: null },
    });
  });
});

describe("makeDueIfOpen()", () => {
  test("makes messages due only if the circuit is open", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const { makeDueIfOpen } = createWaitingMailRepository(database);
    const health = createServerHealthRepository(database);
    const dueAt = later(60).getTime();
    await insert("1", { dueAt });
    const due = async () => (await instance.column<number>("due_at"))["1"];
    await database.commit([health.fail("a", FAILURE, NOW), makeDueIfOpen("a", NOW)]);
    expect(await due()).toBe(dueAt);
    await database.commit([health.trip("a", later(30))]);
    await database.commit([makeDueIfOpen("a", NOW), health.clear("a")]);
    expect(await due()).toBe(NOW.getTime());
  });
});

describe("with 100,000 messages", () => {
  test("each statement uses an index", async () => {
    await using instance = await mailRows();
    const { database } = instance;
    const { makeDue, findOne } = createWaitingMailRepository(database);
    for (const statement of [makeDue("a", NOW), findOne("a")]) {
      expect(await queryPlan(database, statement)).toMatch(
        /SEARCH mail USING (COVERING )?INDEX mail_due \(lane=\? AND due_at>\?( AND due_at<\?)?\)/,
      );
    }
  });
});
