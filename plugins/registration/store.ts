import { and, eq, gt, lt, lte, sql } from "drizzle-orm";
import type { Database } from "sealpost";
import { MOST_VALID_SECONDS } from "./config.ts";
import { type PendingRow, pending } from "./tables.ts";

/** Wrong codes until a registration is void. */
export const MOST_TRIES = 5;

/** How far the clocks of machines on one database may differ. */
const CLOCK_SKEW_MS = 60_000;

export type PendingRepository = ReturnType<typeof createPendingRepository>;

/** Registrations that wait. What writes is an unexecuted statement for `commit`. */
export function createPendingRepository({ write }: Pick<Database, "write">) {
  return {
    insert(row: Omit<PendingRow, "tries" | "confirmedBy">) {
      return write.insert(pending).values({ ...row, tries: 0, confirmedBy: "" });
    },

    /** Tries a code: a wrong one is counted in the same statement. Returns the row if it still waits. */
    tryCode(id: string, codeMac: string, now: Date) {
      const waits = and(
        eq(pending.confirmedBy, ""),
        lt(pending.tries, MOST_TRIES),
        gt(pending.expiresAt, now),
        // A clock that was put back lets no code live longer.
        lte(pending.expiresAt, new Date(now.getTime() + MOST_VALID_SECONDS * 1_000 + CLOCK_SKEW_MS)),
      );
      return write
        .update(pending)
        .set({ tries: sql`${pending.tries} + (${pending.codeMac} <> ${codeMac})` })
        .where(and(eq(pending.id, id), waits))
        .returning();
    },

    /** Ends one that waits, and forgets whom it was about. */
    confirm(id: string, confirmedBy: string) {
      const forgotten = { email: "", phone: "", givenname: "", surname: "", passwordHash: "", codeMac: "" };
      return write
        .update(pending)
        .set({ ...forgotten, confirmedBy })
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, "")));
    },

    /** Selects a registration that a request has confirmed. */
    confirmedBy: (id: string, request: string) => (database: Database["read"]) =>
      database
        .select({ id: pending.id })
        .from(pending)
        .where(and(eq(pending.id, id), eq(pending.confirmedBy, request))),

    remove(id: string) {
      return write.delete(pending).where(eq(pending.id, id));
    },

    /** Deletes what has expired. */
    prune(now: Date) {
      return write.delete(pending).where(lt(pending.expiresAt, now));
    },
  };
}
