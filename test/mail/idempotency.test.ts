import { describe, expect, test } from "bun:test";
import { SealpostError } from "../../src/errors.ts";
import { abandonedError } from "../../src/storage/errors.ts";
import { countedDatabase, THERE } from "./fixtures/counted.ts";
import { ACTOR, gate, MESSAGE, queueInstance, REFUSED, TO } from "./fixtures/queue.ts";

const KEY = { idempotencyKey: "one call" };
const OTHER = { ...MESSAGE, subject: "Another one" };
const AWAY = new SealpostError("database_unavailable", "The database is away");

describe("idempotencyKey", () => {
  test.each([
    ["queued", true],
    ["delivered", false],
  ] as const)("returns the first response again: %s", async (state, queue) => {
    await using instance = await queueInstance();
    await instance.save();
    const first = await instance.submit({ ...KEY, queue });
    expect(first.state).toBe(state);
    expect(await instance.submit({ ...KEY, queue })).toEqual(first);
    await instance.drain();
    expect(instance.got).toHaveLength(1);
    expect(await instance.rows("SELECT 1 FROM audit WHERE action = 'submit'")).toHaveLength(1);
  });

  test("returns the first failure again", async () => {
    await using instance = await queueInstance();
    await instance.save();
    instance.fail(REFUSED);
    const first = await instance.submit({ ...KEY, queue: false });
    expect(first).toMatchObject({ state: "failed", failure: { code: "recipient_rejected" } });
    expect(await instance.submit({ ...KEY, queue: false })).toEqual(first);
    expect(instance.got).toHaveLength(0);
  });

  test("rejects other content, and the same key of another caller is another call", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.submit(KEY);
    await expect(instance.submit(KEY, OTHER)).rejects.toMatchObject({ code: "conflict", status: 409 });
    const plugin = instance.services.submitFor({ name: "plugin x", actor: ACTOR });
    expect(await plugin("a", OTHER, KEY)).toMatchObject({ state: "queued" });
    expect(await instance.rows("SELECT 1 FROM mail")).toHaveLength(2);
  });

  test("is free again for a message of a batch that was not queued", async () => {
    await using instance = await queueInstance();
    const submitted = async () => {
      const batch = instance.services.submitBatchFor({ name: "host", actor: ACTOR });
      const options = { ...KEY, idempotencyContent: "a message" };
      const whole = { idempotencyKey: undefined, idempotencyContent: "" };
      return batch([{ servers: ["a"], message: MESSAGE, options }], { ...whole, respond: ([one]) => one });
    };
    expect(await submitted()).toMatchObject({ code: "invalid_parameter" });
    await instance.save();
    const second = await submitted();
    expect(second).toMatchObject({ state: "queued" });
    expect(await submitted()).toEqual(second);
  });

  test("compares the bytes of attachments", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const withFile = (...bytes: number[]) => ({
      ...MESSAGE,
      attachments: [{ content: new Uint8Array(bytes), filename: "a.bin" }],
    });
    const first = await instance.submit(KEY, withFile(1, 2));
    expect(await instance.submit(KEY, withFile(1, 2))).toEqual(first);
    await expect(instance.submit(KEY, withFile(1, 3))).rejects.toMatchObject({ code: "conflict" });
  });

  test("stores no key for a malformed message", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const malformed = instance.submit(KEY, { ...MESSAGE, to: "nowhere" });
    await expect(malformed).rejects.toMatchObject({ code: "invalid_parameter", parameter: "to" });
    expect((await instance.submit(KEY)).state).toBe("queued");
  });

  test("rejects a second call while the first is under way", async () => {
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
    await expect(instance.submit({ ...KEY, queue: false })).rejects.toMatchObject({ code: "conflict" });
    entrance.open();
    expect((await first).state).toBe("delivered");
    expect(await instance.submit({ ...KEY, queue: false })).toEqual(await first);
    expect(instance.got).toHaveLength(1);
  });

  test("allows one of many simultaneous calls", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const calls = await Promise.allSettled(Array.from({ length: 10 }, () => instance.submit(KEY)));
    const answers = calls.flatMap((call) =>
      call.status === "fulfilled" ? [JSON.stringify(call.value)] : [],
    );
    expect(new Set(answers).size).toBe(1);
    expect(await instance.rows("SELECT 1 FROM mail")).toHaveLength(1);
  });

  test.each([
    ["that had done nothing is free after 20 seconds", "", "queued"],
    ["that may have sent stays taken", "acting", 409],
  ] as const)("of an interrupted call and %s", async (_, answer, expected) => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.submit(KEY);
    await instance.rows("DELETE FROM mail");
    await instance.rows(`UPDATE idempotency SET answer = '${answer}'`);
    const again = () =>
      instance.submit(KEY).then(
        ({ state }) => state,
        ({ status }) => status,
      );
    expect(await again()).toBe(409);
    instance.clock.advance(19);
    expect(await again()).toBe(409);
    instance.clock.advance(2);
    expect(await again()).toBe(expected);
  });

  test("of a call that was interrupted before the clock was set back is free", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.submit(KEY);
    await instance.rows("DELETE FROM mail");
    await instance.rows("UPDATE idempotency SET answer = ''");
    instance.clock.advance(-3_600);
    expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
  });

  test("is marked as started before a message is sent, not before one is stored", async () => {
    const entrance = gate();
    await using instance = await queueInstance({
      around: async (_, send) => {
        await entrance.pass();
        return send();
      },
    });
    await instance.save();
    const sending = instance.submit({ ...KEY, queue: false });
    await entrance.reached();
    expect(await instance.rows("SELECT answer FROM idempotency")).toEqual([{ answer: "acting" }]);
    entrance.open();
    await sending;
  });

  test("is valid for 24 hours", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.submit(KEY);
    instance.clock.advance(86_400 - 1);
    await instance.services.prune();
    await expect(instance.submit(KEY, OTHER)).rejects.toMatchObject({ code: "conflict" });
    instance.clock.advance(2);
    expect(await instance.submit(KEY, OTHER)).toMatchObject({ state: "queued" });
    instance.clock.advance(86_401);
    await instance.services.prune();
    expect(await instance.rows("SELECT 1 FROM idempotency")).toEqual([]);
  });

  test("is released by an invalid call", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const bad = { ...MESSAGE, to: [{ ...TO, address: "two\r\nlines@example.net" }] };
    await expect(instance.submit(KEY, bad)).rejects.toThrow();
    expect(await instance.rows("SELECT 1 FROM idempotency")).toEqual([]);
    expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
  });

  test("is released if the message could not be stored", async () => {
    const counted = countedDatabase();
    await using instance = await queueInstance({ database: counted.database });
    await instance.save();
    failOnce(counted, 2);
    await expect(instance.submit(KEY)).rejects.toThrow(AWAY);
    counted.failure = THERE;
    expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
    expect(await instance.rows("SELECT 1 FROM mail")).toHaveLength(1);
  });

  test("keeps its response if the message is stored and only the confirmation was lost", async () => {
    const counted = countedDatabase();
    await using instance = await queueInstance({ database: counted.database });
    await instance.save();
    const { commit } = counted.database;
    let commits = 0;
    // A remote connection that is lost after the commit behaves like this.
    counted.database.commit = async (statements) => {
      const results = await commit.call(counted.database, statements);
      if (++commits === 2) throw AWAY;
      return results as never;
    };
    await expect(instance.submit(KEY)).rejects.toThrow(AWAY);
    expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
    await instance.drain();
    expect(instance.got).toHaveLength(1);
  });

  test("is not free while a commit whose response was lost may still be applied", async () => {
    const { database } = countedDatabase();
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
    await expect(instance.submit(KEY)).rejects.toMatchObject({ code: "conflict" });
    await late();
    expect(await instance.submit(KEY)).toMatchObject({ state: "queued" });
    await instance.drain();
    expect(instance.got).toHaveLength(1);
  });

  test.each(["", "x".repeat(256), "schlüssel", "line\nbreak"])(
    "is rejected if it is %j",
    async (idempotencyKey) => {
      await using instance = await queueInstance();
      await instance.save();
      await expect(instance.submit({ idempotencyKey })).rejects.toMatchObject({ code: "invalid_parameter" });
      expect(await instance.rows("SELECT 1 FROM mail")).toEqual([]);
    },
  );
});

/** Makes only the write with this number fail. */
function failOnce(counted: ReturnType<typeof countedDatabase>, number: number): void {
  const first = counted.writes;
  Object.defineProperty(counted, "failure", {
    configurable: true,
    get: () => (counted.writes - first === number ? { reads: null, writes: AWAY } : THERE),
    set: () => undefined,
  });
}
