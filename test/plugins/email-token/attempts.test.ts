import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { emailToken } from "sealpost/plugins/email-token";
import { readPlugins } from "../../../src/plugin/registry.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { openEmptyDatabase } from "../../fixtures/database.ts";
import { realRandomBytes, START } from "../../fixtures/instance.ts";
import { SERVER, startedWithout } from "./support.ts";

test("attempts that an earlier version stored are kept for their minute", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const { migrations } = readPlugins([emailToken()]);
  const earlier = migrations.filter(({ name }) => !/0006|kept/.test(name));
  const platform = { now: () => START };
  await migrate(database, [...MIGRATIONS, ...earlier], platform);
  const insert = (id: string, at: number) =>
    database.write.run(
      sql`INSERT INTO email_token_attempt (id, outcome, serial, at) VALUES (${id}, 'wrong', 'A', ${at})`,
    );
  const startMs = START.getTime();
  await database.commit([insert("b", startMs), insert("a", startMs), insert("old", startMs - 60_001)]);
  await using it = await startedWithout({ database });
  const ids = async () => {
    const rows = await database.read.all<{ id: string }>(
      sql`SELECT id FROM email_token_attempt ORDER BY at, id`,
    );
    return rows.map(({ id }) => id);
  };
  expect(await ids()).toEqual(["old", "a", "b"]);
  await it.post("/smtpserver/default", SERVER);
  expect((await it.check({ user: "ann", transaction_id: "1", pass: "123456" })).value).toBe(false);
  // The one of now has a random ID.
  expect((await ids()).filter((id) => id.length === 1)).toEqual(["a", "b"]);
  expect(await ids()).toHaveLength(3);
  it.clock.advance(61);
  expect((await it.check({ user: "ann", transaction_id: "1", pass: "123456" })).value).toBe(false);
  expect(await ids()).toHaveLength(1);
});
