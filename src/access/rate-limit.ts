import { setTimeout } from "node:timers/promises";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { AuditEntry } from "../domain/audit.ts";
import { SealpostError } from "../errors.ts";
import type { AttemptLimit, AttemptSlotRepository } from "../storage/attempt-slots.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { CLOCK_SKEW_MS, type TryRepository } from "../storage/rate-limits.ts";

/** `withdrawn`: there was no verdict, so nothing is counted. */
export type AttemptOutcome = "failed" | "succeeded" | "withdrawn";

/** An attempt with a slot under each of its limits. */
export interface ReservedAttempt {
  /**
   * Counts a failure, and frees the slots. The verdict may be given only after that.
   * @param record the audit row of the verdict, committed with it.
   * @throws {SealpostError} `too_many_tries` if the slots have expired and others have used up the limit meanwhile.
   */
  settle(outcome: AttemptOutcome, record?: AuditRecord): Promise<void>;
}

/** An audit row; with a share key one is added to the row of that key. */
export interface AuditRecord {
  readonly entry: AuditEntry;
  readonly shareKey?: string;
}

/** @throws {SealpostError} `too_many_tries`. */
export type ReserveAttempt = (
  limits: readonly AttemptLimit[],
  windowSeconds: number,
) => Promise<ReservedAttempt>;

/** How long an attempt waits for undecided ones: 5 s in all, with fewer commits the longer it takes. */
const WAITS_MS = [100, 200, 300, 400, ...Array<number>(8).fill(500)];
/** Undecided attempts are decided soon. */
const UNDECIDED_RETRY_SECONDS = 1;

/**
 * Creates the login rate limiter. Each attempt reserves a slot in the database first, so parallel attempts cannot exceed
 * the limit. If only undecided attempts use it up, the attempt waits for them.
 */
export function createReserveAttempt(deps: {
  readonly database: Database;
  readonly slots: AttemptSlotRepository;
  readonly tries: TryRepository;
  readonly audit: AuditRepository;
  readonly platform: Platform;
  readonly newId: () => string;
}): ReserveAttempt {
  const { database, slots, tries, audit, platform, newId } = deps;

  async function settle(
    attempt: string,
    limits: readonly AttemptLimit[],
    windowSeconds: number,
    outcome: AttemptOutcome,
    record?: AuditRecord,
  ): Promise<void> {
    const now = platform.now();
    const endsAt = new Date(now.getTime() + windowSeconds * 1_000);
    const release = slots.release(attempt);
    if (outcome === "failed") {
      const counts = limits.map(({ key, max }) => tries.take(key, max, now, endsAt));
      const recorded = record === undefined ? [] : [audit.count(record.entry, record.shareKey ?? newId())];
      const results = await database.commit([release, ...counts, ...recorded]);
      const windows = results.slice(1, 1 + counts.length) as readonly FailureWindow[][];
      assertWithin(
        limits.map(({ key, max }) => ({ key, max: max + 1 })),
        windows.flat(),
        now,
        windowSeconds,
      );
      return;
    }
    // Where the slots have expired, the record waits for the limits.
    const recorded = record === undefined ? [] : [audit.insertIfChanged(record.entry)];
    const [released, windows] = await database.commit([release, slots.windows(limits), ...recorded]);
    if (outcome !== "succeeded" || released.rowsAffected === limits.length) return;
    assertWithin(limits, windows, now, windowSeconds);
    if (record !== undefined) await database.append(audit.insert(record.entry));
  }

  return async (limits, windowSeconds) => {
    for (const waitMs of [...WAITS_MS, null]) {
      const attempt = newId();
      const now = platform.now();
      const [, reserved, windows] = await database.commit(slots.reserve(attempt, limits, now, windowSeconds));
      if (reserved.rowsAffected > 0) {
        return { settle: (outcome, record) => settle(attempt, limits, windowSeconds, outcome, record) };
      }
      assertWithin(limits, windows, now, windowSeconds);
      if (waitMs !== null) await setTimeout(waitMs);
    }
    throw tooManyAttempts(UNDECIDED_RETRY_SECONDS);
  };
}

interface FailureWindow {
  readonly key: string;
  readonly failed: number;
  readonly endsAt: Date;
}

/** @throws {SealpostError} `too_many_tries` with the time until the last full window ends. */
function assertWithin(
  limits: readonly AttemptLimit[],
  windows: readonly FailureWindow[],
  now: Date,
  windowSeconds: number,
): void {
  const latestMs = windowSeconds * 1_000 + CLOCK_SKEW_MS;
  const leftMs = windows
    .filter(({ key, failed }) => failed >= (limits.find((limit) => limit.key === key)?.max ?? 0))
    .map(({ endsAt }) => endsAt.getTime() - now.getTime())
    .filter((ms) => ms > 0 && ms <= latestMs);
  if (leftMs.length > 0) throw tooManyAttempts(Math.ceil(Math.max(...leftMs) / 1_000));
}

function tooManyAttempts(seconds: number): SealpostError {
  return new SealpostError("too_many_tries", `Too many attempts: try again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}
