import type { SQL } from "drizzle-orm";
import type { Context } from "hono";
import type { Statement, WriteStatement } from "../database.ts";
import type { Env } from "../env.ts";

export interface RateLimitResult {
  readonly allowed: boolean;
  /** Seconds until it is allowed again, or 0 if it is allowed now. */
  readonly retryAfterSeconds: number;
}

/** Rate limits as parts of a commit, so that counting and deciding are one step. */
export interface RateLimitPlan {
  /** Count one under each key. They go first in the commit, in this order. */
  readonly consume: readonly Statement[];
  /** Whether every limit allows it. For statements after `consume` in the same commit. */
  readonly isWithin: SQL;
  /** Undo the count if a condition holds, or always without a condition. */
  refund(where?: SQL): readonly Statement[];
  /** Value of the placeholder in {@link PluginLimits.isWithin} and {@link PluginLimits.refund}. */
  readonly limits: string;
  /** @param results those of `consume`, in order. */
  result(results: readonly unknown[]): RateLimitResult;
}

/** Counts in the database, so that parallel requests and other processes cannot exceed a limit. */
export interface PluginLimits {
  /** Whether the limits of a plan allow it. For statements that are prepared once: has the placeholder `limits`. */
  readonly isWithin: SQL;
  /** Undoes the count of a plan if a condition holds. To be prepared once: has the placeholder `limits`. */
  refund(where: SQL): WriteStatement;
  /** Prepares limits as parts of a commit. */
  plan(...limits: readonly RateLimit[]): Promise<RateLimitPlan>;
  /**
   * Prepares limits of which each counts only what those before it allow. With a client's share first, one client cannot
   * use up a limit that others depend on.
   */
  planInOrder(...limits: readonly RateLimit[]): Promise<RateLimitPlan>;
  /**
   * Counts one under every key in a commit of its own. Rejected attempts count as well.
   * @throws {SealpostError} `too_many_tries` with `Retry-After`.
   */
  consume(...limits: readonly RateLimit[]): Promise<void>;
  /** @throws {SealpostError} `too_many_tries` with `Retry-After`, unless the result is allowed. */
  assertAllowed(result: RateLimitResult): void;
  /**
   * Returns the limit for the client of a request, to be spread into a list of limits, or an empty list for a trusted
   * client. An IPv6 client counts as its /64, and unknown clients count together.
   */
  perClient(c: Context<Env>, limit: RateLimit): readonly RateLimit[];
  /** Whether the client is in `SEALPOST_TRUSTED_CLIENTS`, which exempts it from limits per client. */
  isTrustedClient(c: Context<Env>): boolean;
}

/** At most `max` events under a key within a window. */
export interface RateLimit {
  /** Identifies what is counted, such as `mail:ann@example.org`. Plugins' keys are stored as keyed hashes. */
  readonly key: string;
  readonly max: number;
  readonly windowSeconds: number;
}
