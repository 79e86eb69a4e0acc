import { and, asc, count, eq, inArray, type SQL, sql } from "drizzle-orm";
import type { PluginContext } from "sealpost";
import { challenge, type TokenRow, type TokenType, token } from "./tables.ts";

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
