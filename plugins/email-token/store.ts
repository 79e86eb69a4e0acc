import { and, asc, count, eq, gt, inArray, lt, lte, or, type Placeholder, type SQL, sql } from "drizzle-orm";
import { integer, primaryKey, type SQLiteColumn, sqliteTable, text } from "drizzle-orm/sqlite-core";
import {
  type DirectoryUser,
  type KeptTable,
  MAX_CLOCK_SKEW_MS,
  matchesPattern,
  nameKey,
  type PluginContext,
  type PluginStore,
  type RowsStatement,
  type SelectStatement,
  type WriteStatement,
} from "sealpost/plugin";

// The tables as queries see them; `migrations/*.sql` creates them.

export const TOKEN_TYPES = ["email", "sms"] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** Tokens: each receives codes at one address. */
export const token = sqliteTable("email_token_token", {
  serial: text("serial").primaryKey(),
  type: text("type").$type<TokenType>().notNull(),
  /** The owner's permanent ID in the directory. Empty if the token has no owner. */
  userId: text("user_id").notNull(),
  username: text("username").notNull(),
  realm: text("realm").notNull(),
  /** Email address or phone number; if empty, the one in the directory at the time of sending. */
  address: text("address").notNull(),
  /** Keyed hash, or an older PHC string; the same for all tokens of a user. If empty, only an admin can trigger a code. */
  pinHash: text("pin_hash").notNull(),
  /** Digits of a code. */
  otpLength: integer("otp_length").notNull(),
  description: text("description").notNull(),
  failCount: integer("fail_count").notNull(),
  /** Time of the last unused code, or 1970 if there is none. */
  sentAt: integer("sent_at", { mode: "timestamp_ms" }).notNull(),
  /** The transaction of the last code. */
  transactionId: text("transaction_id").notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
  active: integer("active", { mode: "boolean" }).notNull(),
  /** A revoked token stays inactive. */
  revoked: integer("revoked", { mode: "boolean" }).notNull(),
  /** `verify` until the owner has verified the address. */
  rolloutState: text("rollout_state").$type<"" | "verify">().notNull(),
  /** The server definition or gateway that codes are sent through. If empty, that of the settings. */
  identifier: text("identifier").notNull(),
});
export type TokenRow = typeof token.$inferSelect;

/** The server definitions and gateways that tokens of their own name. Triggers keep it as {@link token} says. */
export const route = sqliteTable(
  "email_token_route",
  { type: text("type").$type<TokenType>().notNull(), identifier: text("identifier").notNull() },
  ({ type, identifier }) => [primaryKey({ columns: [type, identifier] })],
);

/** All of them. Codes and counters change the tokens, but not this. */
export const ROUTES: KeptTable<typeof route.$inferSelect> = {
  name: "email_token_route",
  select: (read) => read.select().from(route).orderBy(asc(route.type), asc(route.identifier)),
};

/** A token and its owner in the directory. `owner` is `null` without a directory, or if the token has no owner. */
export interface OwnedToken {
  readonly token: TokenRow;
  readonly owner: DirectoryUser | null;
}

/** The latest code of a token; older ones are void. */
export const challenge = sqliteTable("email_token_challenge", {
  serial: text("serial").primaryKey(),
  transactionId: text("transaction_id").notNull(),
  /** Keyed hash of transaction and code. */
  codeHash: text("code_hash").notNull(),
  attemptsLeft: integer("tries_left").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
export type ChallengeRow = typeof challenge.$inferSelect;

/** Result of an attempt with a code. `limited`: the code was not compared. */
type AttemptOutcome = "accepted" | "wrong" | "unknown" | "limited";

/** Attempts of the last minute. */
export const attempt = sqliteTable(
  "email_token_attempt",
  {
    id: text("id").notNull(),
    outcome: text("outcome").$type<AttemptOutcome>().notNull(),
    /** The token that the code was compared with. Empty if there is none. */
    serial: text("serial").notNull(),
    at: integer("at", { mode: "timestamp_ms" }).notNull(),
  },
  // In order of time, so that new attempts and old ones are neighbors.
  ({ at, id }) => [primaryKey({ columns: [at, id] })],
);

/** Whether a token may get a code and accept one, as an expression. The one place that decides it. */
export const isUsable = sql`${token.active} = 1 AND ${token.revoked} = 0 AND ${token.rolloutState} = ''`;
/** The same for the code that ends its enrollment. */
export const isVerifiable = sql`${token.active} = 1 AND ${token.revoked} = 0 AND ${token.rolloutState} = 'verify'`;

/** Each trigger sends a code to every token of a user. */
export const MAX_TOKENS_PER_USER = 10;

/** Restricts a search; an absent field matches every token. */
export interface TokenFilter {
  readonly serial?: string | Placeholder | undefined;
  /** An ID, or an expression for it. */
  readonly userId?: string | SQL | undefined;
  readonly realm?: string | undefined;
  /** In these, `*` stands for any characters. */
  readonly patterns?: Readonly<Partial<Record<"serial" | "type" | "realm", string | undefined>>>;
  /** Only tokens that are usable. */
  readonly isUsable?: boolean | undefined;
}

/** Reads tokens. Selects run when they are awaited. */
export interface TokenStore {
  find(serial: string): Promise<TokenRow | undefined>;
  /** Selects tokens. Without a match it returns a row of nulls, so that it takes about as long as with one. */
  select(filter: TokenFilter): SelectStatement<{ readonly token: TokenRow | null }>;
  /** Selects a token whose PIN still has an old hash. */
  selectOldPin(): RowsStatement<{ readonly serial: string }>;
  /** Selects the usable tokens that a transaction sent a code to. */
  selectOfTransaction(transactionId: string): RowsStatement<TokenRow>;
  /** Returns the server definitions that tokens of their own name. */
  servers(): Promise<readonly string[]>;
  /** The same for gateways. */
  gateways(): Promise<readonly string[]>;
  /** Returns one page and the total number of tokens. */
  page(filter: TokenFilter, page: number, size: number): Promise<{ rows: TokenRow[]; total: number }>;
}

/** Creates the reads of tokens. */
export function createTokenStore({
  read,
  kept,
  prepare,
}: Pick<PluginStore, "read" | "kept" | "prepare">): TokenStore {
  const bySerial = prepare(() =>
    read
      .select()
      .from(token)
      .where(eq(token.serial, sql.placeholder("serial"))),
  );
  const ofTransaction = () =>
    read
      .select({ serial: challenge.serial })
      .from(challenge)
      .where(eq(challenge.transactionId, sql.placeholder("transactionId")));
  const selectOfTransaction = prepare(() =>
    read
      .select()
      .from(token)
      .where(and(inArray(token.serial, ofTransaction()), isUsable))
      .orderBy(asc(token.serial)),
  );
  const selectOldPin = prepare(() =>
    read
      .select({ serial: token.serial })
      .from(token)
      // The condition of the partial index.
      .where(sql`substr(pin_hash, 1, 8) = '$scrypt$'`)
      .limit(1),
  );
  const routesOf = async (type: TokenType) =>
    (await kept(ROUTES)).filter((row) => row.type === type).map(({ identifier }) => identifier);
  return {
    async find(serial) {
      const [[found]] = await read.batch([bySerial({ serial })]);
      return found;
    },

    select: (filter) =>
      read
        .select({ token })
        .from(sql`(SELECT 1)`)
        .leftJoin(token, conditions(filter))
        .orderBy(asc(token.serial)),

    selectOldPin: () => selectOldPin(),
    selectOfTransaction: (transactionId) => selectOfTransaction({ transactionId }),

    servers: () => routesOf("email"),
    gateways: () => routesOf("sms"),

    async page(filter, page, size) {
      const where = conditions(filter);
      const [[total], rows] = await read.batch([
        read.select({ total: count() }).from(token).where(where),
        read
          .select()
          .from(token)
          .where(where)
          .orderBy(asc(token.serial))
          .limit(size)
          .offset((page - 1) * size),
      ]);
      return { rows, total: total?.total ?? 0 };
    },
  };
}

function conditions({
  serial,
  userId,
  realm,
  patterns = {},
  isUsable: onlyUsable,
}: TokenFilter): SQL | undefined {
  return and(
    serial === undefined ? undefined : eq(token.serial, serial),
    userId === undefined ? undefined : sql`${token.userId} = ${userId}`,
    realm === undefined ? undefined : inArray(token.realm, [realm, nameKey(realm)]),
    matches(token.serial, patterns.serial),
    matches(token.type, patterns.type),
    matches(token.realm, patterns.realm, nameKey),
    onlyUsable ? isUsable : undefined,
  );
}

/**
 * Compares with a pattern, regardless of letter case if it has a `*`. Without a `*` an index is used.
 * @param fold returns how most values are stored. Without a directory, they are stored as they were sent.
 */
function matches(
  column: SQLiteColumn,
  pattern = "",
  fold: (text: string) => string = String,
): SQL | undefined {
  if (pattern === "") return undefined;
  if (!pattern.includes("*")) return inArray(column, [pattern, fold(pattern)]);
  return matchesPattern(column, fold(pattern));
}

/** Wrong attempts that void a code. */
export const MAX_ATTEMPTS_PER_CODE = 5;
/** Wrong attempts in a row, across codes, that lock a token until an admin resets it. */
export const MAX_FAILURES = 10;
/** Minimum time between two codes for one token. */
export const RESEND_SECONDS = 30;

/** Returns the seconds until a token may get another code; zero or less means now. */
export function secondsUntilNext({ sentAt }: TokenRow, now: Date): number {
  const elapsedMs = now.getTime() - sentAt.getTime();
  return elapsedMs < -MAX_CLOCK_SKEW_MS ? 0 : Math.ceil(RESEND_SECONDS - elapsedMs / 1_000);
}

/** The statements on challenges. Writes are for `commit`. */
export interface ChallengeStore {
  find(serial: string): Promise<ChallengeRow | undefined>;
  /**
   * Starts a transaction with its code, behind the count of its limits. `start` affects no row if the previous one is too
   * recent, the token is locked or not usable, or a limit is exceeded. Then `refund` takes the count back, and `issue`
   * stores no code.
   * @param limits those of the plan.
   */
  start(
    of: TokenRow,
    code: Omit<ChallengeRow, "serial">,
    at: { readonly now: Date; readonly limits: string },
  ): readonly [start: WriteStatement, refund: WriteStatement, issue: WriteStatement];
  /** Selects the token if its last transaction is this one. */
  started(serial: string, transactionId: string): RowsStatement<{ readonly serial: string }>;
  /** Selects the code of a token. */
  current(serial: string): RowsStatement<ChallengeRow>;
  /** Undoes the start of a transaction. @param before the token as it was before the start. @param code its code then. */
  withdraw(
    before: TokenRow,
    transactionId: string,
    code: ChallengeRow | undefined,
  ): readonly [challenge: WriteStatement, token: WriteStatement];
  /** Deletes expired codes. */
  prune(now: Date): WriteStatement;
}

type ChallengeDeps = Pick<PluginContext, "store" | "limits">;

/** Creates the statements on challenges. */
export function createChallengeStore(deps: ChallengeDeps): ChallengeStore {
  const { limits } = deps;
  const { read, write, prepare } = deps.store;
  const bySerial = prepare(() =>
    read
      .select()
      .from(challenge)
      .where(eq(challenge.serial, sql.placeholder("serial"))),
  );
  const { placeholder } = sql;
  const isStarted = and(
    eq(token.serial, placeholder("serial")),
    eq(token.transactionId, placeholder("transactionId")),
  );
  const started = prepare(() => write.select({ serial: token.serial }).from(token).where(isStarted));
  const [ofLogin, ofEnrollment] = [prepareStart(deps, isUsable), prepareStart(deps, isVerifiable)];
  const refund = prepare(() => limits.refund(sql`NOT EXISTS (SELECT 1 FROM ${token} WHERE ${isStarted})`));
  return {
    async find(serial) {
      const [[found]] = await read.batch([bySerial({ serial })]);
      return found;
    },

    start(of, code, { now, limits }) {
      const { start, issue } = of.rolloutState === "verify" ? ofEnrollment : ofLogin;
      const before = new Date(now.getTime() - RESEND_SECONDS * 1_000);
      const latest = new Date(now.getTime() + MAX_CLOCK_SKEW_MS);
      const values = { ...code, serial: of.serial, now, before, latest, limits };
      return [start(values), refund(values), issue(values)];
    },

    started: (serial, transactionId) => started({ serial, transactionId }),

    current: (serial) => bySerial({ serial }),

    withdraw({ serial, sentAt, transactionId: previous }, transactionId, code) {
      const isIssued = and(eq(challenge.serial, serial), eq(challenge.transactionId, transactionId));
      return [
        code ? write.update(challenge).set(code).where(isIssued) : write.delete(challenge).where(isIssued),
        write
          .update(token)
          .set({ sentAt, transactionId: previous })
          .where(and(eq(token.serial, serial), eq(token.transactionId, transactionId))),
      ] as const;
    },

    prune(now) {
      return write.delete(challenge).where(lt(challenge.expiresAt, now));
    },
  };
}

/** Prepares the statements that give a token a code. @param isMeant whether the token is still what the code is for. */
function prepareStart({ store: { write, prepare }, limits }: ChallengeDeps, isMeant: SQL) {
  const { placeholder } = sql;
  const isOf = () => eq(token.serial, placeholder("serial"));
  const timeOf = (name: string) => sql.param(placeholder(name), token.sentAt);
  // A code from before the clock was set back must not delay others.
  const isDue = () => or(lte(token.sentAt, timeOf("before")), gt(token.sentAt, timeOf("latest")));
  return {
    start: prepare(() =>
      write
        .update(token)
        .set({ sentAt: sql`${timeOf("now")}`, transactionId: sql`${placeholder("transactionId")}` })
        .where(and(isOf(), isMeant, isDue(), lt(token.failCount, MAX_FAILURES), limits.isWithin)),
    ),
    issue: prepare(() =>
      write.run(sql`
        INSERT INTO email_token_challenge (serial, transaction_id, code_hash, tries_left, expires_at)
        SELECT ${token.serial}, ${token.transactionId}, ${placeholder("codeHash")}, ${placeholder("attemptsLeft")},
          ${sql.param(placeholder("expiresAt"), challenge.expiresAt)}
        FROM ${token} WHERE ${isOf()} AND ${token.transactionId} = ${placeholder("transactionId")} AND ${isMeant}
        ON CONFLICT (serial) DO UPDATE SET transaction_id = excluded.transaction_id,
          code_hash = excluded.code_hash, tries_left = excluded.tries_left, expires_at = excluded.expires_at`),
    ),
  };
}
