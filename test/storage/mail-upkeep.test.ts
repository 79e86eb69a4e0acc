import { describe, expect, test } from "bun:test";
import { HOLD_MS } from "../../src/domain/queued-mail.ts";
import { createMailUpkeepRepository } from "../../src/storage/mail-upkeep.ts";
import { later, mailRows, NOW, waiting } from "./fixtures/mail-rows.ts";

describe("recoverFromClockJump()", () => {
  test("makes messages due that a clock jump has delayed, and gives leased ones the time of a new lease", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const tomorrow = later(86_400);
    const putOff = { dueAt: tomorrow.getTime(), updatedAt: tomorrow };
    await insert("changed tomorrow", putOff);
    await insert("leased tomorrow", { ...putOff, lease: "mark" });
    await insert("leased for a minute", { dueAt: later(60).getTime(), lease: "mark" });
    await insert("leased", { dueAt: later(9).getTime(), lease: "mark" });
    await insert("waits", { dueAt: later(3_600).getTime(), updatedAt: later(4) });
    await insert("final", { dueAt: null, updatedAt: tomorrow });
    await insert("held", { ...putOff, dueAt: HOLD_MS, lease: "mark" });
    const { recoverFromClockJump } = createMailUpkeepRepository(database);
    await database.commit([recoverFromClockJump(NOW, later(10))]);
    expect(await instance.column<number>("due_at")).toEqual({
      "changed tomorrow": NOW.getTime(),
      "leased tomorrow": later(10).getTime(),
      "leased for a minute": later(10).getTime(),
      leased: later(9).getTime(),
      waits: later(3_600).getTime(),
      final: null as never,
      held: HOLD_MS,
    });
  });
});

describe("recoverFromClockJump() of messages that start later", () => {
  test("leaves them at their time, unless they have started or were retried", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const startsAt = later(7_200);
    const recipients = [waiting(startsAt, { startsAt: startsAt.getTime() })];
    const columns = { recipients, dueAt: startsAt.getTime() };
    await insert("scheduled", { ...columns, updatedAt: later(3_600) });
    await insert("retried", { ...columns, updatedAt: startsAt });
    const { recoverFromClockJump } = createMailUpkeepRepository(database);
    await database.commit([recoverFromClockJump(NOW, later(10))]);
    expect(await instance.column<number>("due_at")).toEqual({
      ...{ scheduled: startsAt.getTime(), retried: NOW.getTime() },
    });
  });
});

describe("eraseContent()", () => {
  test("erases content that was kept until now, and nothing else", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    const { hasContentToErase, eraseContent } = createMailUpkeepRepository(database);
    await insert("waits");
    await insert("kept", { dueAt: null, contentUntil: later(1) });
    expect(await hasContentToErase(NOW)).toBe(false);
    await insert("over", { dueAt: null, contentUntil: NOW });
    expect(await hasContentToErase(NOW)).toBe(true);
    await database.commit([eraseContent(NOW)]);
    expect(await instance.contents()).toEqual(["kept", "waits"]);
    expect(await hasContentToErase(NOW)).toBe(false);
  });
});

describe("prune()", () => {
  test("deletes old final messages, unless they can still be retried", async () => {
    await using instance = await mailRows();
    const { database, insert } = instance;
    await insert("old", { dueAt: null });
    await insert("kept", { dueAt: null, contentUntil: later(100) });
    await insert("waits");
    await insert("new", { dueAt: null, updatedAt: later(1) });
    await database.commit([...createMailUpkeepRepository(database).prune(later(1))]);
    expect(Object.keys(await instance.column("state"))).toEqual(["kept", "new", "waits"]);
  });
});
