import { and, eq, gt, lte } from "drizzle-orm";
import type { Database, RowsStatement, SelectStatement, WriteStatement } from "../contracts/database.ts";
import { MAX_CLOCK_SKEW_MS } from "../domain/clock.ts";
import { oauthSignIn } from "./schema.ts";

/** Lifetime of a sign-in. */
export const SIGN_IN_MS = 10 * 60_000;

/** A sign-in that waits for its redirect. The code verifier is sealed. */
export type SignInRow = typeof oauthSignIn.$inferSelect;

/** Sign-ins by the hash of their state. Writes are unexecuted statements for `commit`. */
export interface SignInRepository {
  /** Selects the sign-in of a state, unless it has expired. */
  find(stateHash: string, now: Date): SelectStatement<SignInRow>;
  insert(row: SignInRow): WriteStatement;
  /** Deletes and returns a sign-in that has not expired: of several callers one gets the row. */
  take(stateHash: string, now: Date): RowsStatement<SignInRow>;
  /** Deletes the sign-ins that have expired. */
  prune(now: Date): WriteStatement;
}

export function createSignInRepository({ read, write }: Database): SignInRepository {
  const isOpen = (stateHash: string, now: Date) => {
    // A state must not live longer because the clock was set back.
    const latest = new Date(now.getTime() + SIGN_IN_MS + MAX_CLOCK_SKEW_MS);
    const { expiresAt } = oauthSignIn;
    return and(eq(oauthSignIn.stateHash, stateHash), gt(expiresAt, now), lte(expiresAt, latest));
  };
  return {
    find: (stateHash, now) => read.select().from(oauthSignIn).where(isOpen(stateHash, now)),

    insert: (row) => write.insert(oauthSignIn).values(row),

    take: (stateHash, now) => write.delete(oauthSignIn).where(isOpen(stateHash, now)).returning(),

    prune: (now) => write.delete(oauthSignIn).where(lte(oauthSignIn.expiresAt, now)),
  };
}
