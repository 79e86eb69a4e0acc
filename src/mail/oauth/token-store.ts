import * as v from "valibot";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Failure } from "../../domain/delivery.ts";
import { Secret } from "../../domain/secret.ts";
import { SealpostError } from "../../errors.ts";
import { NOTHING_KNOWN, type TokenState } from "../../oauth/token-state.ts";
import { type StoredGrant, TOKEN_LEASE_MS, type TokenStore } from "../../oauth/token-store.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { open, type SealContext, seal } from "../../secrets/seal.ts";
import type { OAuthTokenRepository } from "../../storage/oauth-tokens.ts";

interface TokenStoreDeps {
  readonly database: Pick<Database, "commit">;
  readonly repository: OAuthTokenRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
}

const LEASE_BYTES = 16;
const GIVEN: StoredGrant = { refreshToken: null, version: 0, usedAt: null };
const placeOfState = (key: string): SealContext => ({ table: "oauth_token", row: key, column: "state" });
const placeOfGrant = (given: string): SealContext => ({
  table: "oauth_grant",
  row: given,
  column: "refresh_token",
});

/** Creates the store that keeps tokens encrypted in the database. */
export function createTokenStore({ database, repository, keyring, platform }: TokenStoreDeps): TokenStore {
  const sealed = (secret: Secret | null, place: SealContext) =>
    seal(keyring, secret?.reveal() ?? "", place, platform);
  /** Refresh tokens that the database did not take, by their versions. The endpoint may accept no other. */
  const unstored = new Map<string, { readonly refreshToken: Secret; readonly version: number }>();

  async function grantOf(
    key: string,
    row: Awaited<ReturnType<OAuthTokenRepository["read"]>>["grant"],
  ): Promise<StoredGrant> {
    const stored = row
      ? { version: row.version, usedAt: row.usedAt, refreshToken: await openOrNull(row.refreshToken, key) }
      : GIVEN;
    const own = unstored.get(key);
    // A commit whose response was lost may have been made, and another process may have gone on from there.
    return own === undefined || own.version <= stored.version
      ? stored
      : { ...stored, refreshToken: own.refreshToken };
  }

  async function openOrNull(text: string, grantKey: string): Promise<Secret | null> {
    return text === "" ? null : open(keyring, text, placeOfGrant(grantKey));
  }

  return {
    async read({ key, grantKey }) {
      const { token, grant } = await repository.read(key, grantKey);
      const nowMs = platform.now().getTime();
      const endsMs = token?.leaseEndsAt?.getTime() ?? 0;
      return {
        state: token ? await stateOf(keyring, key, token.state) : NOTHING_KNOWN,
        version: token?.version ?? 0,
        isLeased: endsMs > nowMs && endsMs <= nowMs + TOKEN_LEASE_MS,
        grant: grantKey === null ? null : await grantOf(grantKey, grant),
      };
    },

    async lease(ref, { version }) {
      const now = platform.now();
      const lease = platform.randomBytes(LEASE_BYTES).toHex();
      const leaseEndsAt = new Date(now.getTime() + TOKEN_LEASE_MS);
      const [written] = await database.commit(
        [repository.lease({ ...ref, version }, { lease, leaseEndsAt }, now)],
        { isUrgent: true },
      );
      return written.rowsAffected > 0 ? { ...ref, token: lease } : null;
    },

    async settle({ key, definitionId, grantKey, token }, state, use) {
      const now = platform.now();
      const text = await seal(keyring, JSON.stringify(toJson(state)), placeOfState(key), platform);
      const settled = repository.settle({ key, state: text }, token, now);
      if (grantKey === null || use === null) {
        await database.commit([settled], { isUrgent: true });
        return;
      }
      const { used, next } = use;
      if (next) unstored.set(grantKey, { refreshToken: next, version: used.version + 1 });
      const refreshToken = await sealed(next ?? used.refreshToken, placeOfGrant(grantKey));
      const row = {
        given: grantKey,
        definitionId,
        refreshToken,
        version: used.version + 1,
        usedAt: now,
      };
      await database.commit([repository.useGrant(row), settled, repository.removeOtherGrants(row)], {
        isUrgent: true,
      });
      unstored.delete(grantKey);
    },
  };
}

const json = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    token: v.nullable(v.object({ accessToken: v.string(), obtainedAt: v.number(), lifeMs: v.number() })),
    failed: v.nullable(
      v.object({ failure: v.custom<Failure>(isObject), failedAt: v.number(), count: v.number() }),
    ),
    renewedAt: v.nullable(v.number()),
  }),
);

function toJson({ token, failed, renewedAt }: TokenState): v.InferOutput<typeof json> {
  return { token: token && { ...token, accessToken: token.accessToken.reveal() }, failed, renewedAt };
}

/** Reads a state. One that no key decrypts, or of another version of Sealpost, is unknown. */
async function stateOf(keyring: Keyring, key: string, text: string): Promise<TokenState> {
  if (text === "") return NOTHING_KNOWN;
  const opened = await open(keyring, text, placeOfState(key)).catch((error) => {
    if (error instanceof SealpostError && error.code === "unsealable") return Secret.EMPTY;
    throw error;
  });
  const { success, output } = v.safeParse(json, opened.reveal());
  if (!success) return NOTHING_KNOWN;
  const { token, ...others } = output;
  return { ...others, token: token && { ...token, accessToken: new Secret(token.accessToken) } };
}

/** Returns when the access token of a row ends; `null` if it has none. */
export async function tokenEndOf(
  keyring: Keyring,
  { key, state }: { readonly key: string; readonly state: string },
): Promise<Date | null> {
  const { token } = await stateOf(keyring, key, state);
  return token && new Date(token.obtainedAt + token.lifeMs);
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
