import type { SQL } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Context, Hono, MiddlewareHandler } from "hono";
import type { GenericSchema, InferInput, InferOutput } from "valibot";
import type { AuditEntry } from "../domain/audit.ts";
import type { Failure, Receipt } from "../domain/delivery.ts";
import type { Message } from "../domain/message.ts";
import type { Secret } from "../domain/secret.ts";
import type { Database, KeptTable, Migration, Statement } from "./database.ts";
import type { Directory } from "./directory.ts";
import type { Env } from "./env.ts";
import type { MailOptions } from "./mail-options.ts";
import type { Sms } from "./sms.ts";

/**
 * What one plugin provides and others use, by name. A plugin adds its own:
 * `declare module "sealpost" { interface Capabilities { push: Push } }`.
 */
export interface Capabilities {
  directory: Directory;
  sms: Sms;
}
export type CapabilityName = keyof Capabilities & string;

/** A setting that an admin may change at run time, by `POST /system/setConfig`. Made by `configKey`. */
export interface ConfigKey<S extends GenericSchema = GenericSchema> {
  /** Checks what an admin gives, as a parameter is checked: digits become a number, `true` a boolean. */
  readonly schema: S;
  /** What holds until an admin says otherwise: an option of the host app, or the plugin's default. */
  readonly fallback: InferOutput<S>;
  readonly description: string;
  /** Sealed in the database and never shown. */
  readonly secret: boolean;
  /** Its value names SMTP servers, so they can be seen from `GET /plugins/` and when one is deleted. */
  readonly namesServer: boolean;
}
export type ConfigKeys = Readonly<Record<string, ConfigKey>>;
export type ConfigValues<K extends ConfigKeys> = { readonly [N in keyof K]: InferOutput<K[N]["schema"]> };

/** Columns of one table that hold what `ctx.seal` made. Those named here are visited by a key rotation. */
export interface SealedColumns {
  /** The column that identifies the row and never changes: a text made before the insert (`ctx.newId()`). */
  readonly row: SQLiteColumn;
  readonly columns: readonly SQLiteColumn[];
}

/** Something that happened: an API action after its answer was made, or what a plugin or Sealpost itself tells. */
export interface SealpostEvent {
  /** Such as `token_init` or `mail_failed`. */
  readonly name: string;
  readonly at: Date;
  /** The plugin that told it, or whose route was asked; empty: Sealpost itself. */
  readonly plugin: string;
  /** `METHOD /route/<parameter>` of an API action; else empty. */
  readonly action: string;
  /** HTTP status of an API action's answer; else null. */
  readonly status: number | null;
  readonly success: boolean;
  /** The admin behind a request, if there is one. */
  readonly actor: { readonly username: string; readonly realm: string } | null;
  /** Address of the client; null if unknown, or if there is none. */
  readonly client: string | null;
  readonly requestId: string;
  /**
   * Never a secret, a code or a body. Of an API action: the variable parts of its path, and what the route has put into
   * `c.set("eventData", …)`; by custom `user` and `realm` (the owner), `serial`, `tokentype`, `authentication`.
   */
  readonly data: Readonly<Record<string, unknown>>;
}
export type EventHandler = (event: SealpostEvent) => Promise<void> | void;

export interface SubmitOptions extends MailOptions {
  /** The request that it is done for; its audit row then says so. */
  readonly request?: Context<Env>;
  /** Statements to be committed with the record of what became of the message. */
  readonly also?: (outcome: SubmitOutcome) => readonly Statement[];
}

/** How a right is decided. */
export interface RightOptions {
  /**
   * For a route whose first step is a read: the right is decided on the admins and policies that this process knows, and
   * that read proves them.
   */
  readonly isProvedByRead?: boolean;
}

/** What became of a mail. */
export type SubmitOutcome = {
  /** Name of the definition that it went through, or was to; empty: none. */
  readonly identifier: string;
} & (
  | { readonly state: "delivered"; readonly recipients: readonly RecipientOutcome[] }
  | { readonly state: "queued"; readonly mailId: string }
  | {
      readonly state: "failed";
      /** The one that speaks for all; its code is `server_unknown` if there is no such definition. */
      readonly failure: Failure;
      readonly recipients: readonly RecipientOutcome[];
    }
);
export interface RecipientOutcome {
  readonly recipient: string;
  readonly receipt: Receipt;
}

/** So many within a window. */
export interface Limit {
  /** Whom or what is counted, such as `mail:ann@example.org`; kept as a keyed hash. */
  readonly key: string;
  readonly most: number;
  readonly windowSeconds: number;
}
export interface LimitResult {
  readonly allowed: boolean;
  /** When it is allowed again; 0 if it is. */
  readonly retryAfterSeconds: number;
}

/** Limits as parts of a commit: an attempt is counted and decided at once. */
export interface LimitPlan {
  /** Count one under each key. They go first in the commit. */
  readonly count: readonly Statement[];
  /** Whether none of the limits is used up, behind `count` in the same commit. */
  readonly isWithin: SQL;
  /** Take back what was counted, where a condition holds. */
  giveBack(where: SQL): readonly Statement[];
  /** @param results those of `count`, in order. */
  result(results: readonly unknown[]): LimitResult;
}

/** A select that can be run by itself or within a commit. */
export type SelectRows<Row> = (database: Database["read"]) => Statement & PromiseLike<readonly Row[]>;

export interface PasswordOptions {
  /** The request that it is done for: its client takes turns with others, and no hash starts after it hung up. */
  readonly request?: Context<Env>;
}

/** What an audit row says; the rest comes from the request. Never a secret, a code or a body. */
export type PluginAuditEntry = { readonly success: boolean } & Partial<
  Pick<AuditEntry, "action" | "identifier" | "recipient" | "fields" | "outcome" | "phase" | "info">
>;

/** Fields of an audit row that its own commit decides. */
export type AuditExpressions = Readonly<Partial<Record<"success" | "identifier" | "info", SQL>>>;

/** What a plugin can do. Passed to `setup`, where only {@link PluginContext.use} may be called: no I/O yet. */
export interface PluginContext<K extends ConfigKeys = ConfigKeys> {
  /** Name of the plugin. */
  readonly name: string;
  readonly mail: {
    /**
     * Sends a mail through a definition, and writes an audit row in the plugin's name. Never throws for what a mail
     * server does.
     * @param server a definition, or several: the next is used where the first is at fault. Undefined or empty: what the
     * plugin's first config key with `namesServer` says, or the definition `default`.
     * @throws {SealpostError} `missing_parameter`, `invalid_parameter` or `too_large` for a message that cannot be sent.
     */
    submit(
      server: string | readonly string[] | undefined,
      message: Message,
      options?: SubmitOptions,
    ): Promise<SubmitOutcome>;
    /** What an admin may be told of it, as `deliveryView` describes; null for a queued one, of which nothing is known. */
    diagnose(outcome: SubmitOutcome): Promise<Readonly<Record<string, unknown>> | null>;
    /** Names of the definitions that there are. */
    servers(): Promise<readonly string[]>;
  };
  /**
   * The database: what repositories are made of. Behind `requireRight` a commit depends on the right, as it is at that
   * moment; what records something that was done already is for `append`.
   */
  readonly store: Pick<Database, "read" | "write" | "append" | "prepare"> & {
    commit<const T extends readonly Statement[]>(statements: T): Promise<BatchResponse<T>>;
  };
  /** The rows of a table that is declared as `kept`, as they are now or were when the request first asked. */
  kept<Row>(table: KeptTable<Row>): Promise<readonly Row[]>;

  /** Lets a request through whose admin has this right; `c.get("principal")` is the admin then. */
  requireRight(action: string, options?: RightOptions): MiddlewareHandler<Env>;
  /** Whether a request comes from an admin with this right, for routes that tell him more than others. Never throws. */
  isAllowed(c: Context<Env>, action: string, options?: RightOptions): Promise<boolean>;
  /** Writes an audit row. Null: it is not about a request. */
  audit(c: Context<Env> | null, entry: PluginAuditEntry): Promise<void>;
  /**
   * The row as a statement, to be committed together with what it tells of.
   * @param ifChanged adds nothing if the statement before it in the commit changed no row.
   */
  auditRow(c: Context<Env> | null, entry: PluginAuditEntry, ifChanged?: "ifChanged"): Statement;
  /** The same, added where a condition holds, with fields that the commit decides. */
  auditRowWhere(
    c: Context<Env> | null,
    entry: PluginAuditEntry,
    where: SQL,
    decided?: AuditExpressions,
  ): Statement;
  /**
   * Commits what decides something, and returns what was decided. If the response of the commit is lost, the verdict is
   * read for 5 s, so that a response never denies what was done.
   * @param verdict selects a row that the commit has written, by an id of its own.
   * @returns `results` of the statements; `null` if they were lost.
   * @throws what `commit` rejects with, if there is no verdict.
   */
  decide<Row>(
    statements: readonly Statement[],
    verdict: SelectRows<Row>,
  ): Promise<{ readonly results: readonly unknown[] | null; readonly verdict: readonly Row[] }>;
  /**
   * Reads what a commit has written that rejected with this error, for 5 s, because only its response may be lost.
   * @returns no rows if nothing was written.
   */
  readAfter<Row>(error: unknown, select: SelectRows<Row>): Promise<readonly Row[]>;
  /** Address of the client, canonical; null if unknown. */
  clientAddress(c: Context<Env>): string | null;
  /** Whether the client is in `SEALPOST_TRUSTED_CLIENTS`: limits by client address are not for it. */
  isTrustedClient(c: Context<Env>): boolean;

  /** Tells everybody who listens; the name has to be among `events` of the definition. Handlers run afterwards. */
  emit(name: string, data: Readonly<Record<string, unknown>>): void;
  /** Every event name that there is: of API actions, of plugins and of Sealpost itself. */
  eventNames(): readonly string[];
  /** What another plugin provides; the name has to be in `requires`. */
  use<N extends CapabilityName>(name: N): Capabilities[N];
  /** The same for a name in `optional`; null if nobody provides it. */
  find<N extends CapabilityName>(name: N): Capabilities[N] | null;

  /** Settings as they are now: what an admin has set, else the host's option, else the default. */
  readonly config: {
    get<N extends keyof K & string>(name: N): Promise<InferOutput<K[N]["schema"]>>;
    /** All of this plugin, by one select. */
    all(): Promise<ConfigValues<K>>;
  };

  /** HMAC-SHA-256 as 43 characters of base64url, keyed with a random secret of this plugin in this database. */
  mac(text: string): Promise<string>;
  /**
   * Short secrets that limits protect, such as PINs: quick to check, and useless without a secret of this database. A
   * password needs {@link PluginContext.password}.
   */
  readonly pin: {
    /** @returns a text to store. @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes. */
    hash(pin: string): Promise<string>;
    /** With `null` (no such user) or another kind of hash it takes as long and returns false. */
    verify(pin: string, stored: string | null): Promise<boolean>;
  };
  /** Seals a text for one place; a column that is not in `sealed` is refused. The empty text stays empty. */
  seal(column: SQLiteColumn, row: string, text: string): Promise<string>;
  /** @throws {SealpostError} `unsealable`. */
  open(column: SQLiteColumn, row: string, sealed: string): Promise<Secret>;
  /** Passwords. Hashes wait for each other, few at a time, and clients take turns: pass the request where there is one. */
  readonly password: {
    /** PHC string. @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes; `busy` if too many wait. */
    hash(password: string, options?: PasswordOptions): Promise<string>;
    /**
     * With `null` (no such user) it takes as long and is never right.
     * @throws {SealpostError} `busy`.
     */
    verify(
      password: string,
      phc: string | null,
      options?: PasswordOptions,
    ): Promise<{ readonly ok: boolean; readonly rehash: boolean }>;
  };
  readonly limit: {
    /** The same as parts of a commit. */
    plan(...limits: readonly Limit[]): Promise<LimitPlan>;
    /** @throws {SealpostError} `too_many_tries` with `Retry-After`, unless it is allowed. */
    assertAllowed(result: LimitResult): void;
    /** Counts one under every key, refused or not. Parallel calls and other processes do not slip through. */
    take(...limits: readonly Limit[]): Promise<LimitResult>;
    /** @throws {SealpostError} `too_many_tries` with `Retry-After`. */
    require(...limits: readonly Limit[]): Promise<void>;
    /** Takes back what was counted, where only failures are to count: counted before, so that parallel tries are few. */
    giveBack(...limits: readonly Limit[]): Promise<void>;
    /**
     * The limit of the client behind a request, to be spread into the others: none for a trusted one; an IPv6 client
     * counts as its /64, unknown ones count together.
     */
    ofClient(c: Context<Env>, limit: Limit): readonly Limit[];
  };

  /**
   * Does the work of a request once for each `Idempotency-Key`, for 24 hours: a second request with the same key gets
   * the answer of the first. Without the header it does the work. Of a route that hands in one mail and answers what
   * became of it, `idempotencyKey` of `submit` does the same.
   * @param content what the request is about; only a keyed hash of it is kept.
   * @param work its answer, which is kept as it is: JSON without secrets.
   * @throws {SealpostError} `conflict` for the same key with another content, or while the first has not ended.
   */
  once<T>(c: Context<Env>, content: unknown, work: () => Promise<T>): Promise<T>;
  /** Work that goes on after the answer; a rejection is logged. */
  defer(work: Promise<unknown>): void;
  /** `SEALPOST_BASE_URL` without its final slash; empty: not set. Links are never made from the Host header. */
  readonly baseUrl: string;
  readonly log: {
    /** `text` may name properties: `log.warning("No such {thing}", { thing })`. Never a secret. */
    info(text: string, properties?: Readonly<Record<string, unknown>>): void;
    warning(text: string, properties?: Readonly<Record<string, unknown>>): void;
    error(text: string, properties?: Readonly<Record<string, unknown>>): void;
  };
  now(): Date;
  randomBytes(length: number): Uint8Array<ArrayBuffer>;
  /** Characters of an alphabet, each as likely as the others: `randomText(6, "0123456789")`. */
  randomText(length: number, alphabet: string): string;
  /** A fresh UUID. */
  newId(): string;
}

/** What a plugin is when it is set up. */
export interface Running {
  /**
   * Routes by full path (`/token/init`), each with its methods. A path that ends in `/` answers without it, too; other
   * methods are answered with 405. No wildcards: `.use`, `.all` and `*` are refused.
   */
  readonly routes?: Pick<Hono, "routes">;
  /** Handlers by event name; `*`: every event. They run after the answer, and what they do triggers no handler. */
  readonly on?: Readonly<Record<string, EventHandler>>;
  /** What is named in `provides` of the definition. */
  readonly provides?: Partial<Capabilities>;
  /** SMTP servers that are named elsewhere than in config keys, such as in a table. */
  readonly servers?: () => Promise<readonly string[]>;
  /**
   * Before the first request, after the migrations; again at the next start. If it fails or takes more than 30 s, the
   * instance does not start.
   */
  readonly start?: () => Promise<void>;
  /** Once a day: deletes rows that have been kept for long enough. */
  readonly prune?: () => Promise<void>;
  /** In reverse order of the set-up. */
  readonly close?: () => Promise<void>;
}

export interface PluginDefinition<S extends GenericSchema, K extends ConfigKeys> {
  /** Lower-case letters, digits and `-`, such as `email-token`. */
  readonly name: string;
  /** An object schema; options that it does not name are refused. */
  readonly options: S;
  /** Drizzle tables; their SQL names begin with the plugin's, with `_` for `-`. */
  readonly tables?: Readonly<Record<string, SQLiteTable>>;
  /** Those of its tables that seldom change: `ctx.kept` has their rows without a read of its own. */
  readonly kept?: readonly KeptTable<unknown>[];
  /** Names as `0001_tokens`; they are kept apart from those of others. A published one is never edited. */
  readonly migrations?: readonly Migration[];
  /** Rights, and what each opens. */
  readonly actions?: Readonly<Record<string, string>>;
  /** Settings for the admin at run time, by the names that clients know. */
  readonly config?: (options: InferOutput<S>) => K;
  readonly sealed?: readonly SealedColumns[];
  /** Capabilities without which it does not work. */
  readonly requires?: readonly CapabilityName[];
  /** Capabilities that it uses if they are there. */
  readonly optional?: readonly CapabilityName[];
  readonly provides?: readonly CapabilityName[];
  /** Names of the events that it emits. */
  readonly events?: readonly string[];
  /** Builds everything, without I/O. */
  readonly setup: (ctx: PluginContext<K>, options: InferOutput<S>) => Running;
}

/** A plugin with its options, to be registered: `createSealpost({ plugins: [emailToken({ … })] })`. */
export interface Plugin
  extends Omit<PluginDefinition<GenericSchema, ConfigKeys>, "options" | "config" | "setup"> {
  /** Checks the options. @returns what is wrong with them, or what is to be set up. */
  check(): { readonly problems: readonly string[] } | CheckedPlugin;
}

/** A plugin whose options are good. */
export interface CheckedPlugin {
  readonly problems: readonly [];
  readonly config: ConfigKeys;
  readonly setup: (ctx: PluginContext) => Running;
}

/** What `definePlugin` returns. */
export type PluginFactory<S extends GenericSchema> = (
  ...options: Record<never, never> extends InferInput<S>
    ? [options?: InferInput<S>]
    : [options: InferInput<S>]
) => Plugin;
