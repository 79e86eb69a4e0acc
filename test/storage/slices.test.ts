import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/contracts/database.ts";
import { START, testInstance } from "../fixtures/instance.ts";
import { openTest } from "./fixtures/database.ts";

const ROWS = 3_500;
const YEARS = 2 * 365 * 86_400;

const count = async ({ read }: Database, table: string) =>
  (await read.get<{ readonly n: number }>(sql`SELECT count(*) AS n FROM ${sql.identifier(table)}`))?.n;

/** An instance with old rows, which counts the rows that each commit changes, and can fail a commit of many. */
async function crowded() {
  const database = openTest();
  const changed: number[] = [];
  let failsAfter = Number.POSITIVE_INFINITY;
  const observed: Database = {
    ...database,
    prepare: database.prepare.bind(database),
    append: database.append.bind(database),
    async commit(statements, options) {
      if (changed.length >= failsAfter) throw new Error("The process ends here");
      const results = await database.commit(statements, options);
      const rows = (results as readonly { readonly rowsAffected?: number }[]).map(
        ({ rowsAffected = 0 }) => rowsAffected,
      );
      if (Math.max(...rows) > 100) changed.push(Math.max(...rows));
      return results;
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
  const instance = await testInstance({ database: observed });
  const numbers = sql`WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${ROWS})`;
  const at = START.getTime();
  await database.commit([
    database.write.run(sql`INSERT INTO audit (date, action, success, administrator, realm, client, identifier,
      recipient, fields, outcome, phase, info, policies, request_id)
      ${numbers} SELECT ${at}, 'x', 1, '', '', '', '', '', '', '', '', '', '', '' FROM n`),
    database.write.run(sql`INSERT INTO try_window (key, failed, undecided, ends_at)
      ${numbers} SELECT 'k' || n, 1, 0, ${at} FROM n`),
    database.write.run(sql`INSERT INTO idempotency (scope, key, content, answer, created_at)
      ${numbers} SELECT 's', n, '', '', ${at} FROM n`),
    database.write.run(sql`INSERT INTO mail (id, state, identifier, lane, alternatives, submitter, message_id,
      sender, purpose, on_unknown, recipients, created_at, updated_at, give_up_at, begun, lost)
      ${numbers} SELECT 'm' || n, 'sent', 'a', 'a', '[]', 'host', '<m>', 'a@example.org', 'x', 'repeat', '[]',
      ${at}, ${at}, ${at}, 0, 0 FROM n`),
    database.write.run(sql`INSERT INTO mail_attempt (mail_id, identifier, date, result)
      ${numbers} SELECT 'm' || n, 'a', ${at}, '{}' FROM n WHERE n > 2000`),
  ]);
  instance.clock.advance(YEARS);
  const tables = ["audit", "try_window", "idempotency", "mail", "mail_attempt"];
  return {
    instance,
    changed,
    failAfter: (commits: number) => {
      failsAfter = commits;
    },
    counts: () => Promise.all(tables.map((table) => count(database, table))),
    [Symbol.asyncDispose]: () => instance[Symbol.asyncDispose](),
  };
}

test("the daily work deletes in slices, and does other work between them", async () => {
  await using it = await crowded();
  let turns = 0;
  const turning = setInterval(() => turns++, 0);
  await it.instance.services.prune();
  clearInterval(turning);
  expect(await it.counts()).toEqual([0, 0, 0, 0, 0]);
  expect(Math.max(...it.changed)).toBe(1_000);
  expect(turns).toBeGreaterThanOrEqual(9);
});

test("the daily work keeps what it has deleted when it is interrupted", async () => {
  await using it = await crowded();
  it.failAfter(2);
  await expect(it.instance.services.prune()).rejects.toThrow("The process ends here");
  expect(await it.counts()).toEqual([expect.any(Number), ROWS, ROWS - 2_000, ROWS - 2_000, ROWS - 2_000]);
  it.failAfter(Number.POSITIVE_INFINITY);
  await it.instance.services.prune();
  expect(await it.counts()).toEqual([0, 0, 0, 0, 0]);
});
