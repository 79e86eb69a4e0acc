import { describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { SealpostError } from "../../../src/errors.ts";
import { KEYS, testInstance } from "../../fixtures/instance.ts";
import { openTest } from "../../storage/fixtures/database.ts";
import { countedDatabase, THERE } from "../fixtures/counted.ts";
import {
  CODE,
  DOWN,
  GREYLISTED,
  HOUR_SECONDS,
  LOST,
  MESSAGE,
  PASSWORD,
  type QueueInstance,
  queueInstance,
  REFUSED,
  SERVER,
  TO,
} from "../fixtures/queue.ts";

const AWAY = new SealpostError("database_unavailable", "The database is away");

/** The whole database as text. */
async function dump({ rows }: QueueInstance): Promise<string> {
  const tables = await rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'");
  const all = await Promise.all(tables.map(({ name }) => rows(`SELECT * FROM "${name}"`)));
  return JSON.stringify(all);
}

describe("enqueue", () => {
  test("stores message, recipients and audit row together, or nothing", async () => {
    const counted = countedDatabase();
    await using instance = await queueInstance({ database: counted.database });
    await instance.save();
    const before = (await instance.rows("SELECT 1 FROM audit")).length;
    counted.failure = { reads: null, writes: AWAY };
    await expect(instance.submit()).rejects.toThrow(AWAY);
    counted.failure = THERE;
    expect(await instance.rows("SELECT 1 FROM mail")).toEqual([]);
    expect(await instance.rows("SELECT 1 FROM audit")).toHaveLength(before);

    const { writes } = counted;
    const id = await instance.queue();
    expect(counted.writes - writes).toBe(1);
    const [row] = await instance.rows("SELECT * FROM audit ORDER BY number DESC LIMIT 1");
    expect(row).toMatchObject({
      ...{ action: "submit", success: 1, outcome: "queued", info: id },
      ...{ identifier: "a", recipient: TO.address },
    });
  });

  test("the ID of a message has the time of its creation, so that rows of one commit are neighbors", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    const [row] = await instance.rows<{ created_at: number }>("SELECT created_at FROM mail");
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(row?.created_at ?? 0);
  });

  test("does not queue a message that cannot be sent", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { sender: "" });
    expect(await instance.submit()).toMatchObject({ state: "failed", failure: { code: "sender_missing" } });
    expect(await instance.submit({ queue: true }, MESSAGE, "nobody")).toMatchObject({
      ...{ state: "failed", failure: { code: "server_unknown" } },
    });
    expect(await instance.rows("SELECT 1 FROM mail")).toEqual([]);
  });

  test("encrypts content and unsaved definition, bound to their row", async () => {
    await using instance = await queueInstance();
    await instance.save();
    const id = await instance.queue();
    const [row] = await instance.rows<{ content: string }>(
      `SELECT content FROM mail_content WHERE id = '${id}'`,
    );
    expect(row?.content).toStartWith("v1.first.");
    // Content that is moved to another row cannot be decrypted.
    const other = await instance.queue();
    await instance.rows(
      `UPDATE mail_content SET content = (SELECT content FROM mail_content WHERE id = '${id}') WHERE id = '${other}'`,
    );
    await instance.drain();
    expect((await instance.mail(other)).state).toBe("queued");
    expect(instance.got).toHaveLength(1);
  });

  test.each([
    ["sent", []],
    ["failed", [REFUSED]],
    ["unknown", [LOST]],
    ["cancelled", null],
    ["expired", null],
  ] as const)(
    "erases the content of a message that is %s, and deletes the message after 30 days",
    async (state, faults) => {
      await using instance = await queueInstance();
      await instance.save();
      const expiresAt = state === "expired" ? { expiresAt: instance.clock.now } : {};
      const id = await instance.queue({ onUnknown: "stop", decoy: state === "cancelled", ...expiresAt });
      for (const fault of faults ?? []) instance.fail(fault);
      await instance.drain();
      expect((await instance.mail(id)).state).toBe(state);
      expect(await instance.rows("SELECT content FROM mail_content")).toEqual([]);

      instance.clock.advance(30 * 86_400 - 1);
      await instance.services.prune();
      expect(await instance.rows("SELECT 1 FROM mail")).toHaveLength(1);
      instance.clock.advance(2);
      await instance.services.prune();
      expect(await instance.rows("SELECT 1 FROM mail")).toEqual([]);
      expect(await instance.rows("SELECT 1 FROM mail_attempt")).toEqual([]);
    },
  );

  test("keeps messages in delivery at any age", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.queue();
    instance.clock.advance(90 * 86_400);
    await instance.services.prune();
    expect(await instance.rows("SELECT 1 FROM mail")).toHaveLength(1);
  });

  test("re-encrypts waiting messages when the keys change, and skips final ones", async () => {
    const second = `second:${new Uint8Array(32).fill(8).toBase64()}`;
    const database = openTest();
    await using old = await queueInstance({ database });
    await old.save();
    await old.queue();
    await old.drain();
    const id = await old.queue();
    await using renewed = await testInstance({ database, keys: `${second},${KEYS}` });
    await renewed.services.rekey();
    const [row] = await old.rows<{ content: string }>(`SELECT content FROM mail_content WHERE id = '${id}'`);
    expect(row?.content).toStartWith("v1.second.");
    await using last = await testInstance({ database, keys: second });
    await last.services.drain({
      ...{ signal: new AbortController().signal, endsMs: performance.now() + 5_000, messageTimeoutMs: 100 },
    });
    expect(last.sent).toHaveLength(1);
    expect(await old.rows("SELECT 1 FROM mail_content")).toEqual([]);
  });

  test("stores passwords, codes and bodies only encrypted, for every outcome", async () => {
    const records: LogRecord[] = [];
    const sink = (record: LogRecord) => void records.push(record);
    await configure({
      sinks: { all: sink },
      loggers: [
        { category: ["sealpost"], sinks: ["all"], lowestLevel: "debug" },
        { category: ["logtape", "meta"], lowestLevel: "error" },
      ],
    });
    try {
      const counted = countedDatabase();
      await using instance = await queueInstance({ database: counted.database });
      await instance.save();
      await instance.save("b", { server: "two.example.org" });
      const unsaved = { ...SERVER, identifier: "x", recipient: TO.address };
      await instance.request("POST", "/smtpserver/send_test_email", { json: unsaved });
      for (const fault of [DOWN, GREYLISTED, REFUSED, LOST]) {
        instance.fail(fault);
        await instance.queue({ idempotencyKey: fault.code, purpose: "code" });
        await instance.queue({}, MESSAGE, ["a", "b"]);
        await instance.drain();
      }
      counted.failure = { reads: null, writes: new Error(`Failed query: params: nothing`) };
      await instance.submit({ idempotencyKey: "away" }).catch(() => undefined);
      counted.failure = THERE;
      instance.clock.advance(HOUR_SECONDS);
      await instance.drain();
      const text = [await dump(instance), ...records.map((record) => Bun.inspect(record, { depth: 9 }))].join(
        "\n",
      );
      expect(text).toContain(TO.address);
      const forms = [CODE, PASSWORD, "Your code", "This is a test email"];
      for (const secret of forms) {
        expect(text).not.toContain(secret);
        expect(text).not.toContain(Buffer.from(secret).toString("base64").replace(/=+$/, "").slice(0, -1));
      }
    } finally {
      await reset();
    }
  });
});
