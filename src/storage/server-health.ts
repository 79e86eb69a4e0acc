import { and, count, eq, gt, inArray, isNotNull, isNull, lte, or, type SQL, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { mail, serverHealth } from "./schema.ts";

export type ServerHealthRow = typeof serverHealth.$inferSelect;
export type ServerHealthRepository = ReturnType<typeof createServerHealthRepository>;

/** A failure as far as the health of a server goes. */
export interface HealthFailure {
  readonly phase: string;
  readonly code: string;
}

/** A probe that one worker runs. */
export interface ProbeRef {
  readonly identifier: string;
  /** No two probes have the same. */
  readonly token: string;
}

/** Clocks of several machines differ by less. */
const CLOCK_TOLERANCE_MS = 5_000;

/** The health of servers that failed lately; no row: healthy. What writes is an unexecuted statement for `commit`. */
export function createServerHealthRepository({ read, write }: Database) {
  const isOf = (identifier: string) => eq(serverHealth.identifier, identifier);
  const isProbedBy = ({ identifier, token }: ProbeRef) =>
    and(isOf(identifier), eq(serverHealth.probe, token));
  const change = (
    set: Parameters<ReturnType<typeof write.update<typeof serverHealth>>["set"]>[0],
    where?: SQL,
  ) => write.update(serverHealth).set(set).where(where);
  return {
    async find(identifier: string): Promise<ServerHealthRow | undefined> {
      return read.select().from(serverHealth).where(isOf(identifier)).get();
    },

    /** The row, and how many messages wait for the definition or are being sent through it. */
    async findWithWaiting(
      identifier: string,
    ): Promise<{ readonly row: ServerHealthRow | undefined; readonly waiting: number }> {
      const isOnItsWay = and(eq(mail.queueName, identifier), isNotNull(mail.dueAt));
      const [[row], [counted]] = await read.batch([
        read.select().from(serverHealth).where(isOf(identifier)),
        read.select({ waiting: count() }).from(mail).where(isOnItsWay),
      ]);
      return { row, waiting: counted?.waiting ?? 0 };
    },

    /** Which of these definitions have an open circuit, or one that is being probed. */
    async open(identifiers: readonly string[]): Promise<Set<string>> {
      const rows = await read
        .select({ identifier: serverHealth.identifier })
        .from(serverHealth)
        .where(and(inArray(serverHealth.identifier, [...identifiers]), isNotNull(serverHealth.openUntil)));
      return new Set(rows.map(({ identifier }) => identifier));
    },

    /** Adds a failure to the row, or inserts it; returns the row as it is then. */
    fail(identifier: string, { phase, code }: HealthFailure, now: Date) {
      const failed = { failedAt: now, phase, code };
      return write
        .insert(serverHealth)
        .values({ identifier, failures: 1, opens: 0, openUntil: null, since: now, probe: null, ...failed })
        .onConflictDoUpdate({
          target: serverHealth.identifier,
          set: { failures: sql`${serverHealth.failures} + 1`, ...failed },
        })
        .returning();
    },

    /** Opens the circuit; affects no row if it is open. */
    trip: (identifier: string, until: Date) =>
      change({ opens: 1, openUntil: until }, and(isOf(identifier), isNull(serverHealth.openUntil))),

    /** Leases the probe that is due to one worker, and returns the row; none if it is not due, or another was first. */
    claimProbe: ({ identifier, token }: ProbeRef, now: Date, leaseEndsAt: Date) =>
      change(
        { probe: token, openUntil: leaseEndsAt },
        and(isOf(identifier), lte(serverHealth.openUntil, now)),
      ).returning(),

    /** Keeps the circuit open after a probe; affects no row if the probe is another's by now. */
    failProbe: (
      probe: ProbeRef,
      { phase, code }: HealthFailure,
      to: { opens: number; until: Date },
      now: Date,
    ) =>
      change(
        {
          ...{ failures: sql`${serverHealth.failures} + 1`, failedAt: now, phase, code },
          ...{ opens: to.opens, openUntil: to.until, probe: null },
        },
        isProbedBy(probe),
      ),

    /** Ends a probe without a result; the next one is due then. */
    releaseProbe: (probe: ProbeRef, dueAt: Date) =>
      change({ openUntil: dueAt, probe: null }, isProbedBy(probe)),

    /** Closes the circuit after a probe; returns no row if the probe is another's by now. */
    closeByProbe: (probe: ProbeRef) => write.delete(serverHealth).where(isProbedBy(probe)).returning(),

    /** Deletes what is known of a definition, and returns it. */
    clear: (identifier: string) => write.delete(serverHealth).where(isOf(identifier)).returning(),

    /** Forgets failures that have not opened the circuit. */
    clearIfClosed: (identifier: string) =>
      write.delete(serverHealth).where(and(isOf(identifier), isNull(serverHealth.openUntil))),

    /** Makes the probe of an open circuit due, whatever the result of one that runs. */
    makeProbeDue: (identifier: string, now: Date) =>
      change(
        { opens: 1, openUntil: now, probe: null },
        and(isOf(identifier), isNotNull(serverHealth.openUntil)),
      ),

    /**
     * Makes probes due that a clock jump has put off: those of circuits opened in what is now the future, and those
     * later than any.
     */
    recoverFromClockJump(now: Date, latest: { readonly probe: Date; readonly lease: Date }) {
      const isPutOff = or(
        gt(serverHealth.failedAt, new Date(now.getTime() + CLOCK_TOLERANCE_MS)),
        gt(serverHealth.openUntil, latest.probe),
        and(isNotNull(serverHealth.probe), gt(serverHealth.openUntil, latest.lease)),
      );
      return change({ openUntil: now, probe: null }, and(isNotNull(serverHealth.openUntil), isPutOff));
    },
  };
}
