import { sign, verify } from "hono/utils/jwt/jwt";
import * as v from "valibot";
import type { Platform } from "../contracts/platform.ts";
import { BoundedCache } from "../domain/cache.ts";
import { MAX_CLOCK_SKEW_MS } from "../domain/clock.ts";
import { SealpostError } from "../errors.ts";

const ALGORITHM = "HS256";
/** 40 hexadecimal digits, as in privacyIDEA. */
const NONCE_BYTES = 20;

/** Verified signatures to cache: about as many as tokens in use at the same time. */
const MAX_VERIFIED = 100;

const claimsSchema = v.object({
  username: v.string(),
  realm: v.string(),
  role: v.string(),
  nonce: v.string(),
  authtype: v.string(),
  rights: v.array(v.string()),
  /** Seconds since the epoch. */
  iat: v.number(),
  exp: v.number(),
  /** The admin's ID and password generation. Tokens of other roles have none. */
  admin_id: v.optional(v.string(), ""),
  generation: v.optional(v.number(), 0),
});
type TokenClaims = v.InferOutput<typeof claimsSchema>;

/** Signs and verifies the JSON Web Tokens of admins (RFC 7519, HS256). */
export interface AdminTokens {
  issue(claims: Omit<TokenClaims, "iat" | "exp" | "nonce" | "authtype">): Promise<string>;
  /** @throws {SealpostError} `bad_token` or `expired_token`. */
  read(token: string): Promise<TokenClaims>;
}

export function createAdminTokens(deps: {
  /** Returns the HMAC-SHA-256 key, which comes from the database and is not there before the start. */
  readonly key: () => CryptoKey;
  readonly lifetimeSeconds: number;
  readonly platform: Platform;
}): AdminTokens {
  const { key, lifetimeSeconds, platform } = deps;
  const nowSeconds = () => Math.floor(platform.now().getTime() / 1000);
  /** Claims by token, for valid signatures: a signature stays valid as long as its key is in use. */
  let verified = { key: null as CryptoKey | null, claims: new BoundedCache<TokenClaims>(MAX_VERIFIED) };

  async function claimsOf(token: string): Promise<TokenClaims> {
    const inUse = key();
    if (verified.key !== inUse) verified = { key: inUse, claims: new BoundedCache(MAX_VERIFIED) };
    // A renewal replaces it, so that a check that started before cannot store a token of the old key.
    const { claims: current } = verified;
    const known = current.get(token);
    if (known) return known;
    const claims = await checkSignature(token, inUse);
    current.set(token, claims);
    return claims;
  }

  return {
    async issue(claims) {
      const iat = nowSeconds();
      const nonce = platform.randomBytes(NONCE_BYTES).toHex();
      const whole = { ...claims, nonce, authtype: "password", iat, exp: iat + lifetimeSeconds };
      return sign(whole, key(), ALGORITHM);
    },

    async read(token) {
      const claims = await claimsOf(token);
      if (claims.exp <= nowSeconds()) throw expiredToken("the time in it has passed");
      // It was issued before the clock was set back, and would outlive its lifetime.
      if (claims.iat > nowSeconds() + MAX_CLOCK_SKEW_MS / 1_000)
        throw expiredToken("it is dated in the future");
      return claims;
    },
  };
}

/** Error 4305: the token was valid once. */
export function expiredToken(reason: string): SealpostError {
  return new SealpostError("expired_token", `Authentication failure. Your token has expired: ${reason}`);
}

async function checkSignature(token: string, key: CryptoKey): Promise<TokenClaims> {
  try {
    // The caller checks the expiry by the passed-in clock.
    const payload = await verify(token, key, { alg: ALGORITHM, exp: false, iat: false, nbf: false });
    return v.parse(claimsSchema, payload);
  } catch (cause) {
    throw new SealpostError(
      "bad_token",
      "Authentication failure. Error decoding the Authorization token: it is not a token of this server",
      { cause },
    );
  }
}
