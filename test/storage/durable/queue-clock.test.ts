import { describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { HOLD_MS } from "../../../src/domain/queued-mail.ts";
import { changesOf, createQueueClock, WHILE_SENDING_MS } from "../../../src/storage/durable/queue-clock.ts";
import {
  DOWN,
  GREYLISTED,
  MESSAGE,
  NO_JITTER,
  type QueueInstance,
  queueInstance,
  TO,
} from "../../mail/fixtures/queue.ts";

/** Returns in how many seconds mail may be sent next. */
async function nextIn({ database, clock }: QueueInstance): Promise<number> {
  const now = clock.now.getTime();
  return ((await createQueueClock(database).nextAt(now)) - now) / 1_000;
}

/** Leaves a message as an object does that ends while it sends. */
async function abandon({ database, clock }: QueueInstance, id: string, started: boolean): Promise<void> {
  const leaseEndsAt = clock.now.getTime() + 10_000;
  await database.commit([
    database.write.run(sql`UPDATE mail SET state = 'sending', lease = 'of the former object',
      due_at = ${leaseEndsAt}, begun = ${Number(started)} WHERE id = ${id}`),
  ]);
}

async function start({ database, clock }: QueueInstance): Promise<void> {
  const queueClock = createQueueClock(database);
  if (await queueClock.hasLeases()) await database.commit(queueClock.abandonLeases(clock.now));
}

describe("changesOf()", () => {
  const changes = changesOf(["jobs", "email-token"]);

  test.each([
    'insert into "mail" ("id") values (?)',
    "UPDATE server_health SET open_until = ?",
    "\n  DELETE FROM jobs_job WHERE id = ?",
    "INSERT INTO jobs_job(id) VALUES (?)",
    "INSERT OR IGNORE INTO jobs_job VALUES (?)",
    "REPLACE INTO email_token_challenge VALUES (?)",
    "update or replace jobs_job SET due_at = ?",
    "WITH due AS (SELECT ? AS id) INSERT INTO jobs_job SELECT id FROM due",
    "/* later */ insert into jobs_job values (?)",
  ])("matches %s", (sql) => expect(changes.test(sql)).toBe(true));

  test.each([
    'insert into "mail_content" ("id") values (?)',
    "INSERT INTO audit SELECT id FROM mail",
    "UPDATE epoch SET n = n + 1 WHERE EXISTS (SELECT 1 FROM jobs_job)",
    "INSERT INTO mail_attempt VALUES (?) ON CONFLICT DO UPDATE SET date = 0",
    "REPLACE INTO other_job VALUES (?)",
  ])("does not match %s", (sql) => expect(changes.test(sql)).toBe(false));
});

describe("nextAt()", () => {
  test("is infinite without mail, and otherwise when the next message is due", async () => {
    await using instance = await queueInstance(NO_JITTER);
    await instance.save("a");
    expect(await nextIn(instance)).toBe(Number.POSITIVE_INFINITY);
    instance.fail(GREYLISTED);
    await instance.queue();
    expect(await nextIn(instance)).toBe(1);
    await instance.drain();
    const [row] = await instance.rows<{ due_at: number }>("SELECT due_at FROM mail");
    const wait = ((row?.due_at ?? 0) - instance.clock.now.getTime()) / 1_000;
    expect(wait).toBeCloseTo(5, 2);
    expect(await nextIn(instance)).toBe(wait);
  });

  test("is soon while a message is being sent, because the object may end", async () => {
    await using instance = await queueInstance();
    await instance.save("a");
    await abandon(instance, await instance.queue(), false);
    expect(await nextIn(instance)).toBe(WHILE_SENDING_MS / 1_000);
  });

  test("is the end of a message if that comes before the next probe", async () => {
    await using instance = await queueInstance();
    await instance.save("a");
    for (let failure = 0; failure < 5; failure++) instance.fail(DOWN);
    for (let message = 0; message < 5; message++) await instance.queue();
    await instance.drain();
    const end = instance.clock.now.getTime() + 3_000;
    await instance.database.commit([
      instance.database.write.run(
        sql`UPDATE mail SET due_at = ${end + 9_000},
          give_up_at = iif(id = (SELECT min(id) FROM mail), ${end}, give_up_at)`,
      ),
      instance.database.write.run(sql`UPDATE server_health SET open_until = ${end + 60_000}`),
    ]);
    expect(await nextIn(instance)).toBe(3);
  });

  test("is the next probe for mail of an open circuit", async () => {
    await using instance = await queueInstance();
    await instance.save("a");
    for (let failure = 0; failure < 5; failure++) instance.fail(DOWN);
    for (let message = 0; message < 5; message++) await instance.queue();
    await instance.drain();
    const [health] = await instance.rows<{ open_until: number }>("SELECT open_until FROM server_health");
    const wait = ((health?.open_until ?? 0) - instance.clock.now.getTime()) / 1_000;
    await instance.database.commit([
      instance.database.write.run(sql`UPDATE mail SET due_at = ${instance.clock.now.getTime()}`),
    ]);
    expect(wait).toBeGreaterThan(1);
    expect(await nextIn(instance)).toBe(wait);
  });

  test("is the end of the minute for mail that mails_per_minute holds back", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 2 });
    for (let message = 0; message < 2; message++) {
      await instance.queue();
      await instance.drain();
      instance.clock.advance(10);
    }
    await instance.queue();
    await instance.drain();
    expect(instance.got).toHaveLength(2);
    expect(await nextIn(instance)).toBe(40);
    instance.clock.advance(40);
    await instance.drain();
    expect(instance.got).toHaveLength(3);
  });
});

test("mail to several recipients that mails_per_minute holds back has one alarm a minute", async () => {
  await using instance = await queueInstance();
  await instance.save("a", { mails_per_minute: 4 });
  const to = ["one", "two", "three"].map((name) => ({ ...TO, address: `${name}@example.net` }));
  for (let message = 0; message < 6; message++) await instance.queue({}, { ...MESSAGE, to });
  const alarms: [wait: number, sent: number][] = [];
  for (let waitSeconds = 0; waitSeconds < 3_600; waitSeconds = await nextIn(instance)) {
    instance.clock.advance(waitSeconds);
    await instance.drain();
    alarms.push([waitSeconds, instance.got.length]);
  }
  expect(alarms).toEqual([
    [0, 6],
    [60, 12],
    [60, 18],
  ]);
});

describe("abandonLeases()", () => {
  test("has a message sent again immediately, after an attempt with a lost outcome", async () => {
    await using instance = await queueInstance();
    await instance.save("a", { mails_per_minute: 1 });
    const id = await instance.queue();
    await abandon(instance, id, false);
    await instance.drain();
    expect(instance.got).toEqual([]);
    await start(instance);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject({
      state: "sent",
      attempts: [{ outcome: "lost", decision: "repeat" }, { outcome: "sent" }],
    });
  });

  test.each([
    ["started is never sent again", true, { state: "unknown", attempts: [{ outcome: "lost" }] }],
    ["had not started is sent", false, { state: "sent", attempts: [{ outcome: "sent" }] }],
  ] as const)("treats a code like a worker that died: one whose sending %s", async (_, started, expected) => {
    await using instance = await queueInstance();
    await instance.save("a");
    const id = await instance.queue({ purpose: "code" });
    await abandon(instance, id, started);
    await start(instance);
    await instance.drain();
    expect(await instance.mail(id)).toMatchObject(expected);
    expect(instance.got).toHaveLength(started ? 0 : 1);
  });

  test("makes the probe of a former object due, and leaves waiting mail alone", async () => {
    await using instance = await queueInstance();
    await instance.save("a");
    const { database, clock } = instance;
    instance.fail(GREYLISTED);
    await instance.queue();
    await instance.drain();
    const now = clock.now.getTime();
    const health = [
      "'a', 3, 1",
      now + 15_000,
      now,
      now,
      "'connect', 'refused', 'of the former object'",
    ].join();
    await database.commit([
      database.write.run(
        sql.raw(`INSERT INTO server_health
          (identifier, failures, opens, open_until, since, failed_at, phase, code, probe) VALUES (${health})`),
      ),
    ]);
    const before = await instance.rows("SELECT * FROM mail");
    await start(instance);
    expect(await instance.rows("SELECT open_until, probe FROM server_health")).toEqual([
      { open_until: now, probe: null },
    ]);
    expect(await instance.rows("SELECT * FROM mail")).toEqual(before);
  });

  test("frees the slots and keys of requests that had no response, and no key whose action had started", async () => {
    await using instance = await queueInstance();
    const { database, clock } = instance;
    const now = clock.now.getTime();
    const insert = (text: string) => database.write.run(sql.raw(text));
    await database.commit([
      insert(`INSERT INTO attempt_slot VALUES ('login', 'admin', ${now + 12_000})`),
      ...["", "acting", '{"id":"1"}'].map((answer, key) =>
        insert(`INSERT INTO idempotency VALUES ('scope', '${key}', 'content', '${answer}', ${now})`),
      ),
    ]);
    await start(instance);
    expect(await instance.rows("SELECT * FROM attempt_slot")).toEqual([]);
    expect(await instance.rows("SELECT answer FROM idempotency ORDER BY key")).toEqual([
      { answer: "acting" },
      { answer: '{"id":"1"}' },
    ]);
  });

  test("lets a definition request an access token immediately, and keeps those that it has", async () => {
    await using instance = await queueInstance();
    const { database, clock } = instance;
    const endsAt = clock.now.getTime() + 14_000;
    const insert = (key: string, lease: string | null, leaseEndsAt: number | null) =>
      database.write.run(
        sql`INSERT INTO oauth_token VALUES (${key}, 'a', 'sealed', 3, ${lease}, ${leaseEndsAt}, 1)`,
      );
    await database.commit([insert("requested", "of the former object", endsAt), insert("there", null, null)]);
    await start(instance);
    const row = { definition: "a", state: "sealed", version: 3, lease: null, lease_ends_at: null };
    expect(await instance.rows("SELECT * FROM oauth_token ORDER BY key")).toEqual([
      { key: "requested", ...row, updated_at: 1 },
      { key: "there", ...row, updated_at: 1 },
    ]);
  });

  test("has nothing to do where mail waits, was sent, or is held, and requests had responses", async () => {
    await using instance = await queueInstance();
    const { database } = instance;
    await instance.save("a");
    const { hasLeases } = createQueueClock(database);
    expect(await hasLeases()).toBe(false);
    await instance.queue();
    await instance.drain();
    const held = await instance.queue();
    await database.commit([
      database.write.run(
        sql`UPDATE mail SET state = 'sending', due_at = due_at + ${HOLD_MS} WHERE id = ${held}`,
      ),
      database.write.run("INSERT INTO idempotency VALUES ('scope', 'key', 'content', '{}', 1)"),
    ]);
    await instance.queue();
    expect(await hasLeases()).toBe(false);
  });
});
