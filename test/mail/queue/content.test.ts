import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import fc from "fast-check";
import { Secret } from "../../../src/domain/secret.ts";
import { type ContentSeal, createContentSeal, type MailContent } from "../../../src/mail/queue/content.ts";
import { parseKeyring } from "../../../src/secrets/keyring.ts";
import { seal } from "../../../src/secrets/seal.ts";
import { migrate } from "../../../src/storage/migrate.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { pieceName } from "../../../src/storage/outbox.ts";
import { KEYS, realRandomBytes, START, testInstance } from "../../fixtures/instance.ts";
import { openTest } from "../../storage/fixtures/database.ts";
import { drainOf, queueInstance, textOf } from "../fixtures/queue.ts";

const MAX_PIECE_CHARACTERS = 1_000_000;
const MEBIBYTE = 1024 * 1024;
const keyring = parseKeyring(KEYS);
const platform = { now: () => START, randomBytes: realRandomBytes };
const utf8 = new TextEncoder();

const CONTENT: MailContent = {
  ...{
    bytes: utf8.encode("Subject: x\r\n\r\ny\r\n"),
    encryption: null,
    builtFor: "a",
    source: null,
    server: null,
    decoy: false,
  },
};
const IDENTITY = { date: START, messageId: "<1@example.org>", boundary: "b" };
const SERVER: NonNullable<MailContent["server"]> = {
  ...{ host: "mail.example.org", port: 25, security: "none", username: "me", timeoutMs: 1_000 },
  ...{ identifier: "", poolKey: null, sender: "", dontSendOnError: false, enqueueJob: true, signing: null },
  password: new Secret("pässword"),
};

/** Bytes that cannot be compressed. */
function noise(octets: number): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length: octets }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 24;
  });
}

/** A content seal over rows that a test may change. */
function sealed() {
  const rows = new Map<string, string>();
  const contents = createContentSeal(keyring, platform, async (row) => rows.get(row));
  return {
    rows,
    async store(content: MailContent, id = "m"): Promise<number> {
      const pieces = await contents.seal(id, content);
      for (const [piece, text] of pieces.entries()) rows.set(pieceName(id, piece), text);
      return pieces.length;
    },
    read: (id = "m"): ReturnType<ContentSeal["open"]> => contents.open(id, ""),
  };
}

describe("the content of a queued message", () => {
  test("is read back unchanged for any content", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 3 }),
        fc.boolean(),
        async (text, files, isUnsaved) => {
          const attachments = files.map((bytes) => ({
            ...{ content: new Uint8Array(bytes), filename: "a", contentType: "a/b", contentId: null },
          }));
          const message = {
            to: [{ name: text, address: "a@example.org" }],
            subject: text,
            text,
            attachments,
          };
          const content = {
            ...CONTENT,
            bytes: utf8.encode(text),
            source: { message, identity: IDENTITY },
            server: isUnsaved ? SERVER : null,
          };
          const { store, read } = sealed();
          expect(await store(content)).toBe(1);
          const found = await read();
          expect(found.server?.password.reveal()).toBe(content.server?.password.reveal());
          expect({ ...found, server: null }).toEqual({ ...content, server: null });
        },
      ),
      { numRuns: 50 },
    );
  });

  test("tells the span that created it, if one was recorded", async () => {
    const { store, read } = sealed();
    await store(CONTENT);
    expect(await read()).not.toHaveProperty("traceparent");
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await store({ ...CONTENT, traceparent });
    expect((await read()).traceparent).toBe(traceparent);
  });

  test("is stored in pieces of at most 1,000,000 characters that cut no character in two", async () => {
    const { rows, store, read } = sealed();
    // Each letter has three octets, and no limit of a piece in octets is a multiple of that.
    const bytes = utf8.encode(`x${"漢".repeat(700_000)}`);
    expect(await store({ ...CONTENT, bytes })).toBe(3);
    expect(Math.max(...[...rows.values()].map((text) => text.length))).toBeLessThanOrEqual(
      MAX_PIECE_CHARACTERS,
    );
    expect((await read()).bytes).toEqual(bytes);
  });

  test("cannot be decrypted without one of its pieces, or with those of another message", async () => {
    const { rows, store, read } = sealed();
    const bytes = utf8.encode("x".repeat(2_000_000));
    await store({ ...CONTENT, bytes });
    await store({ ...CONTENT, bytes }, "n");
    const second = rows.get("m/1") ?? "";
    rows.set("m/1", rows.get("n/1") ?? "");
    await expect(read()).rejects.toMatchObject({ code: "unsealable" });
    rows.set("m/1", rows.get("m/2") ?? "");
    await expect(read()).rejects.toMatchObject({ code: "unsealable" });
    rows.delete("m/1");
    await expect(read()).rejects.toMatchObject({ code: "unsealable" });
    rows.set("m/1", second);
    expect((await read()).bytes).toEqual(bytes);
  });
});

describe("a large queued message", () => {
  const large = {
    ...{ to: "user@example.net", subject: "Files", text: "See the files.\n" },
    attachments: [
      { content: noise(6 * MEBIBYTE), filename: "a.bin" },
      { content: noise(3 * MEBIBYTE), filename: "b.bin" },
    ],
  };

  test("is delivered with the same bytes after a change of keys, and erased in all its pieces", async () => {
    const database = openTest();
    await using old = await queueInstance({ database });
    await old.save();
    await old.save("b");
    const id = await old.queue({}, large, ["a", "b"]);
    const rows = await old.rows<{ id: string; octets: number }>(
      "SELECT id, octet_length(content) AS octets FROM mail_content ORDER BY piece",
    );
    expect(rows.map((row) => row.id)).toEqual(rows.map((_, piece) => pieceName(id, piece)));
    expect(rows.length).toBeGreaterThan(24);
    expect(Math.max(...rows.map(({ octets }) => octets))).toBeLessThanOrEqual(MAX_PIECE_CHARACTERS);

    const second = `second:${new Uint8Array(32).fill(8).toBase64()}`;
    await using renewed = await testInstance({ database, keys: `${second},${KEYS}` });
    expect(await renewed.services.rekey()).toMatchObject({ resealed: expect.any(Number) });
    await using last = await testInstance({ database, keys: second });
    await drainOf(last.services);
    expect(last.sent).toHaveLength(1);
    const text = textOf(last.sent[0]);
    for (const { content } of large.attachments) {
      const base64 = content.toBase64().replace(/.{76}(?=.)/g, "$&\r\n");
      expect(text.includes(`\r\n\r\n${base64}\r\n`)).toBe(true);
    }
    expect(await old.rows("SELECT 1 FROM mail_content")).toEqual([]);
  });

  test("goes with its row", async () => {
    await using instance = await queueInstance();
    await instance.save();
    await instance.queue({}, large);
    await instance.rows("DELETE FROM mail");
    expect(await instance.rows("SELECT 1 FROM mail_content")).toEqual([]);
  });
});

test("a message queued by an earlier version is delivered after the migration", async () => {
  const database = openTest();
  const earlier = MIGRATIONS.filter(({ name }) => name < "0004");
  await migrate(database, earlier, platform);
  const text = "Subject: older\r\n\r\nKept.\r\n";
  const source = {
    message: { to: [{ name: "", address: "user@example.net" }], subject: "older", text: "Kept.\n" },
  };
  const json = {
    bytes: text,
    finishedFor: "a",
    source: { ...source, identity: IDENTITY },
    server: null,
    decoy: false,
  };
  const place = { table: "mail_content", row: "old", column: "content" };
  const content = await seal(keyring, JSON.stringify(json), place, platform);
  const now = START.getTime();
  const recipients = JSON.stringify([
    { address: "user@example.net", state: "queued", attempts: 0, dueAt: now },
  ]);
  await database.commit([
    database.write.run(sql`
      INSERT INTO mail VALUES ('old', 'queued', 'a', 'a', '["a","b"]', 'host', '<1@example.org>', 'me@example.org',
        'notice', 'repeat', ${recipients}, ${now}, ${now}, NULL, ${now + 3_600_000}, ${now}, NULL, 0, 0)`),
    database.write.run(sql`INSERT INTO mail_content VALUES ('old', ${content})`),
  ]);
  await using instance = await queueInstance({ database });
  await instance.save();
  await instance.drain();
  expect(textOf(instance.got[0])).toBe(text);
  expect(await instance.rows("SELECT 1 FROM mail_content")).toEqual([]);
});
