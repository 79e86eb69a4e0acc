import { and, asc, count, eq, gt, inArray, lt, lte, or, type SQL, sql } from "drizzle-orm";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { DirectoryUser, PluginContext } from "sealpost/plugin";

// The tables as queries see them; `migrations/*.sql` makes them.

export const TOKEN_TYPES = ["email", "sms"] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** Tokens: somebody who can be sent a code. */
export const token = sqliteTable("email_token_token", {
  serial: text("serial").primaryKey(),
  type: text("type").$type<TokenType>().notNull(),
  /** What the directory calls the owner, for ever; empty: nobody's. */
  userId: text("user_id").notNull(),
  username: text("username").notNull(),
  realm: text("realm").notNull(),
  /** Mail address or phone number; empty: as the directory has it when a code is sent. */
  address: text("address").notNull(),
  /** Keyed hash, or a PHC string of before; the same for all tokens of a user. Empty: only an admin triggers it. */
  pinHash: text("pin_hash").notNull(),
  /** Digits of a code. */
  otpLength: integer("otp_length").notNull(),
  description: text("description").notNull(),
  failCount: integer("fail_count").notNull(),
  /** When the last code was sent that has not been used; 1970: none. */
  sentAt: integer("sent_at", { mode: "timestamp_ms" }).notNull(),
  /** Of the last code. */
  transactionId: text("transaction_id").notNull(),
  createdAt: integer("created_at", { mode: "timestamp_ms" }).notNull(),
});
export type TokenRow = typeof token.$inferSelect;

/** A token and its owner in the directory. `owner` is `null` without a directory, or if the token has no owner. */
export interface OwnedToken {
  readonly token: TokenRow;
  readonly owner: DirectoryUser | null;
}

/** The one code of a token that may be good. */
export const challenge = sqliteTable("email_token_challenge", {
  serial: text("serial").primaryKey(),
  transactionId: text("transaction_id").notNull(),
  /** Keyed hash of transaction and code. */
  codeHash: text("code_hash").notNull(),
  triesLeft: integer("tries_left").notNull(),
  expiresAt: integer("expires_at", { mode: "timestamp_ms" }).notNull(),
});
type ChallengeRow = typeof challenge.$inferSelect;

/** Result of an attempt with a code. `limited`: the code was not compared. */
type AttemptOutcome = "accepted" | "wrong" | "unknown" | "limited";

/** Attempts of the last minute. */
export const attempt = sqliteTable("email_token_attempt", {
  id: text("id").primaryKey(),
  outcome: text("outcome").$type<AttemptOutcome>().notNull(),
  /** The token that the code was right for, or wrong for; empty: there is none. */
  serial: text("serial").notNull(),
  at: integer("at", { mode: "timestamp_ms" }).notNull(),
});

/** Every code goes to each of them. */
export const MOST_TOKENS_OF_USER = 10;

export interface TokenFilter {
  readonly serial?: string | undefined;
  readonly type?: TokenType | undefined;
  /** Or an expression for it. */
  readonly userId?: string | SQL | undefined;
  readonly realm?: string | undefined;
}

export type TokenRepository = ReturnType<typeof createTokenRepository>;

/** Tokens. What writes is an unexecuted statement for `commit`. */
export function createTokenRepository({ read, write }: PluginContext["store"]) {
  const find = read
    .select()
    .from(token)
    .where(eq(token.serial, sql.placeholder("serial")))
    .prepare();
  return {
    find: async (serial: string): Promise<TokenRow | undefined> => find.get({ serial }),

    async search(filter: TokenFilter): Promise<TokenRow[]> {
      return read.select().from(token).where(conditions(filter)).orderBy(asc(token.serial));
    },

    /** Selects tokens. If there is none, a row of nulls, so that it takes about as long as one token. */
    select: (filter: TokenFilter) =>
      read
        .select({ token })
        .from(sql`(SELECT 1)`)
        .leftJoin(token, conditions(filter))
        .orderBy(asc(token.serial)),

    /** Selects one token whose PIN still has an old hash, by the condition of the partial index. */
    selectOldPin: () =>
      read
        .select({ serial: token.serial })
        .from(token)
        .where(sql`substr(pin_hash, 1, 8) = '$scrypt$'`)
        .limit(1),

    /** Selects the tokens that a code was sent to in one transaction. */
    selectOfTransaction: (transactionId: string) =>
      read
        .select()
        .from(token)
        .where(
          inArray(
            token.serial,
            read
              .select({ serial: challenge.serial })
              .from(challenge)
              .where(eq(challenge.transactionId, transactionId)),
          ),
        )
        .orderBy(asc(token.serial)),

    /** Gives every token with this PIN the new hash of it; the salt makes each hash one user's. */
    renewPin(old: string, renewed: string) {
      return write.update(token).set({ pinHash: renewed }).where(eq(token.pinHash, old));
    },

    /** One page, and how many there are in all. */
    async page(filter: TokenFilter, page: number, size: number) {
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

    /** Affects no row if the user has a token with another PIN, or as many tokens as there may be. */
    insert(row: TokenRow) {
      return write.run(sql`
        INSERT INTO email_token_token (serial, type, user_id, username, realm, address, pin_hash, otp_length,
          description, fail_count, sent_at, transaction_id, created_at)
        SELECT ${row.serial}, ${row.type}, ${row.userId}, ${row.username}, ${row.realm}, ${row.address},
          ${row.pinHash}, ${row.otpLength}, ${row.description}, ${row.failCount},
          ${sql.param(row.sentAt, token.sentAt)}, ${row.transactionId}, ${sql.param(row.createdAt, token.createdAt)}
        WHERE ${row.userId} = '' OR (
          NOT EXISTS (SELECT 1 FROM ${token} WHERE ${token.userId} = ${row.userId}
            AND ${token.pinHash} NOT IN ('', ${row.pinHash}))
          AND (SELECT count(*) FROM ${token} WHERE ${token.userId} = ${row.userId}) < ${MOST_TOKENS_OF_USER})`);
    },

    /** Ends with the statement that says whether there was one. */
    remove(serial: string) {
      return [
        write.delete(challenge).where(eq(challenge.serial, serial)),
        write.delete(token).where(eq(token.serial, serial)),
      ] as const;
    },

    reset(serials: readonly string[]) {
      return write
        .update(token)
        .set({ failCount: 0 })
        .where(inArray(token.serial, [...serials]));
    },
  };
}

function conditions({ serial, type, userId, realm }: TokenFilter): SQL | undefined {
  return and(
    serial === undefined ? undefined : eq(token.serial, serial),
    type === undefined ? undefined : eq(token.type, type),
    userId === undefined ? undefined : sql`${token.userId} = ${userId}`,
    realm === undefined ? undefined : eq(token.realm, realm),
  );
}

/** Wrong tries of one code; then it is void. */
export const TRIES_OF_CODE = 5;
/** Wrong tries of all codes of a token since one was right; then it is locked until an admin resets it. */
export const MOST_FAILURES = 10;
/** Time between two mails to one token. */
export const RESEND_SECONDS = 30;

/** How far the clocks of machines on one database may differ. */
export const CLOCK_SKEW_MS = 60_000;
/** `email.validtime` and `sms.providerTimeout` allow no more. */
export const MAX_VALID_MS = 3_600_000;

/** Seconds until a token may get another code; not positive: now. */
export function secondsUntilNext({ sentAt }: TokenRow, now: Date): number {
  const elapsedMs = now.getTime() - sentAt.getTime();
  return elapsedMs < -CLOCK_SKEW_MS ? 0 : Math.ceil(RESEND_SECONDS - elapsedMs / 1_000);
}

export type ChallengeRepository = ReturnType<typeof createChallengeRepository>;

/** Codes that were sent. What writes is an unexecuted statement for `commit`. */
export function createChallengeRepository({ read, write }: PluginContext["store"]) {
  const find = read
    .select()
    .from(challenge)
    .where(eq(challenge.serial, sql.placeholder("serial")))
    .prepare();
  return {
    find: async (serial: string): Promise<ChallengeRow | undefined> => find.get({ serial }),

    /** Starts a transaction; affects no row if the last one has started too lately, the token is locked, or `where` fails. */
    begin(serial: string, transactionId: string, now: Date, where: SQL) {
      const before = new Date(now.getTime() - RESEND_SECONDS * 1_000);
      // A code from before the clock was put back delays no other.
      const isDue = or(lte(token.sentAt, before), gt(token.sentAt, new Date(now.getTime() + CLOCK_SKEW_MS)));
      return write
        .update(token)
        .set({ sentAt: now, transactionId })
        .where(and(eq(token.serial, serial), isDue, lt(token.failCount, MOST_FAILURES), where));
    },

    /** Whether a transaction is the token's, as an expression. */
    isOf: (serial: string, transactionId: string): SQL =>
      sql`EXISTS (SELECT 1 FROM ${token}
        WHERE ${token.serial} = ${serial} AND ${token.transactionId} = ${transactionId})`,

    /** The new code voids the old. Affects no row if the token has begun another transaction since, or is gone. */
    issue(row: ChallengeRow) {
      return write.run(sql`
        INSERT INTO email_token_challenge (serial, transaction_id, code_hash, tries_left, expires_at)
        SELECT ${row.serial}, ${row.transactionId}, ${row.codeHash}, ${row.triesLeft},
          ${sql.param(row.expiresAt, challenge.expiresAt)}
        FROM ${token} WHERE ${token.serial} = ${row.serial} AND ${token.transactionId} = ${row.transactionId}
        ON CONFLICT (serial) DO UPDATE SET transaction_id = excluded.transaction_id,
          code_hash = excluded.code_hash, tries_left = excluded.tries_left, expires_at = excluded.expires_at`);
    },

    /** As if the transaction had never begun. @param before the token as it was then. */
    withdraw({ serial, sentAt, transactionId: last }: TokenRow, transactionId: string) {
      return [
        write
          .delete(challenge)
          .where(and(eq(challenge.serial, serial), eq(challenge.transactionId, transactionId))),
        write
          .update(token)
          .set({ sentAt, transactionId: last })
          .where(and(eq(token.serial, serial), eq(token.transactionId, transactionId))),
      ] as const;
    },

    prune(now: Date) {
      return write.delete(challenge).where(lt(challenge.expiresAt, now));
    },
  };
}
