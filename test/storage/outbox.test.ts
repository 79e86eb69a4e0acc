import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Database, Statement } from "../../src/contracts/database.ts";
import type { MailAttempt } from "../../src/domain/queued-mail.ts";
import { type Connection, LibsqlDatabase } from "../../src/storage/libsql-database.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import {
  type Claim,
  createOutboxRepository,
  type MailUpdate,
  readMailRow,
} from "../../src/storage/outbox.ts";
import { createQueuedMailRepository } from "../../src/storage/queued-mail.ts";
import { connectLimited } from "../../src/testing/limited-database.ts";
import { randomBytes } from "./fixtures/database.ts";
import { queryPlan } from "./fixtures/plan.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const WAITING = 100_000;
const QUEUES = 20;
const CLAIM: Claim = {
  ...{ queueName: "lane 3", lease: "mark", limit: 20, mailsPerMinute: 0, now: NOW, expiredBefore: NOW },
  leaseEndsAt: new Date(NOW.getTime() + 60_000),
};
const LEASES = [{ id: "1", lease: "mark" }];

/** Creates an outbox with this many waiting messages. */
async function outbox(waiting = 0, statements: string[] = []) {
  const database = recording(statements);
  await migrate(database, MIGRATIONS, { now: () => NOW });
  await database.commit([
    database.write.run(sql`
      WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < ${sql.raw(String(waiting - 1))})
      INSERT INTO mail SELECT printf('%d', n), 'queued', 'lane ' || (n % ${sql.raw(String(QUEUES))}), 'lane ' || (n % ${sql.raw(String(QUEUES))}),
        CASE WHEN n % 2 THEN '["a","b"]' ELSE '[]' END,
        'host', '<m>', 's@example.org', 'notice', 'repeat', '[]', ${NOW.getTime()} - n, ${NOW.getTime()} - n, NULL,
        ${NOW.getTime() + 86_400_000}, ${NOW.getTime()} - n, NULL, 0, 0, NULL
      FROM number WHERE n < ${sql.raw(String(waiting))}`),
    database.write.run(sql`INSERT INTO mail_content SELECT id, id, 0, 'v1.sealed' FROM mail`),
  ]);
  return {
    database,
    repository: createOutboxRepository(database),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

/** Creates a database in memory that records the statements it reads. */
function recording(statements: string[]): Database {
  const connections = connectLimited({ randomBytes });
  const { reader } = connections;
  const run: Connection["run"] = (operation) =>
    reader.run((client) =>
      operation(
        new Proxy(client, {
          get(target, name) {
            const value = Reflect.get(target, name);
            if (name !== "execute") return typeof value === "function" ? value.bind(target) : value;
            return (statement: { readonly sql: string }) => {
              statements.push(statement.sql);
              return target.execute(statement);
            };
          },
        }),
      ),
    );
  return new LibsqlDatabase({ ...connections, reader: { run, close: () => reader.close() } });
}

const update = (id: string): MailUpdate => ({
  ...{ id, lease: "mark", state: "sent", identifier: "a", queueName: "a", alternatives: [], recipients: [] },
  ...{ dueAt: null, contentUntil: null, released: true, attempts: [] },
});

describe("with 100,000 waiting messages", () => {
  const SCAN = /SCAN mail\b/;

  test("every statement of a worker uses an index", async () => {
    await using instance = await outbox(WAITING);
    const { database, repository } = instance;
    await database.write.run(sql`ANALYZE`);
    const statements: Readonly<Record<string, readonly [statement: Statement, index: RegExp]>> = {
      claim: [repository.claim(CLAIM), /USING INDEX mail_due \(lane=\? AND due_at<\?\)/],
      "claim within a limit per minute": [
        repository.claim({ ...CLAIM, mailsPerMinute: 10 }),
        /USING COVERING INDEX mail_attempt_pace \(identifier=\?[\s\S]*USING INDEX mail_counts \(state=\? AND identifier=\?\)/,
      ],
      claimForFailover: [
        repository.claimForFailover(CLAIM),
        /USING INDEX mail_counts \(state=\? AND identifier=\?\)[\s\S]*USING INDEX mail_movable \(lane=\? AND due_at<\?\)/,
      ],
      claimOverdue: [repository.claimOverdue(CLAIM), /USING INDEX mail_give_up \(give_up_at<\?\)/],
      markStarted: [repository.markStarted(LEASES), /USING INDEX sqlite_autoindex_mail_1 \(id=\?\)/],
      renewLeases: [
        repository.renewLeases(LEASES, NOW, NOW),
        /USING INDEX sqlite_autoindex_mail_1 \(id=\?\)/,
      ],
    };
    for (const [name, [statement, index]] of Object.entries(statements)) {
      const steps = await queryPlan(database, statement);
      expect({ name, steps }).toEqual({ name, steps: expect.stringMatching(index) });
      expect({ name, steps }).toEqual({ name, steps: expect.not.stringMatching(SCAN) });
      // A sort would read all waiting messages.
      expect({ name, steps }).toEqual({ name, steps: expect.not.stringMatching(/TEMP B-TREE FOR ORDER BY/) });
    }
  });

  test("updates find messages by primary key", async () => {
    await using instance = await outbox(WAITING);
    const { database, repository } = instance;
    const byKey = /SCAN one VIRTUAL TABLE[\s\S]*SEARCH mail USING INDEX sqlite_autoindex_mail_1 \(id=\?\)/;
    expect(await queryPlan(database, repository.applyUpdates([update("1")], NOW))).toMatch(byKey);
    expect(await queryPlan(database, repository.recordAttempts([update("1")]))).toMatch(byKey);
  });

  test("listQueues() reads no waiting message", async () => {
    const statements: string[] = [];
    await using instance = await outbox(WAITING, statements);
    statements.length = 0;
    await instance.repository.listQueues();
    const steps = await queryPlan(instance.database, sql.raw(statements[0] ?? ""));
    expect(steps).toMatch(/SEARCH mail USING COVERING INDEX mail_due \(lane>\?\)/);
    expect(steps).toMatch(/SEARCH mail USING COVERING INDEX mail_due \(lane=\? AND due_at>\?\)/);
    // The first queue is the first entry of the index.
    expect(steps.match(/SCAN mail\b.*/g) ?? []).toEqual([]);
  });
});

describe("applyUpdates()", () => {
  test("changes no message whose lease was lost, and records no attempt of it", async () => {
    await using instance = await outbox(3);
    const { database, repository } = instance;
    const [rows] = await database.commit([repository.claim({ ...CLAIM, queueName: "lane 1", limit: 1 })]);
    expect(rows.map((row) => readMailRow(row).id)).toEqual(["1"]);
    const attempts = [
      {
        ...({
          recipient: "a@example.net",
          identifier: "a",
          date: NOW,
          outcome: "sent",
          decision: "ended",
        } as const),
        ...{ phase: "", code: "", reply: null, timingMs: { data: 1.5 } },
      },
    ];
    const late = { ...update("1"), lease: "older", attempts };
    const held = { ...update("1"), attempts };
    const apply = (updates: readonly MailUpdate[]) =>
      database.commit([repository.recordAttempts(updates), repository.applyUpdates(updates, NOW)]);
    expect((await apply([late]))[1]).toEqual([]);
    // In one call, the late update does not replace the other.
    expect((await apply([held, late]))[1]).toEqual([{ id: "1" }]);
    expect((await createQueuedMailRepository(database, []).withAttempts("1"))?.attempts).toEqual([
      { mailId: "1", ...attempts[0] },
    ] as MailAttempt[]);
    expect(await database.read.all(sql`SELECT state, lease FROM mail WHERE id = '1'`)).toEqual([
      { state: "sent", lease: null },
    ]);
    expect(await database.read.all(sql`SELECT * FROM mail_content WHERE id = '1'`)).toEqual([]);
  });
});

describe("applyUpdates() after a release", () => {
  const released = { ...update("1"), state: "queued", dueAt: NOW.getTime() } as const;

  test("finds a message that the same commit has released, and no other", async () => {
    await using instance = await outbox(3);
    const { database, repository } = instance;
    const apply = async (change: MailUpdate, now: Date) =>
      (await database.commit([repository.applyUpdates([change], now)]))[0];
    await database.commit([repository.claim({ ...CLAIM, queueName: "lane 1", limit: 1 })]);
    expect(await apply(released, NOW)).toEqual([{ id: "1" }]);
    expect(await apply(released, NOW)).toEqual([{ id: "1" }]);
    // Another commit that writes the same, such as that of a worker whose lease was taken over.
    expect(await apply(released, new Date(NOW.getTime() + 1))).toEqual([]);
  });
});

describe("listQueues()", () => {
  test("returns the queues that have messages, each with its earliest due time", async () => {
    await using instance = await outbox(200);
    const queues = await instance.repository.listQueues();
    expect(queues).toHaveLength(QUEUES);
    expect(queues[0]).toEqual({
      ...{ queueName: "lane 0", dueAt: NOW.getTime() - 180, maxConnections: null, mailsPerMinute: null },
      ...{ openUntil: null, failures: null },
    });
  });

  test("returns no queue if no message waits", async () => {
    await using instance = await outbox();
    expect(await instance.repository.listQueues()).toEqual([]);
  });
});
