import { expect, test } from "bun:test";
import { abandonedError } from "../../src/storage/errors.ts";
import { createIdempotencyRepository, isKeyTaken, RESERVED } from "../../src/storage/idempotency.ts";
import { migrate } from "../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../src/storage/migrations/index.ts";
import { openEmptyDatabase } from "../fixtures/database.ts";
import { realRandomBytes } from "../fixtures/instance.ts";
import { ACTOR, gate, MESSAGE, type QueueInstance, queueInstance } from "./fixtures/queue.ts";

const NOW = new Date("2026-06-01T12:00:00Z");
const KEY = { idempotencyKey: "one call" };
/** Older than a reservation of a call that is alive. */
const SEEMS_DEAD_SECONDS = 21;

/** An instance in which the first call that stores a message waits until `open()`. */
async function slowInstance() {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const entrance = gate();
  let stores = 0;
  for (const name of ["append", "commit"] as const) {
    const run = database[name].bind(database) as (...given: readonly unknown[]) => Promise<never>;
    database[name] = async (...given: readonly unknown[]) => {
      const isStore = given.flat().some((one) => /insert into "mail"/.test(textOf(one)));
      if (isStore && stores++ === 0) await entrance.pass();
      return run(...given);
    };
  }
  const instance = await queueInstance({ database });
  await instance.save();
  return { ...instance, reached: entrance.reached, open: entrance.open };
}

function textOf(statement: unknown): string {
  const query = statement as { getQuery?: () => { readonly sql: string } };
  return query.getQuery?.().sql ?? "";
}

/** Submits a batch of messages with these keys. */
function submitBatch(instance: QueueInstance, keys: readonly string[], idempotencyKey?: string) {
  const batch = instance.services.submitBatchFor({ name: "host", actor: ACTOR });
  const messages = keys.map((key) => ({
    servers: ["a"],
    message: MESSAGE,
    options: { idempotencyKey: key, idempotencyContent: "a message" },
  }));
  return batch(messages, {
    ...{ idempotencyKey, idempotencyContent: "a batch" },
    respond: (results) =>
      results.map((one) => ("mailId" in one ? one.mailId : "code" in one ? one.code : "")),
  });
}

async function ids(instance: QueueInstance): Promise<string[]> {
  return (await instance.rows<{ id: string }>("SELECT id FROM mail ORDER BY id")).map(({ id }) => id);
}

test("a call whose key another one has taken over and used stores nothing, and gets its response", async () => {
  await using instance = await slowInstance();
  const first = instance.submit(KEY);
  await instance.reached();
  instance.clock.advance(SEEMS_DEAD_SECONDS);
  const second = await instance.submit(KEY);
  instance.open();
  expect(await first).toEqual(second);
  expect(await ids(instance)).toHaveLength(1);
  expect(await instance.rows("SELECT 1 FROM audit WHERE action = 'submit'")).toHaveLength(1);
  expect(await instance.submit(KEY)).toEqual(second);
  await instance.drain();
  expect(instance.got).toHaveLength(1);
});

test("a call whose key another one has taken over and still uses is a conflict", async () => {
  await using instance = await slowInstance();
  const first = instance.submit(KEY);
  await instance.reached();
  await instance.rows("UPDATE idempotency SET content = content || ' of another call'");
  instance.open();
  await expect(first).rejects.toMatchObject({ code: "conflict", parameter: "Idempotency-Key" });
  expect(await ids(instance)).toEqual([]);
  expect(await instance.rows("SELECT 1 FROM audit WHERE action = 'submit'")).toEqual([]);
});

test("a call whose key another one has taken over and released stores its message, and the key", async () => {
  await using instance = await slowInstance();
  const first = instance.submit(KEY);
  await instance.reached();
  await instance.rows("DELETE FROM idempotency");
  instance.open();
  const result = await first;
  expect(result).toMatchObject({ state: "queued" });
  expect(await instance.submit(KEY)).toEqual(result);
  expect(await ids(instance)).toHaveLength(1);
});

test("a commit that is applied after another call has taken over the key does nothing", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const append = database.append.bind(database);
  let isLossy = false;
  let late = async (): Promise<unknown> => undefined;
  database.append = async (...statements) => {
    if (!isLossy) return append(...statements);
    isLossy = false;
    late = () => append(...statements);
    throw abandonedError();
  };
  await using instance = await queueInstance({ database });
  await instance.save();
  isLossy = true;
  await expect(instance.submit(KEY)).rejects.toMatchObject({ code: "database_unavailable" });
  instance.clock.advance(SEEMS_DEAD_SECONDS);
  const second = await instance.submit(KEY);
  await expect(late()).rejects.toThrow();
  expect(await instance.submit(KEY)).toEqual(second);
  expect(await ids(instance)).toHaveLength(1);
});

test("a commit that is applied twice has the same result as once", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  await using instance = await queueInstance({ database });
  await instance.save();
  const append = database.append.bind(database);
  database.append = async (...statements) => {
    await append(...statements);
    await append(...statements);
  };
  const result = await instance.submit(KEY);
  expect(await instance.submit(KEY)).toEqual(result);
  expect(await ids(instance)).toHaveLength(1);
});

test.each([
  ["the same response", "a response", true],
  ["another response", "another response", false],
])("a completed key is completed again with %s", async (_, answer, isApplied) => {
  await using database = openEmptyDatabase({ randomBytes: realRandomBytes });
  await migrate(database, MIGRATIONS, { now: () => NOW });
  const repository = createIdempotencyRepository(database);
  const call = { scope: "host", key: "one", content: "a message" };
  const owned = { ...call, content: "owner a message", answer: RESERVED, createdAt: NOW };
  await database.commit([repository.reserve(owned, { ended: NOW, reserved: NOW, future: NOW })]);
  const complete = (response: string) =>
    database.commit([repository.complete({ ...call, answer: response }, owned, { failsIfTaken: true })]);
  await complete("a response");
  const error = await complete(answer).then(
    () => null,
    (error: unknown) => error,
  );
  expect(error === null).toBe(isApplied);
  if (!isApplied) expect(isKeyTaken(error)).toBe(true);
  expect((await repository.find("host", "one"))?.answer).toBe("a response");
});

test("of a batch, messages whose keys another call has taken over get its responses, the others are stored", async () => {
  await using instance = await slowInstance();
  const first = submitBatch(instance, ["one", "two"]);
  await instance.reached();
  instance.clock.advance(SEEMS_DEAD_SECONDS);
  const [second = ""] = await submitBatch(instance, ["one"]);
  instance.open();
  const results = await first;
  expect(results[0]).toBe(second);
  expect(await ids(instance)).toEqual(results.toSorted());
  expect(await submitBatch(instance, ["one", "two"])).toEqual(results);
});

test("a batch whose key another one has taken over and used stores nothing, and gets its response", async () => {
  await using instance = await slowInstance();
  const first = submitBatch(instance, ["one"], "batch");
  await instance.reached();
  instance.clock.advance(SEEMS_DEAD_SECONDS);
  const second = await submitBatch(instance, ["one"], "batch");
  instance.open();
  expect(await first).toEqual(second);
  expect(await ids(instance)).toEqual(second);
});

test("the key of a batch is not free while a commit whose response was lost may still be applied", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  const commit = database.commit.bind(database) as (...given: readonly unknown[]) => Promise<never>;
  let isLossy = false;
  let late = async (): Promise<unknown> => undefined;
  database.commit = async (...given: readonly unknown[]) => {
    if (!isLossy || !given.flat().some((one) => /insert into "mail"/.test(textOf(one))))
      return commit(...given);
    isLossy = false;
    late = () => commit(...given);
    throw abandonedError();
  };
  await using instance = await queueInstance({ database });
  await instance.save();
  isLossy = true;
  const keys = ["one", "two"];
  await expect(submitBatch(instance, keys, "batch")).rejects.toMatchObject({ code: "database_unavailable" });
  await expect(submitBatch(instance, keys, "batch")).rejects.toMatchObject({ code: "conflict" });
  expect(await submitBatch(instance, keys)).toEqual(["conflict", "conflict"]);
  await late();
  expect((await submitBatch(instance, keys, "batch")).toSorted()).toEqual(await ids(instance));
  await instance.drain();
  expect(instance.got).toHaveLength(2);
});

test("a message is queued although its definition no longer is for the queue when its key is reserved", async () => {
  const database = openEmptyDatabase({ randomBytes: realRandomBytes });
  await using instance = await queueInstance({ database });
  await instance.save();
  const commit = database.commit.bind(database) as (...given: readonly unknown[]) => Promise<never>;
  let isChanged = false;
  database.commit = async (...given: readonly unknown[]) => {
    const isReserving = given.flat().some((one) => /insert into "idempotency"/.test(textOf(one)));
    if (isReserving && !isChanged) {
      isChanged = true;
      await instance.save("a", { enqueue_job: false });
    }
    return commit(...given);
  };
  expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
});

test("an inline message whose key is lost is recorded, and keeps the response of the other call", async () => {
  const entrance = gate();
  await using instance = await queueInstance({
    around: async (_, send) => {
      await entrance.pass();
      return send();
    },
  });
  await instance.save();
  const first = instance.submit({ ...KEY, queue: false });
  await entrance.reached();
  await instance.rows("UPDATE idempotency SET content = 'of another call'");
  entrance.open();
  expect(await first).toMatchObject({ state: "delivered" });
  expect(await instance.rows("SELECT 1 FROM audit WHERE action = 'submit'")).toHaveLength(1);
  expect(await instance.rows("SELECT content, answer FROM idempotency")).toEqual([
    { content: "of another call", answer: "acting" },
  ]);
});
