import { sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Limit, LimitPlan, LimitResult, PluginContext } from "../contracts/plugin.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";

/** Counts in the database, so that parallel calls and other processes do not slip through. */
export function createLimit(parts: {
  readonly plugin: string;
  readonly database: Database;
  readonly rateLimits: RateLimitRepository;
  readonly platform: Pick<Platform, "now">;
  readonly mac: (text: string) => Promise<string>;
  readonly isTrustedClient: PluginContext["isTrustedClient"];
}): PluginContext["limit"] {
  const { plugin, database, rateLimits, platform, mac, isTrustedClient } = parts;

  const keyOf = async ({ key }: Limit): Promise<string> => `${plugin}:${await mac(`limit ${key}`)}`;

  async function plan(...limits: readonly Limit[]): Promise<LimitPlan> {
    const now = platform.now();
    const bounds = await Promise.all(
      limits.map(async (limit) => ({
        key: await keyOf(limit),
        max: limit.most,
        windowSeconds: limit.windowSeconds,
      })),
    );
    return {
      count: bounds.map((limit) => rateLimits.consume(limit, now)),
      isWithin: bounds.length === 0 ? sql`true` : rateLimits.isWithin(bounds),
      giveBack: (where) => bounds.map(({ key }) => rateLimits.refund(key, where)),
      result(results) {
        const rows = results.flat() as readonly { readonly failed: number; readonly endsAt: Date }[];
        const full = rows.filter(({ failed }, index) => failed > (bounds[index]?.max ?? 0));
        const endMs = Math.max(now.getTime(), ...full.map(({ endsAt }) => endsAt.getTime()));
        return { allowed: full.length === 0, retryAfterSeconds: Math.ceil((endMs - now.getTime()) / 1_000) };
      },
    };
  }

  async function take(...limits: readonly Limit[]): Promise<LimitResult> {
    const { count, result } = await plan(...limits);
    return result(await database.commit(count));
  }

  return {
    plan,
    take,
    assertAllowed,
    require: async (...limits) => assertAllowed(await take(...limits)),
    async giveBack(...limits) {
      const keys = await Promise.all(limits.map(keyOf));
      await database.commit(keys.map((key) => rateLimits.refund(key)));
    },
    ofClient(c, { key, ...bounds }) {
      if (isTrustedClient(c)) return [];
      const client = c.get("clientAddress");
      return [{ key: `${key} ${client === null ? "unknown" : clientNetwork(client)}`, ...bounds }];
    },
  };
}

function assertAllowed({ allowed, retryAfterSeconds }: LimitResult): void {
  if (allowed) return;
  const message = `Too many attempts: try again in ${retryAfterSeconds} seconds`;
  throw new SealpostError("too_many_tries", message, { retryAfterSeconds });
}
