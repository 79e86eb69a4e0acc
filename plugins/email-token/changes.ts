import { eq, inArray, or, sql } from "drizzle-orm";
import type { PluginStore, WriteStatement } from "sealpost/plugin";
import { challenge, MAX_TOKENS_PER_USER, type TokenRow, token } from "./store.ts";

/** Changes tokens, for `commit`. */
export interface TokenChanges {
  /** Affects no row if the user has a token with another PIN, or the maximum number of tokens. */
  insert(row: TokenRow): WriteStatement;
  /** Replaces an old PIN hash in every token that has it. Its salt makes it unique to one user. */
  renewPin(old: string, renewed: string): WriteStatement;
  /** The last statement affects no row if the token does not exist. */
  remove(serial: string): readonly [challenge: WriteStatement, token: WriteStatement];
  reset(serials: readonly string[]): WriteStatement;
  describe(serial: string, description: string): WriteStatement;
  /** Sets the PIN of these tokens, and of all others of their owner. */
  setPin(rows: readonly TokenRow[], pinHash: string): WriteStatement;
}

/** Creates the statements that change tokens. */
export function createTokenChanges({ write }: Pick<PluginStore, "write">): TokenChanges {
  return {
    renewPin(old, renewed) {
      return write.update(token).set({ pinHash: renewed }).where(eq(token.pinHash, old));
    },

    insert(row) {
      return write.run(sql`
        INSERT INTO email_token_token (serial, type, user_id, username, realm, address, pin_hash, otp_length,
          description, fail_count, sent_at, transaction_id, created_at, active, revoked, rollout_state, identifier)
        SELECT ${row.serial}, ${row.type}, ${row.userId}, ${row.username}, ${row.realm}, ${row.address},
          ${row.pinHash}, ${row.otpLength}, ${row.description}, ${row.failCount},
          ${sql.param(row.sentAt, token.sentAt)}, ${row.transactionId}, ${sql.param(row.createdAt, token.createdAt)},
          ${sql.param(row.active, token.active)}, ${sql.param(row.revoked, token.revoked)}, ${row.rolloutState},
          ${row.identifier}
        WHERE ${row.userId} = '' OR (
          NOT EXISTS (SELECT 1 FROM ${token} WHERE ${token.userId} = ${row.userId}
            AND ${token.pinHash} NOT IN ('', ${row.pinHash}))
          AND (SELECT count(*) FROM ${token} WHERE ${token.userId} = ${row.userId}) < ${MAX_TOKENS_PER_USER})`);
    },

    remove(serial) {
      return [
        write.delete(challenge).where(eq(challenge.serial, serial)),
        write.delete(token).where(eq(token.serial, serial)),
      ] as const;
    },

    reset(serials) {
      return write
        .update(token)
        .set({ failCount: 0 })
        .where(inArray(token.serial, [...serials]));
    },

    describe(serial, description) {
      return write.update(token).set({ description }).where(eq(token.serial, serial));
    },

    setPin(rows, pinHash) {
      const serials = rows.map(({ serial }) => serial);
      const owners = rows.map(({ userId }) => userId).filter((id) => id !== "");
      const isMeant = or(inArray(token.serial, serials), inArray(token.userId, owners));
      return write.update(token).set({ pinHash }).where(isMeant);
    },
  };
}
