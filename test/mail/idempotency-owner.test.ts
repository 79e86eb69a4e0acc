import { expect, test } from "bun:test";
import type { Database } from "../../src/contracts/database.ts";
import { createIdempotency } from "../../src/mail/idempotency.ts";
import { abandonedError } from "../../src/storage/errors.ts";
import { createIdempotencyRepository, RESERVED, STARTED } from "../../src/storage/idempotency.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openEmptyDatabase } from "../fixtures/database.ts";
import { realRandomBytes, START } from "../fixtures/instance.ts";

const CALL = { scope: "host", key: "one call", content: "a message" };
const CONFLICT = { code: "conflict" };

/** The keys of one of several processes that share a database, all in the same millisecond. */
function processOn(database: Database) {
  return createIdempotency({
    database,
    repository: createIdempotencyRepository(database),
    mac: async (text) => `mac of ${text.length}`.replaceAll(" ", "-"),
    platform: { now: () => START, randomBytes: realRandomBytes },
  });
}

/** The same database, which loses the responses to commits. */
function losingResponses(database: Database): Database {
  return {
    kind: database.kind,
    read: database.read,
    write: database.write,
    prepare: database.prepare,
    append: database.append.bind(database),
    async commit(statements) {
      await database.commit(statements);
      throw abandonedError();
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function open(): Promise<Database> {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  await migrate(database, MIGRATIONS, { now: () => START });
  return database;
}

test.each([RESERVED, STARTED] as const)(
  "a process whose response is lost does not take the key of another one of the same millisecond: %j",
  async (state) => {
    await using database = await open();
    await processOn(database).reserve(CALL, state);
    const late = processOn(losingResponses(database)).reserve(CALL, state);
    expect(await late.catch((error) => error)).toMatchObject(CONFLICT);
  },
);

test("a process whose response is lost has the key that it reserved, and its later calls the response", async () => {
  await using database = await open();
  const reserved = await processOn(losingResponses(database)).reserve(CALL, STARTED);
  if ("response" in reserved) throw new Error("The key has no response yet");
  await database.commit([reserved.complete({ sent: true })]);
  expect(await processOn(database).reserve(CALL, STARTED)).toEqual({ response: '{"sent":true}' });
  const other = processOn(database).reserve({ ...CALL, content: "another message" }, STARTED);
  expect(await other.catch((error) => error)).toMatchObject(CONFLICT);
});

test("a call releases its own key and no other, and none that has a response", async () => {
  await using database = await open();
  const first = await processOn(database).reserve(CALL, RESERVED);
  if ("response" in first) throw new Error("The key has no response yet");
  await database.commit([first.release()]);
  const second = await processOn(database).reserve(CALL, RESERVED);
  if ("response" in second) throw new Error("The key was released");
  await database.commit([first.release()]);
  const third = processOn(database).reserve(CALL, RESERVED);
  expect(await third.catch((error) => error)).toMatchObject(CONFLICT);
  await database.commit([second.complete(1)]);
  await database.commit([second.release()]);
  expect(await processOn(database).reserve(CALL, RESERVED)).toEqual({ response: "1" });
});
