import { and, eq, gt, inArray, isNotNull, sql } from "drizzle-orm";
import type { Database } from "./database.ts";
import { serverHealth } from "./schema.ts";

export type ServerHealthRow = typeof serverHealth.$inferSelect;
export type ServerHealthRepository = ReturnType<typeof createServerHealthRepository>;

/** What is known of definitions whose server is down. What writes is an unexecuted statement for `commit`. */
export function createServerHealthRepository({ read, write }: Database) {
  return {
    async find(identifier: string): Promise<ServerHealthRow | undefined> {
      return read.select().from(serverHealth).where(eq(serverHealth.identifier, identifier)).get();
    },

    /** Which of these definitions have an open circuit, or one that is being tried. */
    async open(identifiers: readonly string[]): Promise<Set<string>> {
      const rows = await read
        .select({ identifier: serverHealth.identifier })
        .from(serverHealth)
        .where(and(inArray(serverHealth.identifier, [...identifiers]), isNotNull(serverHealth.openUntil)));
      return new Set(rows.map(({ identifier }) => identifier));
    },

    /** Adds failures to the row, or makes it; returns the row as it is then. */
    fail(
      identifier: string,
      failure: { readonly phase: string; readonly code: string },
      times: number,
      now: Date,
    ) {
      const { phase, code } = failure;
      return write
        .insert(serverHealth)
        .values({
          identifier,
          failures: times,
          opens: 0,
          openUntil: null,
          since: now,
          failedAt: now,
          phase,
          code,
        })
        .onConflictDoUpdate({
          target: serverHealth.identifier,
          set: { failures: sql`${serverHealth.failures} + ${times}`, failedAt: now, phase, code },
        })
        .returning();
    },

    /** Has those tried that a clock that was wrong has kept open beyond `latest`. */
    rescue(now: Date, latest: Date) {
      return write.update(serverHealth).set({ openUntil: now }).where(gt(serverHealth.openUntil, latest));
    },

    /** Opens the circuit, or keeps it open for longer; affects no row if somebody else did so since it was read. */
    trip(row: Pick<ServerHealthRow, "identifier" | "opens">, until: Date) {
      return write
        .update(serverHealth)
        .set({ opens: row.opens + 1, openUntil: until })
        .where(sql`${serverHealth.identifier} = ${row.identifier} AND ${serverHealth.opens} = ${row.opens}`);
    },

    /** Lets one caller try whether the server is back; affects no row if another one was first. */
    probe(identifier: string, now: Date, until: Date) {
      return write
        .update(serverHealth)
        .set({ openUntil: until })
        .where(
          sql`${serverHealth.identifier} = ${identifier} AND ${serverHealth.openUntil} <= ${now.getTime()}`,
        );
    },

    /** All is well again; returns what was known. */
    clear(identifier: string) {
      return write.delete(serverHealth).where(eq(serverHealth.identifier, identifier)).returning();
    },
  };
}
