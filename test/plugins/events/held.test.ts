import { expect, test } from "bun:test";
import { sql } from "drizzle-orm";
import { integer, sqliteTable } from "drizzle-orm/sqlite-core";
import { directory } from "sealpost/plugins/directory";
import { events } from "sealpost/plugins/events";
import { adoptCopy, createBackupSource, createRestoreTarget } from "../../../src/access/moves.ts";
import { readPlugins } from "../../../src/plugin/registry.ts";
import { MIGRATIONS } from "../../../src/storage/migrations/index.ts";
import { createSealedRepository } from "../../../src/storage/sealed-values.ts";
import { auditRows, drain } from "../../fixtures/delivered.ts";
import { type HttpServer, startHttpServer } from "../../fixtures/http/server.ts";
import type { TestInstance } from "../../fixtures/instance.ts";
import { ACTOR } from "../../mail/fixtures/queue.ts";
import { addUser, bind, eventsInstance } from "./fixtures/bindings.ts";

const { migrations, sealed, dueTimes, transient } = readPlugins([directory(), events()]);

/** Restores a portable backup of an instance into its own database. */
async function replace({ database, platform, keyring }: TestInstance): Promise<number> {
  const values = createSealedRepository(database, sealed);
  const source = createBackupSource({ database, platform, sealed: values });
  const target = createRestoreTarget({
    ...{ database, platform, keyring, sealed: values, dueTimes, transient, audit: () => [] },
    migrations: [...MIGRATIONS, ...migrations],
  });
  const options = { replace: true };
  const { id, header } = await source.begin();
  const restore = await target.begin(header, options);
  for (const table of header.tables) {
    const { rows } = await source.page(id, table, 0);
    if (rows.length > 0) await target.insert(restore, table, rows);
  }
  return (await target.finish(restore, header, options)).held;
}

/** Makes the database of an instance that of a file that was restored. */
async function adopt({ database, platform, keyring }: TestInstance): Promise<number> {
  return (await adoptCopy(database, { platform, keyring, dueTimes, audit: () => [] })).held;
}

const RESTORES = [
  ["a portable backup", replace],
  ["a copied file", adopt],
] as const;

/** Binds `user_add` to a webhook. */
function bindWebhook(instance: TestInstance, { origin }: HttpServer) {
  return bind(instance, {
    ...{ name: "hook", action: "webhook", "option.subject": undefined, "option.body": undefined },
    ...{ "option.url": origin, "option.secret": `whsec_${new Uint8Array(32).fill(5).toBase64()}` },
  });
}

test.each(RESTORES)(
  "a restore of %s holds the webhooks that wait until the queue is released",
  async (_, restore) => {
    await using receiver = await startHttpServer(() => ({ status: 204 }));
    await using instance = await eventsInstance();
    const { request, services, clock } = instance;
    const webhooks = async () =>
      ((await request("GET", "/webhook/")).value as { readonly webhooks: readonly object[] }).webhooks;
    await bindWebhook(instance, receiver);
    await addUser(instance);
    await services.settled();
    const [{ next_try: due }] = (await webhooks()) as readonly [{ readonly next_try: string }];

    expect(await restore(instance)).toBe(1);
    clock.advance(600);
    await drain(instance);
    expect(receiver.requests).toEqual([]);
    expect(await webhooks()).toMatchObject([{ state: "queued", attempts: 0, next_try: null, held: true }]);
    expect(await services.plugins.work.nextAt(clock.now.getTime())).toBe(Number.POSITIVE_INFINITY);
    expect((await request("GET", "/mail/stats")).value).toMatchObject({ held: 1 });

    await addUser(instance, { username: "ben", email: "ben@example.net" });
    await drain(instance);
    expect(receiver.requests).toHaveLength(1);

    expect((await request("POST", "/mail/release")).value).toBe(1);
    const [, waiting] = (await webhooks()) as readonly { readonly next_try: string }[];
    expect(waiting).toMatchObject({ next_try: due, held: false });
    await drain(instance);
    expect(receiver.requests).toHaveLength(2);
    expect((await request("GET", "/mail/stats")).value).toMatchObject({ held: 0 });
    expect(await auditRows(instance, "POST /mail/release")).toMatchObject([{ success: 1 }]);
  },
);

/** Copies of the delivery that is there, with these other columns. */
function copies(
  count: number,
  { lease, leaseEndsAt }: { readonly lease: string; readonly leaseEndsAt: number },
) {
  return sql`INSERT INTO events_webhook_delivery
    WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < ${count})
    SELECT id || n, binding_id, name, event, origin, body, state, attempts, status, code, created_at, due_at,
      ${lease}, ${leaseEndsAt}, updated_at FROM events_webhook_delivery, copy`;
}

test.each(RESTORES)(
  "after a restore of %s, a new webhook is made though eight held ones are leased",
  async (_, restore) => {
    await using receiver = await startHttpServer(() => ({ status: 204 }));
    await using instance = await eventsInstance();
    const { database, services, clock } = instance;
    await bindWebhook(instance, receiver);
    await addUser(instance);
    await services.settled();
    const leaseEndsAt = clock.now.getTime() + 30_000;
    await database.commit([database.write.run(copies(8, { lease: "old", leaseEndsAt }))]);

    expect(await restore(instance)).toBe(9);
    clock.advance(600);
    await addUser(instance, { username: "ben", email: "ben@example.net" });
    await drain(instance);
    expect(receiver.requests).toHaveLength(1);
  },
);

test("a release of a message and a webhook is one row of the audit log", async () => {
  await using receiver = await startHttpServer(() => ({ status: 204 }));
  await using instance = await eventsInstance();
  const { request, services } = instance;
  await bindWebhook(instance, receiver);
  await addUser(instance);
  await services.settled();
  const json = { server: "default", to: ["ann@example.net"], subject: "Hello", text: "Hello" };
  expect((await request("POST", "/mail/", { json })).status).toBe(200);
  expect(await adopt(instance)).toBe(2);
  expect((await request("POST", "/mail/release")).value).toBe(2);
  expect(await auditRows(instance, "POST /mail/release")).toMatchObject([{ success: 1 }]);
  expect((await request("POST", "/mail/release")).value).toBe(0);
  expect(await auditRows(instance, "POST /mail/release")).toHaveLength(1);
});

test("a copied file that is older than a table or a column with due times is restored", async () => {
  await using instance = await eventsInstance();
  const laterAt = integer("later_at", { mode: "timestamp_ms" });
  const later = ["events_webhook_delivery", "events_later"].map(
    (name) => sqliteTable(name, { laterAt }).laterAt,
  );
  const { database, platform, keyring } = instance;
  await addUser(instance);
  const { held } = await adoptCopy(database, {
    ...{ platform, keyring, audit: () => [] },
    dueTimes: [...later, ...dueTimes],
  });
  expect(held).toBe(0);
});

test("a webhook that was held for more than a day is attempted twelve times before it fails", async () => {
  await using receiver = await startHttpServer(() => ({ status: 503, headers: { "Retry-After": "60" } }));
  await using instance = await eventsInstance();
  const { database, services, clock } = instance;
  const rows = () =>
    database.read.all("SELECT state, attempts, body <> '' AS has_body FROM events_webhook_delivery");
  await bindWebhook(instance, receiver);
  await addUser(instance);
  await services.settled();
  await adopt(instance);
  clock.advance(30 * 3_600);
  await services.mailQueue.release(ACTOR);
  for (let attempts = 1; attempts < 12; attempts++) {
    await drain(instance);
    expect(await rows()).toEqual([{ state: "queued", attempts, has_body: 1 }]);
    clock.advance(4_400);
  }
  await drain(instance);
  expect(await rows()).toEqual([{ state: "failed", attempts: 12, has_body: 0 }]);
});

test("a webhook that is a day old does not wait for hours, though its receiver asks for them", async () => {
  await using receiver = await startHttpServer(() => ({ status: 503, headers: { "Retry-After": "7200" } }));
  await using instance = await eventsInstance();
  await bindWebhook(instance, receiver);
  await addUser(instance);
  await instance.services.settled();
  instance.clock.advance(24 * 3_600);
  await drain(instance);
  expect(await instance.database.read.all("SELECT state, attempts FROM events_webhook_delivery")).toEqual([
    { state: "failed", attempts: 1 },
  ]);
});

test("ten thousand held webhooks of a binding keep no new one from being made", async () => {
  await using receiver = await startHttpServer(() => ({ status: 204 }));
  await using instance = await eventsInstance();
  const { database, services } = instance;
  await bindWebhook(instance, receiver);
  await addUser(instance);
  await services.settled();
  await database.commit([database.write.run(copies(10_000, { lease: "", leaseEndsAt: 0 }))]);

  expect(await adopt(instance)).toBe(10_001);
  await addUser(instance, { username: "ben", email: "ben@example.net" });
  await drain(instance);
  expect(receiver.requests).toHaveLength(1);
});
