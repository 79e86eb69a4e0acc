import { and, eq, inArray, ne, or, type SQL, sql } from "drizzle-orm";
import { type DirectoryUser, isOneOf, type PluginStore, type WriteStatement } from "sealpost/plugin";
import { challenge, MAX_TOKENS_PER_USER, type TokenRow, token } from "./store.ts";

/** Creates, changes and deletes tokens. */
interface ContentChanges {
  /** Affects no row if the user has a token with another PIN, or the maximum number of tokens. */
  insert(row: TokenRow): WriteStatement;
  /** Replaces the token with this serial. Affects no row if it has another owner or is revoked, or as {@link insert}. */
  replace(row: TokenRow): WriteStatement;
  /** Replaces an old PIN hash in every token that has it. Its salt makes it unique to one user. */
  renewPin(old: string, renewed: string): WriteStatement;
  /** The last statement affects no row if the token does not exist. */
  remove(serial: string): readonly [challenge: WriteStatement, token: WriteStatement];
  reset(serials: readonly string[]): WriteStatement;
  describe(serials: readonly string[], description: string): WriteStatement;
  /** Sets the PIN of these tokens, and of all others of their owner. */
  setPin(rows: readonly TokenRow[], pinHash: string): WriteStatement;
}

/** Changes the state or the owner of tokens. */
interface StateChanges {
  /** Affects the tokens that change. A revoked token is never enabled. */
  setActive(serials: readonly string[], active: boolean): WriteStatement;
  /** Affects the tokens that were not revoked before. */
  revoke(serials: readonly string[]): WriteStatement;
  /** Gives a token of no one to a user. Affects no row if another user has it, or as {@link insert}. */
  assign(serial: string, owner: DirectoryUser, pinHash: string): WriteStatement;
  /** Takes tokens from their owners, with the PIN. Affects the tokens that had an owner. */
  unassign(serials: readonly string[]): WriteStatement;
  /** Violates a constraint, which undoes the whole commit, if the statement before it changed no row. */
  requireChange(): WriteStatement;
  /** Deletes the codes of these tokens that do not belong to their current transaction. */
  voidCodes(serials: readonly string[]): WriteStatement;
}

/** The statements that change tokens, for `commit`. */
export interface TokenChanges extends ContentChanges, StateChanges {}

/** A token without a transaction: it may get a code immediately, and no code that is on its way is stored. */
const NO_TRANSACTION = { sentAt: new Date(0), transactionId: "" };

/** Creates the statements that change tokens. */
export function createTokenChanges({ write }: Pick<PluginStore, "write">): TokenChanges {
  return { ...createContentChanges(write), ...createStateChanges(write) };
}

function createContentChanges(write: PluginStore["write"]): ContentChanges {
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
        WHERE ${row.userId} = '' OR ${fits(row)}`);
    },

    replace({ address, pinHash, otpLength, description, createdAt, rolloutState, identifier, ...of }) {
      const isMeant = and(
        eq(token.serial, of.serial),
        eq(token.userId, of.userId),
        eq(token.type, of.type),
        eq(token.revoked, false),
        fits({ ...of, pinHash }),
      );
      const changed = { address, pinHash, otpLength, description, createdAt, rolloutState, identifier };
      return write
        .update(token)
        .set({ ...changed, ...NO_TRANSACTION })
        .where(isMeant);
    },

    remove(serial) {
      return [
        write.delete(challenge).where(eq(challenge.serial, serial)),
        write.delete(token).where(eq(token.serial, serial)),
      ] as const;
    },

    reset(serials) {
      return write.update(token).set({ failCount: 0 }).where(among(serials));
    },

    describe(serials, description) {
      return write.update(token).set({ description }).where(among(serials));
    },

    setPin(rows, pinHash) {
      const serials = rows.map(({ serial }) => serial);
      const owners = rows.map(({ userId }) => userId).filter((id) => id !== "");
      const isMeant = or(isOneOf(token.serial, serials), isOneOf(token.userId, owners));
      return write.update(token).set({ pinHash }).where(isMeant);
    },
  };
}

function createStateChanges(write: PluginStore["write"]): StateChanges {
  return {
    setActive(serials, active) {
      const change = active ? { active } : { active, ...NO_TRANSACTION };
      const isMeant = and(among(serials), eq(token.active, !active), eq(token.revoked, false));
      return write.update(token).set(change).where(isMeant);
    },

    revoke(serials) {
      const isMeant = and(among(serials), eq(token.revoked, false));
      return write
        .update(token)
        .set({ revoked: true, active: false, ...NO_TRANSACTION })
        .where(isMeant);
    },

    assign(serial, { id: userId, username, realm }, pinHash) {
      const isMeant = and(
        eq(token.serial, serial),
        inArray(token.userId, ["", userId]),
        fits({ serial, userId, pinHash }),
      );
      return write
        .update(token)
        .set({ userId, username, realm, pinHash, ...NO_TRANSACTION })
        .where(isMeant);
    },

    unassign(serials) {
      return write
        .update(token)
        .set({ userId: "", username: "", realm: "", pinHash: "", ...NO_TRANSACTION })
        .where(and(among(serials), ne(token.userId, "")));
    },

    requireChange() {
      return write.run(sql`INSERT INTO ${token} (serial) SELECT NULL WHERE changes() = 0`);
    },

    voidCodes(serials) {
      return write.delete(challenge).where(
        sql`${isOneOf(challenge.serial, serials)} AND NOT EXISTS (SELECT 1 FROM ${token}
          WHERE ${token.serial} = ${challenge.serial} AND ${token.transactionId} = ${challenge.transactionId})`,
      );
    },
  };
}

const among = (serials: readonly string[]): SQL => isOneOf(token.serial, serials);

/** Whether a token can be one of its user's: none of the others has another PIN, and they are not too many. */
function fits({ serial, userId, pinHash }: Pick<TokenRow, "serial" | "userId" | "pinHash">): SQL {
  const others = sql`FROM email_token_token AS other WHERE other.user_id = ${userId} AND other.serial <> ${serial}`;
  return sql`(NOT EXISTS (SELECT 1 ${others} AND other.pin_hash NOT IN ('', ${pinHash}))
    AND (SELECT count(*) ${others}) < ${MAX_TOKENS_PER_USER})`;
}
