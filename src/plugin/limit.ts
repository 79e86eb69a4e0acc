import type { Platform } from "../contracts/platform.ts";
import type { Limit, LimitResult, PluginContext } from "../contracts/plugin.ts";
import { clientNetwork } from "../domain/network.ts";
import { SealpostError } from "../errors.ts";
import type { Database } from "../storage/database.ts";
import type { TryRepository } from "../storage/tries.ts";

/** Counts in the database, so that parallel calls and other processes do not slip through. */
export function createLimit(parts: {
  readonly plugin: string;
  readonly database: Database;
  readonly tries: TryRepository;
  readonly platform: Pick<Platform, "now">;
  readonly mac: (text: string) => Promise<string>;
  readonly isTrustedClient: PluginContext["isTrustedClient"];
}): PluginContext["limit"] {
  const { plugin, database, tries, platform, mac, isTrustedClient } = parts;

  async function take(...limits: readonly Limit[]): Promise<LimitResult> {
    const now = platform.now();
    const keys = await Promise.all(limits.map(({ key }) => mac(`limit ${key}`)));
    const statements = limits.map(({ most, windowSeconds }, at) => {
      const endsAt = new Date(now.getTime() + windowSeconds * 1_000);
      return tries.take(`${plugin}:${keys[at]}`, most, now, endsAt);
    });
    const rows = (await database.commit(statements)).flat();
    const full = rows.filter(({ failed }, at) => failed > (limits[at]?.most ?? 0));
    const endMs = Math.max(now.getTime(), ...full.map(({ endsAt }) => endsAt.getTime()));
    return { allowed: full.length === 0, retryAfterSeconds: Math.ceil((endMs - now.getTime()) / 1_000) };
  }

  return {
    take,
    async require(...limits) {
      const { allowed, retryAfterSeconds } = await take(...limits);
      if (allowed) return;
      throw new SealpostError(
        "too_many_tries",
        `Too many attempts: try again in ${retryAfterSeconds} seconds`,
        {
          retryAfterSeconds,
        },
      );
    },
    async giveBack(...limits) {
      const keys = await Promise.all(limits.map(({ key }) => mac(`limit ${key}`)));
      await database.commit(keys.map((key) => tries.giveBack(`${plugin}:${key}`)));
    },
    ofClient(c, { key, ...bounds }) {
      if (isTrustedClient(c)) return [];
      const client = c.get("clientAddress");
      return [{ key: `${key} ${client === null ? "unknown" : clientNetwork(client)}`, ...bounds }];
    },
  };
}
