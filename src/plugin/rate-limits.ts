import { sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { PluginLimits, RateLimit, RateLimitPlan, RateLimitResult } from "../contracts/plugin/limits.ts";
import { type CidrBlock, clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import type { RateLimitRepository, RateLimitWindow } from "../storage/rate-limits.ts";

/** Creates the rate limits of one plugin. Their keys are stored as keyed hashes. */
export function createPluginLimits(deps: {
  readonly plugin: string;
  readonly database: Database;
  readonly rateLimits: RateLimitRepository;
  readonly platform: Pick<Platform, "now">;
  readonly mac: (text: string) => Promise<string>;
  readonly trustedClients: readonly CidrBlock[];
}): PluginLimits {
  const { plugin, database, rateLimits, platform, mac, trustedClients } = deps;

  function withHashedKeys(limits: readonly RateLimit[]): Promise<readonly RateLimit[]> {
    const hashed = limits.map(async (limit) => ({
      ...limit,
      key: `${plugin}:${await mac(`limit ${limit.key}`)}`,
    }));
    return Promise.all(hashed);
  }

  function planOf(hashed: readonly RateLimit[]): RateLimitPlan {
    const now = platform.now();
    const limits = toJson(hashed);
    return {
      limits,
      consume: hashed.map((limit) => rateLimits.consume(limit, now)),
      isWithin: rateLimits.isWithin(limits),
      refund: (where = sql`true`) => (hashed.length === 0 ? [] : [rateLimits.refund(limits, where)]),
      result(results) {
        const rows = results.slice(0, hashed.length).flat() as readonly RateLimitWindow[];
        const full = rows.filter(({ failed }, index) => failed > (hashed[index]?.max ?? 0));
        const endMs = Math.max(now.getTime(), ...full.map(({ endsAt }) => endsAt.getTime()));
        return { allowed: full.length === 0, retryAfterSeconds: Math.ceil((endMs - now.getTime()) / 1_000) };
      },
    };
  }

  /** Each limit takes its count back if one before it is exceeded. */
  function planInOrder(hashed: readonly RateLimit[]): RateLimitPlan {
    const plan = planOf(hashed);
    const refunds = hashed.slice(1).map((limit, index) => {
      const isWithin = rateLimits.isWithin(toJson(hashed.slice(0, index + 1)));
      return rateLimits.refund(toJson([limit]), sql`NOT (${isWithin})`);
    });
    return { ...plan, consume: [...plan.consume, ...refunds] };
  }

  const isTrustedClient: PluginLimits["isTrustedClient"] = (c) => {
    const client = c.get("clientAddress");
    return client !== null && trustedClients.some((block) => block.contains(client));
  };

  const placeholder = sql.placeholder("limits");
  return {
    isWithin: rateLimits.isWithin(placeholder),
    refund: (where) => rateLimits.refund(placeholder, where),
    plan: async (...limits) => planOf(await withHashedKeys(limits)),
    planInOrder: async (...limits) => planInOrder(await withHashedKeys(limits)),
    async consume(...limits) {
      const { consume, result } = planOf(await withHashedKeys(limits));
      assertAllowed(result(await database.commit(consume)));
    },
    assertAllowed,
    perClient(c, { key, ...bounds }) {
      if (isTrustedClient(c)) return [];
      const client = c.get("clientAddress");
      return [{ key: `${key} ${client === null ? "unknown" : clientNetwork(client)}`, ...bounds }];
    },
    isTrustedClient,
  };
}

/** Keys and maxima, as the statements take them. */
function toJson(limits: readonly RateLimit[]): string {
  return JSON.stringify(limits.map(({ key, max }) => ({ key, max })));
}

function assertAllowed({ allowed, retryAfterSeconds }: RateLimitResult): void {
  if (allowed) return;
  const message = `Too many attempts: try again in ${retryAfterSeconds} seconds`;
  throw new SealpostError("too_many_tries", message, { retryAfterSeconds });
}
