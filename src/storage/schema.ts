import { type $Type, sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import type { MailAttempt, MailState, OnUnknown, Purpose, RecipientProgress } from "../domain/queued-mail.ts";
import { DEFINITION_FIELDS, type FieldName } from "../domain/smtp-server.ts";

// The tables as queries see them; `migrations/*.sql` makes them. `sealed.ts` says which columns are sealed.

/** Secrets that belong to the database, sealed, by name. */
export const instance = sqliteTable("instance", {
  name: text("name").primaryKey(),
  value: text("value").notNull(),
});

const flagColumn = (name: string) => integer(name, { mode: "boolean" }).notNull();
const numberColumn = (name: string) => integer(name).notNull();
const textColumn = (name: string) => text(name).notNull();

type Fields = typeof DEFINITION_FIELDS;
type ColumnOf<Field> = Field extends { readonly kind: "flag" }
  ? ReturnType<typeof flagColumn>
  : Field extends { readonly kind: "number" }
    ? ReturnType<typeof numberColumn>
    : Field extends { readonly kind: "choice"; readonly choices: readonly (infer Choice)[] }
      ? $Type<ReturnType<typeof textColumn>, Choice>
      : ReturnType<typeof textColumn>;

/** Returns one column for each field of a definition. The columns of secrets are encrypted. */
function definitionColumns(): { [K in FieldName]: ColumnOf<Fields[K]> } {
  const columns = Object.entries(DEFINITION_FIELDS).map(([name, { kind, parameter }]): readonly unknown[] => {
    const column = kind === "flag" ? flagColumn : kind === "number" ? numberColumn : textColumn;
    return [name, column(parameter)];
  });
  return Object.fromEntries(columns);
}

/** SMTP server definitions. */
export const smtpServer = sqliteTable("smtp_server", {
  id: text("id").primaryKey(),
  identifier: text("identifier").notNull().unique(),
  ...definitionColumns(),
  signingKey: text("signing_key").notNull(),
  etagSeed: text("etag_seed").notNull(),
  version: integer("version").notNull(),
});

/** Who may log in. `generation` grows with each password change and voids the tokens before it. */
export const admin = sqliteTable(
  "admin",
  {
    id: text("id").primaryKey(),
    username: text("username").notNull(),
    realm: text("realm").notNull(),
    passwordHash: text("password_hash").notNull(),
    enabled: integer("enabled", { mode: "boolean" }).notNull(),
    generation: integer("generation").notNull(),
  },
  (table) => [uniqueIndex("admin_name").on(table.username, table.realm)],
);

/** Admin policies; list columns are JSON arrays, `action` a JSON object. */
export const policy = sqliteTable("policy", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull().unique(),
  scope: text("scope").notNull(),
  action: text("action", { mode: "json" }).$type<Record<string, boolean | string>>().notNull(),
  adminuser: text("adminuser", { mode: "json" }).$type<readonly string[]>().notNull(),
  adminrealm: text("adminrealm", { mode: "json" }).$type<readonly string[]>().notNull(),
  client: text("client", { mode: "json" }).$type<readonly string[]>().notNull(),
  time: text("time").notNull(),
  active: integer("active", { mode: "boolean" }).notNull(),
  priority: integer("priority").notNull(),
  description: text("description").notNull(),
});

/** Counts the changes of each table whose rows are kept in memory; triggers move it. */
export const epoch = sqliteTable("epoch", {
  /** Name of the table. */
  part: text("part").primaryKey(),
  n: integer("n").notNull(),
});

/** What was done, by whom, with what result. Never a secret, a code or a body. */
export const audit = sqliteTable(
  "audit",
  {
    number: integer("number").primaryKey({ autoIncrement: true }),
    date: integer("date", { mode: "timestamp_ms" }).notNull(),
    action: text("action").notNull(),
    success: integer("success", { mode: "boolean" }).notNull(),
    administrator: text("administrator").notNull(),
    realm: text("realm").notNull(),
    client: text("client").notNull(),
    identifier: text("identifier").notNull(),
    recipient: text("recipient").notNull(),
    fields: text("fields").notNull(),
    outcome: text("outcome").notNull(),
    phase: text("phase").notNull(),
    info: text("info").notNull(),
    policies: text("policies").notNull(),
    requestId: text("request_id").notNull(),
    /** How many events this row stands for: failed log-ins of one address in one minute share a row. */
    count: integer("count").notNull().default(sql`1`),
    /** Same for the events that share a row; null for rows of their own. */
    shareKey: text("share_key").unique(),
  },
  (table) => [index("audit_date").on(table.date)],
);

/** Failures within a window, such as those of logins, and counts of limits. */
export const rateLimitWindow = sqliteTable("try_window", {
  key: text("key").primaryKey(),
  failed: integer("failed").notNull(),
  /** Always 0: undecided attempts are in `attempt_slot`. */
  undecided: integer("undecided").notNull(),
  endsAt: integer("ends_at", { mode: "timestamp_ms" }).notNull(),
});

/** Attempts that are not decided yet, such as logins whose hash is being computed; one row for each limit. */
export const attemptSlot = sqliteTable(
  "attempt_slot",
  {
    attempt: text("attempt").notNull(),
    key: text("key").notNull(),
    expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.attempt, table.key] }),
    index("attempt_slot_key").on(table.key),
    index("attempt_slot_expires_at").on(table.expiresAt),
  ],
);

/**
 * Queued mail: the row is the job. `lane` is the definition that it waits for, empty for one that is not saved. A
 * worker that claims a mail puts its mark into `lease` and moves `due_at` to the end of the lease, so that an
 * abandoned mail is found as any other that is due.
 */
export const mail = sqliteTable("mail", {
  id: text("id").primaryKey(),
  state: text("state").$type<MailState>().notNull(),
  identifier: text("identifier").notNull(),
  queueName: text("lane").notNull(),
  alternatives: text("alternatives", { mode: "json" }).$type<readonly string[]>().notNull(),
  submitter: text("submitter").notNull(),
  messageId: text("message_id").notNull(),
  sender: text("sender").notNull(),
  purpose: text("purpose").$type<Purpose>().notNull(),
  onUnknown: text("on_unknown").$type<OnUnknown>().notNull(),
  recipients: text("recipients", { mode: "json" }).$type<readonly RecipientProgress[]>().notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
  updatedAt: integer("updated_at", { mode: "timestamp_ms" }).notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }),
  giveUpAt: integer("give_up_at", { mode: "timestamp_ms" }).notNull(),
  /** Milliseconds since the epoch; null once it has ended. */
  dueAt: integer("due_at"),
  lease: text("lease"),
  /** Whether the holder of the lease has said that it begins to send. */
  started: integer("begun", { mode: "boolean" }).notNull(),
  /** Of the claim before this one: 0 it was given back, 1 it was abandoned, 2 abandoned after it had begun. */
  lost: integer("lost").notNull(),
  /** Until when the content of a message in its final state is kept; `null` erases it. */
  contentUntil: integer("content_until", { mode: "timestamp_ms" }),
});

/**
 * What is sent, sealed, in pieces of at most 1,000,000 characters; gone once the mail has ended. Apart from its row, so
 * that a change of state does not write it. `id` is the mail's for the first piece, `<mail id>/1`, … for further ones.
 */
export const mailContent = sqliteTable(
  "mail_content",
  {
    id: text("id").primaryKey(),
    mailId: text("mail_id")
      .notNull()
      .references(() => mail.id, { onDelete: "cascade" }),
    /** 0, 1, … */
    piece: integer("piece").notNull(),
    content: text("content").notNull(),
  },
  (table) => [index("mail_content_mail").on(table.mailId)],
);

/** Each try to bring a queued mail to one recipient. */
export const mailAttempt = sqliteTable("mail_attempt", {
  number: integer("number").primaryKey({ autoIncrement: true }),
  mailId: text("mail_id").notNull(),
  identifier: text("identifier").notNull(),
  date: integer("date", { mode: "timestamp_ms" }).notNull(),
  result: text("result", { mode: "json" })
    .$type<Omit<MailAttempt, "mailId" | "identifier" | "date">>()
    .notNull(),
});

/** Definitions whose server could not be reached lately; no row: all is well. */
export const serverHealth = sqliteTable("server_health", {
  identifier: text("identifier").primaryKey(),
  /** Failures in a row. */
  failures: integer("failures").notNull(),
  /** 0: the circuit is closed; else one more than the probes in a row whose login was rejected. */
  opens: integer("opens").notNull(),
  /** When the next probe starts, or the lease of one that runs ends; `null`: the circuit is closed. */
  openUntil: integer("open_until", { mode: "timestamp_ms" }),
  /** The first failure in the row. */
  since: integer("since", { mode: "timestamp_ms" }).notNull(),
  failedAt: integer("failed_at", { mode: "timestamp_ms" }).notNull(),
  phase: text("phase").notNull(),
  code: text("code").notNull(),
  /** Token of the worker that probes the server; `null`: none does. */
  probe: text("probe"),
});

/** Calls that carried an idempotency key; `answer` says how far a call is that has none yet. */
export const idempotency = sqliteTable(
  "idempotency",
  {
    scope: text("scope").notNull(),
    key: text("key").notNull(),
    content: text("content").notNull(),
    answer: text("answer").notNull(),
    createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.scope, table.key] })],
);

/** What admins have set at run time for plugins: JSON, in `sealed` if it is a secret. */
export const pluginConfig = sqliteTable("plugin_config", {
  key: text("key").primaryKey(),
  value: text("value").notNull(),
  sealed: text("sealed").notNull(),
});
