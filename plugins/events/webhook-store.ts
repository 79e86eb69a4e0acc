import { and, desc, eq, lt, type SQL, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import { HOLD_MS, type PluginStore, type RowsStatement, type WriteStatement } from "sealpost/plugin";

const DAY_MS = 24 * 3_600_000;
/** Longer than an attempt takes. Afterwards another process may repeat it. */
const LEASE_MS = 30_000;
/** Attempts at the same time with one binding, by all processes together. */
const MAX_LEASED = 8;
/** Bounds the table while a receiver is down. Held deliveries do not count. */
const MAX_QUEUED = 10_000;
/** Longest that a receiver may delay the next attempt. */
const MAX_DELAY_MS = DAY_MS;

/** Deliveries as queries see them; `migrations/*.sql` creates the table. */
export const webhookDelivery = sqliteTable("events_webhook_delivery", {
  /** The `webhook-id` of every attempt. */
  id: text("id").primaryKey(),
  bindingId: integer("binding_id").notNull(),
  /** Name of the binding. */
  name: text("name").notNull(),
  event: text("event").notNull(),
  /** Origin of the URL: its path and query may hold a secret. */
  origin: text("origin").notNull(),
  /** Encrypted: it may name people. Empty in a final state. */
  body: text("body").notNull(),
  state: text("state").$type<DeliveryState>().notNull(),
  attempts: integer("attempts").notNull(),
  /** Status of the last response, or `null`. */
  status: integer("status"),
  /** Reason of the last failure, or empty. */
  code: text("code").notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
  /** `null` in a final state. A restore adds `HOLD_MS`. */
  dueAt: integer("due_at", { mode: "timestamp_ms" }),
  /** Identifies the attempt under way, or empty. */
  lease: text("lease").notNull(),
  leaseEndsAt: integer("lease_ends_at", { mode: "timestamp_ms" }).notNull(),
  updatedAt: integer("updated_at", { mode: "timestamp_ms" }).notNull(),
});
export type WebhookDelivery = typeof webhookDelivery.$inferSelect;
export const DELIVERY_STATES = ["queued", "delivered", "failed", "cancelled"] as const;
type DeliveryState = (typeof DELIVERY_STATES)[number];
/** The fields that an attempt changes. */
export type DeliveryUpdate = Pick<WebhookDelivery, "state" | "status" | "code" | "dueAt">;

interface DeliveryFilter {
  readonly state: DeliveryState | undefined;
  readonly event: string | undefined;
}

interface Page {
  /** 1, 2, … */
  readonly page: number;
  readonly pageSize: number;
}

/** The statements on deliveries. Writes are for `commit`. */
export interface DeliveryStore {
  /** Affects no row if too many deliveries of the binding wait. */
  insert(
    row: Pick<WebhookDelivery, "id" | "bindingId" | "name" | "event" | "origin" | "body">,
  ): WriteStatement;
  /** Returns the IDs of the bindings with due deliveries. */
  due(): Promise<readonly number[]>;
  /** Returns when the next attempt is due, or the lease of one under way ends. `null` if none waits. */
  nextDueAt(): Promise<Date | null>;
  /** Leases the oldest due deliveries of a binding. */
  claim(bindingId: number, lease: string, max: number): RowsStatement<WebhookDelivery>;
  /** Records an attempt. Affects no row if another process has taken over. */
  record(
    delivery: Pick<WebhookDelivery, "id" | "lease" | "attempts">,
    update: DeliveryUpdate,
  ): WriteStatement;
  /** Makes the attempts under way due again: the process that made them has ended. */
  abandonLeases(): readonly WriteStatement[];
  /** Ends the deliveries of a binding that wait. */
  cancel(bindingId: number): WriteStatement;
  /** Returns a page, newest first, and the number of all. */
  page(
    filter: DeliveryFilter,
    page: Page,
  ): Promise<{ readonly rows: readonly WebhookDelivery[]; readonly total: number }>;
  /** Deletes the final ones older than some days. */
  prune(days: number): WriteStatement;
}

const IS_FINAL = sql`${webhookDelivery.dueAt} IS NULL`;
/** Not final, and not held. */
const IS_WAITING = sql`${webhookDelivery.dueAt} < ${HOLD_MS}`;
const NOT_LEASED = { lease: "", leaseEndsAt: new Date(0) };
const ERASED = { body: "", dueAt: null, lease: "" };

/** Creates the statements on deliveries. */
export function createDeliveryStore(
  { read, write }: Pick<PluginStore, "read" | "write">,
  { now }: { readonly now: () => Date },
): DeliveryStore {
  const isDue = () => dueAt(now().getTime());
  return {
    insert({ id, bindingId, name, event, origin, body }) {
      const nowMs = now().getTime();
      return write.run(sql`INSERT INTO ${webhookDelivery} (id, binding_id, name, event, origin, body, state, attempts,
          code, created_at, due_at, lease, lease_ends_at, updated_at)
        SELECT ${id}, ${bindingId}, ${name}, ${event}, ${origin}, ${body}, 'queued', 0, '', ${nowMs}, ${nowMs}, '', 0, ${nowMs}
        WHERE (SELECT count(*) FROM ${webhookDelivery}
          WHERE ${webhookDelivery.bindingId} = ${bindingId} AND ${IS_WAITING}) < ${MAX_QUEUED}`);
    },

    async due() {
      const rows = await read
        .selectDistinct({ bindingId: webhookDelivery.bindingId })
        .from(webhookDelivery)
        .where(isDue());
      return rows.map(({ bindingId }) => bindingId);
    },

    async nextDueAt() {
      const next = sql<number | null>`min(max(${webhookDelivery.dueAt}, ${webhookDelivery.leaseEndsAt}))`;
      const [row] = await read.select({ next }).from(webhookDelivery).where(IS_WAITING);
      return row?.next == null ? null : new Date(row.next);
    },

    claim(bindingId, lease, max) {
      const leased = sql`SELECT count(*) FROM ${webhookDelivery} WHERE ${webhookDelivery.bindingId} = ${bindingId}
        AND ${IS_WAITING} AND NOT (${isDue()}) AND ${webhookDelivery.lease} <> ''`;
      const due = sql`SELECT ${webhookDelivery.id} FROM ${webhookDelivery}
        WHERE ${webhookDelivery.bindingId} = ${bindingId} AND ${isDue()}
        ORDER BY ${webhookDelivery.dueAt} LIMIT max(0, min(${max}, ${MAX_LEASED} - (${leased})))`;
      const leaseEndsAt = new Date(now().getTime() + LEASE_MS);
      return write
        .update(webhookDelivery)
        .set({ lease, leaseEndsAt })
        .where(sql`${webhookDelivery.id} IN (${due})`)
        .returning();
    },

    record({ id, lease, attempts }, update) {
      const ended = update.dueAt === null ? { body: "" } : {};
      return write
        .update(webhookDelivery)
        .set({
          ...update,
          ...ended,
          ...NOT_LEASED,
          attempts: attempts + 1,
          updatedAt: now(),
        })
        .where(and(eq(webhookDelivery.id, id), eq(webhookDelivery.lease, lease)));
    },

    abandonLeases: () => [
      write.update(webhookDelivery).set(NOT_LEASED).where(sql`${webhookDelivery.lease} <> ''`),
    ],

    cancel(bindingId) {
      return write
        .update(webhookDelivery)
        .set({ ...ERASED, state: "cancelled", updatedAt: now() })
        .where(and(eq(webhookDelivery.bindingId, bindingId), sql`NOT (${IS_FINAL})`));
    },

    page: (filter, page) => readPage(read, filter, page),

    prune(days) {
      const before = new Date(now().getTime() - days * DAY_MS);
      return write.delete(webhookDelivery).where(and(IS_FINAL, lt(webhookDelivery.updatedAt, before)));
    },
  };
}

/** Whether a delivery is due and not held, and no attempt is under way. */
function dueAt(nowMs: number): SQL {
  // A time further away than any delay comes from a clock that was set back since.
  return sql`(${webhookDelivery.dueAt} <= ${nowMs} OR ${webhookDelivery.dueAt} > ${nowMs + MAX_DELAY_MS})
    AND ${IS_WAITING} AND (${webhookDelivery.leaseEndsAt} <= ${nowMs} OR ${webhookDelivery.leaseEndsAt} > ${nowMs + LEASE_MS})`;
}

async function readPage(
  read: PluginStore["read"],
  { state, event }: DeliveryFilter,
  { page, pageSize }: Page,
): Promise<{ readonly rows: readonly WebhookDelivery[]; readonly total: number }> {
  const where = and(
    state === undefined ? undefined : eq(webhookDelivery.state, state),
    event === undefined ? undefined : eq(webhookDelivery.event, event),
  );
  const [rows, [counted]] = await read.batch([
    read
      .select()
      .from(webhookDelivery)
      .where(where)
      .orderBy(desc(webhookDelivery.createdAt), desc(webhookDelivery.id))
      .limit(pageSize)
      .offset((page - 1) * pageSize),
    read.select({ total: sql<number>`count(*)` }).from(webhookDelivery).where(where),
  ]);
  return { rows, total: counted?.total ?? 0 };
}
