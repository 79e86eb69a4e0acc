import { sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { PluginLimits, RateLimit, RateLimitPlan, RateLimitResult } from "../contracts/plugin/limits.ts";
import { type CidrBlock, clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";

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
    const limits = JSON.stringify(hashed.map(({ key, max }) => ({ key, max })));
    return {
      limits,
      consume: hashed.map((limit) => rateLimits.consume(limit, now)),
      isWithin: rateLimits.isWithin(limits),
      refund: (where = sql`true`) => (hashed.length === 0 ? [] : [rateLimits.refund(limits, where)]),
      result(results) {
        const rows = results.flat() as readonly { readonly failed: number; readonly endsAt: Date }[];
        const full = rows.filter(({ failed }, index) => failed > (hashed[index]?.max ?? 0));
        const endMs = Math.max(now.getTime(), ...full.map(({ endsAt }) => endsAt.getTime()));
        return { allowed: full.length === 0, retryAfterSeconds: Math.ceil((endMs - now.getTime()) / 1_000) };
      },
    };
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
    async planInOrder(...limits) {
      const hashed = await withHashedKeys(limits);
      return inOrder(hashed, planOf);
    },
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

/** Plans limits so that each takes its count back if one before it is exceeded. */
function inOrder(
  limits: readonly RateLimit[],
  planOf: (limits: readonly RateLimit[]) => RateLimitPlan,
): RateLimitPlan {
  const whole = planOf(limits);
  const plans = limits.map((limit) => planOf([limit]));
  const refunds = plans
    .slice(1)
    .flatMap((later, index) => later.refund(sql`NOT (${planOf(limits.slice(0, index + 1)).isWithin})`));
  return {
    ...whole,
    consume: [...whole.consume, ...refunds],
    result(results) {
      const counted = plans.map(({ result }, index) => result(results.slice(index, index + 1)));
      return {
        allowed: counted.every(({ allowed }) => allowed),
        retryAfterSeconds: Math.max(0, ...counted.map(({ retryAfterSeconds }) => retryAfterSeconds)),
      };
    },
  };
}

function assertAllowed({ allowed, retryAfterSeconds }: RateLimitResult): void {
  if (allowed) return;
  const message = `Too many attempts: try again in ${retryAfterSeconds} seconds`;
  throw new SealpostError("too_many_tries", message, { retryAfterSeconds });
}
