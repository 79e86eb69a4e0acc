import { and, eq, gt, lte } from "drizzle-orm";
import type { Database, RowsStatement, SelectStatement, WriteStatement } from "../contracts/database.ts";
import { oauthSignIn } from "./schema.ts";

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
  const isOpen = (stateHash: string, now: Date) =>
    and(eq(oauthSignIn.stateHash, stateHash), gt(oauthSignIn.expiresAt, now));
  return {
    find: (stateHash, now) => read.select().from(oauthSignIn).where(isOpen(stateHash, now)),

    insert: (row) => write.insert(oauthSignIn).values(row),

    take: (stateHash, now) => write.delete(oauthSignIn).where(isOpen(stateHash, now)).returning(),

    prune: (now) => write.delete(oauthSignIn).where(lte(oauthSignIn.expiresAt, now)),
  };
}
