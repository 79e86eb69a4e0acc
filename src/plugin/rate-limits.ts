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

function assertAllowed({ allowed, retryAfterSeconds }: RateLimitResult): void {
  if (allowed) return;
  const message = `Too many attempts: try again in ${retryAfterSeconds} seconds`;
  throw new SealpostError("too_many_tries", message, { retryAfterSeconds });
}
