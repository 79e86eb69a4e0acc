import { describe, expect, test } from "bun:test";
import { setImmediate } from "node:timers/promises";
import { sql } from "drizzle-orm";
import type { Database } from "../../../src/contracts/database.ts";
import { auditEntry } from "../../../src/domain/audit.ts";
import { createOutcomeRecorder } from "../../../src/mail/worker/outcome-recorder.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { createOutboxRepository, type MailUpdate } from "../../../src/storage/outbox.ts";
import { NO_METER } from "../../../src/telemetry/meter.ts";
import { countedDatabase } from "../fixtures/counted.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const platform = { now: () => NOW };

/** Messages that a worker has leased. */
async function leasedMails(count: number) {
  const counted = countedDatabase();
  const { database } = counted;
  await migrate(database, MIGRATIONS, platform);
  const ids = Array.from({ length: count }, (_, at) => `mail ${at}`);
  await database.commit([
    database.write.run(sql`
      INSERT INTO mail SELECT value, 'sending', 'a', 'a', '[]', 'host', '<m>', 's@example.org', 'notice', 'repeat',
        '[]', 0, 0, NULL, 0, 1, 'mark', 0, 0, NULL FROM json_each(${JSON.stringify(ids)})`),
    database.write.run(sql`INSERT INTO mail_content SELECT id, id, 0, 'v1.sealed' FROM mail`),
  ]);
  const outbox = createOutboxRepository(database);
  return {
    counted,
    database,
    ids,
    recorder: createOutcomeRecorder({ database, outbox, meter: NO_METER, platform }),
  };
}

const update = (id: string, more: Partial<MailUpdate> = {}): MailUpdate => ({
  ...{ id, lease: "mark", state: "sent", identifier: "a", queueName: "a", alternatives: [], recipients: [] },
  ...{ dueAt: null, contentUntil: null, released: true, attempts: [], ...more },
});

describe("record()", () => {
  test("records simultaneous updates together", async () => {
    const { counted, database, ids, recorder } = await leasedMails(150);
    await using _ = database;
    const { writes } = counted;
    expect(await Promise.all(ids.map((id) => recorder.record(update(id))))).toEqual(ids.map(() => true));
    expect(counted.writes - writes).toBeLessThanOrEqual(2);
    expect(await database.read.all(sql`SELECT DISTINCT state FROM mail`)).toEqual([{ state: "sent" }]);
    expect(await database.read.all(sql`SELECT * FROM mail_content`)).toEqual([]);
  });

  test("a commit has no more statements than its bound, audit rows among them", async () => {
    const { database, ids, recorder } = await leasedMails(8);
    await using _ = database;
    const sizes: number[] = [];
    const commit = database.commit.bind(database) as (...given: readonly unknown[]) => Promise<unknown>;
    database.commit = (async (statements: readonly unknown[], ...options: readonly unknown[]) => {
      sizes.push(statements.length);
      return commit(statements, ...options);
    }) as Database["commit"];
    const actor = {
      ...{ administrator: "", realm: "", client: "", requestId: "", policies: "" },
      action: "worker",
    };
    const entries = Array.from({ length: 50 }, () => auditEntry(actor, NOW, { success: false }));
    const recorded = await Promise.all(ids.map((id) => recorder.record(update(id, { entries }))));
    expect(recorded).toEqual(ids.map(() => true));
    expect(await database.read.all(sql`SELECT count(*) AS rows FROM audit`)).toEqual([{ rows: 400 }]);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(202);
  });

  test("returns false for messages that were not updated", async () => {
    const { database, recorder } = await leasedMails(2);
    await using _ = database;
    const late = recorder.record(update("mail 0", { lease: "older" }));
    expect(
      await Promise.all([late, recorder.record(update("mail 1")), recorder.record(update("none"))]),
    ).toEqual([false, true, false]);
  });

  test("loses only the update that the database rejects", async () => {
    const { database, recorder } = await leasedMails(3);
    await using _ = database;
    // The column does not accept text.
    const refused = { dueAt: "tomorrow" } as never as Partial<MailUpdate>;
    const settled = [update("mail 0"), update("mail 1", refused), update("mail 2")];
    expect(await Promise.all(settled.map(recorder.record))).toEqual([true, false, true]);
  });
});

describe("joinCommit()", () => {
  test("has the outcomes that gather join the next commit", async () => {
    const { counted, database, ids, recorder } = await leasedMails(5);
    await using _ = database;
    const [last = "", ...first] = ids;
    // Outcomes gather after a commit of several.
    await Promise.all(first.map((id) => recorder.record(update(id))));
    const { writes } = counted;
    const recorded = recorder.record(update(last));
    await setImmediate();
    expect(counted.writes - writes).toBe(0);
    recorder.joinCommit();
    await database.commit([database.write.run(sql`UPDATE mail SET submitter = 'other'`)]);
    expect(await recorded).toBe(true);
    expect(counted.writes - writes).toBe(1);
  });
});

describe("markStarted()", () => {
  test("returns false for a message that is no longer leased", async () => {
    const { database, recorder } = await leasedMails(1);
    await using _ = database;
    expect(await recorder.markStarted({ id: "mail 0", lease: "older" })).toBe(false);
    expect(await recorder.markStarted({ id: "mail 0", lease: "mark" })).toBe(true);
    expect(await database.read.all(sql`SELECT begun FROM mail`)).toEqual([{ begun: 1 }]);
  });
});
