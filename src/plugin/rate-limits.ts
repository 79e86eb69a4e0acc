import { and, sql } from "drizzle-orm";
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

  async function plan(...limits: readonly RateLimit[]): Promise<RateLimitPlan> {
    const now = platform.now();
    const hashed = await Promise.all(
      limits.map(async (limit) => ({ ...limit, key: `${plugin}:${await mac(`limit ${limit.key}`)}` })),
    );
    return {
      consume: hashed.map((limit) => rateLimits.consume(limit, now)),
      isWithin: hashed.length === 0 ? sql`true` : rateLimits.isWithin(hashed),
      refund: (where) => hashed.map(({ key }) => rateLimits.refund(key, where)),
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

  return {
    plan,
    planInOrder: async (...limits) => inOrder(await Promise.all(limits.map((limit) => plan(limit)))),
    async consume(...limits) {
      const { consume, result } = await plan(...limits);
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

/** Combines plans of one limit each. A limit takes its count back if one before it is exceeded. */
function inOrder(plans: readonly RateLimitPlan[]): RateLimitPlan {
  const allWithin = (some: readonly RateLimitPlan[]) =>
    and(...some.map(({ isWithin }) => isWithin)) ?? sql`true`;
  const refunds = plans
    .slice(1)
    .flatMap((later, index) => later.refund(sql`NOT (${allWithin(plans.slice(0, index + 1))})`));
  return {
    consume: [...plans.flatMap(({ consume }) => consume), ...refunds],
    isWithin: allWithin(plans),
    refund: (where) => plans.flatMap(({ refund }) => refund(where)),
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
