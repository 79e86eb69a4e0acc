import { setTimeout } from "node:timers/promises";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { RateLimit } from "../contracts/plugin/limits.ts";
import type { AuditEntry } from "../domain/audit.ts";
import { MAX_CLOCK_SKEW_MS } from "../domain/clock.ts";
import { SealpostError } from "../errors.ts";
import type { AttemptSlotRepository } from "../storage/attempt-slots.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { RateLimitRepository, RateLimitWindow } from "../storage/rate-limits.ts";

/** `withdrawn`: there is no verdict, so nothing counts. */
type AttemptOutcome = "failed" | "succeeded" | "withdrawn";

/** An attempt with a slot under each of its limits. */
interface ReservedAttempt {
  /**
   * Counts a failure and frees the slots. Only then may the caller reveal the verdict.
   * @param record the audit row of the verdict, committed with it.
   * @throws {SealpostError} `too_many_tries` if the slots have expired and other attempts have used up the limit.
   */
  finish(outcome: AttemptOutcome, record?: AuditRecord): Promise<void>;
}

/** An audit row. Rows with the same share key are one row with a count. */
export interface AuditRecord {
  readonly entry: AuditEntry;
  readonly shareKey?: string;
}

/** @throws {SealpostError} `too_many_tries`. */
export type ReserveAttempt = (limits: readonly RateLimit[]) => Promise<ReservedAttempt>;

/** Waits of an attempt for undecided ones: 5 s in all, with fewer commits the longer it takes. */
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
  readonly rateLimits: RateLimitRepository;
  readonly audit: AuditRepository;
  readonly platform: Platform;
  readonly newId: () => string;
}): ReserveAttempt {
  const { database, slots, rateLimits, audit, platform, newId } = deps;

  async function finish(
    attempt: string,
    limits: readonly RateLimit[],
    outcome: AttemptOutcome,
    record?: AuditRecord,
  ): Promise<void> {
    const now = platform.now();
    const release = slots.release(attempt);
    if (outcome === "failed") {
      const counts = limits.map((limit) => rateLimits.consume(limit, now));
      const recorded = record === undefined ? [] : [audit.count(record.entry, record.shareKey ?? newId())];
      const results = await database.commit([release, ...counts, ...recorded]);
      const windows = results.slice(1, 1 + counts.length) as readonly RateLimitWindow[][];
      assertWithin(
        limits.map((limit) => ({ ...limit, max: limit.max + 1 })),
        windows.flat(),
        now,
      );
      return;
    }
    // Where the slots have expired, the record waits for the limits.
    const recorded = record === undefined ? [] : [audit.insertIfChanged(record.entry)];
    const [released, windows] = await database.commit([release, rateLimits.windows(limits), ...recorded]);
    if (outcome !== "succeeded" || released.rowsAffected === limits.length) return;
    assertWithin(limits, windows, now);
    if (record !== undefined) await database.append(audit.insert(record.entry));
  }

  return async (limits) => {
    for (const waitMs of [...WAITS_MS, null]) {
      const attempt = newId();
      const now = platform.now();
      const [, reserved, windows] = await database.commit([
        ...slots.reserve(attempt, limits, now),
        rateLimits.windows(limits),
      ]);
      if (reserved.rowsAffected > 0) {
        return { finish: (outcome, record) => finish(attempt, limits, outcome, record) };
      }
      assertWithin(limits, windows, now);
      if (waitMs !== null) await setTimeout(waitMs);
    }
    throw tooManyAttempts(UNDECIDED_RETRY_SECONDS);
  };
}

/** @throws {SealpostError} `too_many_tries` with the time until the last full window ends. */
export function assertWithin(
  limits: readonly RateLimit[],
  windows: readonly RateLimitWindow[],
  now: Date,
): void {
  const leftMs = limits.map(({ key, max, windowSeconds }) => {
    const window = windows.find((candidate) => candidate.key === key);
    if (window === undefined || window.failed < max) return 0;
    const ms = window.endsAt.getTime() - now.getTime();
    // A window that ends later was created before the clock was set back.
    return ms <= windowSeconds * 1_000 + MAX_CLOCK_SKEW_MS ? ms : 0;
  });
  const longestMs = Math.max(0, ...leftMs);
  if (longestMs > 0) throw tooManyAttempts(Math.ceil(longestMs / 1_000));
}

function tooManyAttempts(seconds: number): SealpostError {
  return new SealpostError(
    "too_many_tries",
    `Too many attempts: try again in ${seconds} ${seconds === 1 ? "second" : "seconds"}`,
    {
      retryAfterSeconds: seconds,
    },
  );
}
