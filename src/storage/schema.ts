import { type $Type, sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text, uniqueIndex } from "drizzle-orm/sqlite-core";
import { DEFINITION_FIELDS } from "../domain/definition-fields.ts";
import type { MailAttempt, MailState, OnUnknown, Purpose, RecipientProgress } from "../domain/queued-mail.ts";
import type { FieldName } from "../domain/smtp-server.ts";

// The tables as queries see them. `migrations/*.sql` creates them, and `sealed-values.ts` lists the sealed columns.

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

/** Admins. Each change of `generation`, such as with a new password, revokes earlier tokens. */
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

/** Keys for programs. `hash` is SHA-256 of the key, which is not stored. List columns are JSON arrays. */
export const apiKey = sqliteTable("api_key", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  hash: text("hash").notNull().unique(),
  adminId: text("admin_id").notNull(),
  rights: text("rights", { mode: "json" }).$type<readonly string[]>().notNull(),
  servers: text("servers", { mode: "json" }).$type<readonly string[]>().notNull(),
  client: text("client", { mode: "json" }).$type<readonly string[]>().notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }),
});

/** When a key was used, at most an hour ago. A table of its own, because each change of a key empties caches. */
export const apiKeyUse = sqliteTable("api_key_use", {
  id: text("id").primaryKey(),
  usedAt: integer("used_at", { mode: "timestamp_ms" }).notNull(),
});

/** The number of changes of each table whose rows are cached. Triggers count them. */
export const epoch = sqliteTable("epoch", {
  /** Name of the table. */
  part: text("part").primaryKey(),
  n: integer("n").notNull(),
});

/** The audit log. Contains no secret, code or body. */
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
    /** The number of events in this row: failed logins of one IP address in one minute share a row. */
    count: integer("count").notNull().default(sql`1`),
    /** Equal for events that share a row; `null` for a single event. */
    shareKey: text("share_key").unique(),
  },
  (table) => [index("audit_date").on(table.date)],
);

/** Counts of rate limits, such as failed logins within a window. */
export const rateLimitWindow = sqliteTable("try_window", {
  key: text("key").primaryKey(),
  failed: integer("failed").notNull(),
  /** Always 0: undecided attempts are in `attempt_slot`. */
  undecided: integer("undecided").notNull(),
  endsAt: integer("ends_at", { mode: "timestamp_ms" }).notNull(),
});

/** Undecided attempts, such as logins whose hash is being computed. One row for each limit. */
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
 * Queued messages: the row is the job. `queueName` is the definition that it waits for, empty for an unsaved one. A worker
 * that claims a message sets `lease` and moves `due_at` to the end of the lease, so an abandoned message becomes due like
 * any other.
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
  /** Milliseconds since the Unix epoch; `null` if the message is final. */
  dueAt: integer("due_at"),
  lease: text("lease"),
  /** Whether the worker with the lease has started to send. */
  started: integer("begun", { mode: "boolean" }).notNull(),
  /** End of the previous claim: 0 released, 1 abandoned, 2 abandoned after the sending started. */
  lost: integer("lost").notNull(),
  /** Until when the content of a message in its final state is kept; `null` erases it. */
  contentUntil: integer("content_until", { mode: "timestamp_ms" }),
});

/**
 * Content of queued messages, sealed, in pieces of at most 1,000,000 characters. Deleted when the message is final. A
 * separate table, so that a change of state does not rewrite it. `id` is the message's for the first piece, then
 * `<mail id>/1`, ….
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

/** Attempts to deliver a queued message to one recipient. */
export const mailAttempt = sqliteTable("mail_attempt", {
  number: integer("number").primaryKey({ autoIncrement: true }),
  mailId: text("mail_id").notNull(),
  identifier: text("identifier").notNull(),
  date: integer("date", { mode: "timestamp_ms" }).notNull(),
  result: text("result", { mode: "json" })
    .$type<Omit<MailAttempt, "mailId" | "identifier" | "date">>()
    .notNull(),
});

/** Definitions whose server failed recently. One without a row is healthy. */
export const serverHealth = sqliteTable("server_health", {
  identifier: text("identifier").primaryKey(),
  /** Consecutive failures. */
  failures: integer("failures").notNull(),
  /** 0 if the circuit is closed, otherwise 1 plus the number of consecutive probes with a rejected login. */
  opens: integer("opens").notNull(),
  /** The time when the next probe is due or the lease of a running one ends; `null` if the circuit is closed. */
  openUntil: integer("open_until", { mode: "timestamp_ms" }),
  /** Date of the first of these failures. */
  since: integer("since", { mode: "timestamp_ms" }).notNull(),
  failedAt: integer("failed_at", { mode: "timestamp_ms" }).notNull(),
  phase: text("phase").notNull(),
  code: text("code").notNull(),
  /** Token of the worker that runs a probe; `null` if none does. */
  probe: text("probe"),
});

/** Access tokens and failed token requests, by a hash of what makes them. A trigger deletes those of changed definitions. */
export const oauthToken = sqliteTable("oauth_token", {
  key: text("key").primaryKey(),
  /** ID of the definition. Empty for an unsaved one. */
  definitionId: text("definition").notNull(),
  /** Sealed. Empty before the first request. */
  state: text("state").notNull(),
  version: integer("version").notNull(),
  /** Token of the process that requests one; `null` if none does. */
  lease: text("lease"),
  leaseEndsAt: integer("lease_ends_at", { mode: "timestamp_ms" }),
  updatedAt: integer("updated_at", { mode: "timestamp_ms" }).notNull(),
});

/** Refresh tokens that have replaced the given one, by a hash of that. Outside `version`, because use changes them. */
export const oauthGrant = sqliteTable("oauth_grant", {
  given: text("given").primaryKey(),
  /** ID of the definition. Empty for an unsaved one, `*` for several. */
  definitionId: text("definition").notNull(),
  /** Sealed. Empty as long as the given one is valid. */
  refreshToken: text("refresh_token").notNull(),
  version: integer("version").notNull(),
  usedAt: integer("used_at", { mode: "timestamp_ms" }).notNull(),
});

/** Calls with an idempotency key. Until there is a result, `answer` holds the state of the call, and `content` its owner. */
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

/** Settings of plugins that admins have changed, as JSON; a secret is in `sealed`. */
export const pluginConfig = sqliteTable("plugin_config", {
  key: text("key").primaryKey(),
  value: text("value").notNull(),
  sealed: text("sealed").notNull(),
});

/** Sign-ins that wait for the browser to come back from the authorization server. */
export const oauthSignIn = sqliteTable(
  "oauth_sign_in",
  {
    /** SHA-256 of the state, so that the database alone cannot complete a sign-in. */
    stateHash: text("state_hash").primaryKey(),
    definitionId: text("definition_id").notNull(),
    /** Hash of the fields of the definition on which the sign-in depends. */
    facts: text("facts").notNull(),
    adminId: text("admin_id").notNull(),
    /** Generation of the admin's password at the start. */
    generation: integer("generation").notNull(),
    administrator: text("administrator").notNull(),
    realm: text("realm").notNull(),
    /** IP address of the admin at the start. Empty if it is unknown. */
    client: text("client").notNull(),
    codeVerifier: text("code_verifier").notNull(),
    /** The API key that started it. Empty if an admin did. */
    apiKeyId: text("api_key_id").notNull(),
    expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
  },
  (table) => [index("oauth_sign_in_expires_at").on(table.expiresAt)],
);

/** Nonces of calls with the operator key. */
export const operatorNonce = sqliteTable("operator_nonce", {
  nonce: text("nonce").primaryKey(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
