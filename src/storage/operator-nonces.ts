import { lt } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import { operatorNonce } from "./schema.ts";

/** Longer than a call is accepted, whatever the clock does meanwhile. */
const KEEP_MS = 3_600_000;

/** Nonces of calls with the operator key, so that none is accepted twice. Writes are unexecuted statements for `commit`. */
interface OperatorNonceRepository {
  /** Affects no row if the nonce was used before. */
  use(nonce: string, now: Date): WriteStatement;
  /** Deletes nonces of calls that are too old to be accepted again. */
  prune(now: Date): WriteStatement;
}

export function createOperatorNonceRepository({ write }: Database): OperatorNonceRepository {
  return {
    use: (nonce, now) =>
      write
        .insert(operatorNonce)
        .values({ nonce, expiresAt: new Date(now.getTime() + KEEP_MS) })
        .onConflictDoNothing(),

    prune: (now) => write.delete(operatorNonce).where(lt(operatorNonce.expiresAt, now)),
  };
}
