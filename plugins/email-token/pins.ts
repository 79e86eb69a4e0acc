import type { Context } from "hono";
import type { Env } from "sealpost";
import type { TokenContext } from "./config.ts";
import type { TokenRepository } from "./store.ts";

/** PHC string: how PINs were hashed before they had a keyed hash. */
const OLD_HASH = /^\$scrypt\$/;

export type Pins = ReturnType<typeof createPins>;

/** Creates the hashing and checking of PINs. A PIN is protected by its limits and by the pepper in its hash. */
export function createPins({
  ctx,
  tokens,
}: {
  readonly ctx: TokenContext;
  readonly tokens: TokenRepository;
}) {
  const { pin, password, store } = ctx;
  return {
    hash: pin.hash,

    /**
     * Compares a PIN with a stored hash; `null`: there is none. Time does not reveal which kind of hash it is, or whether
     * there is one: while any old hash exists, every check takes as long as an old one does.
     * @returns `renewed`: the hash that replaced an old one in all tokens; `null`: nothing was replaced.
     * @throws {SealpostError} `busy`.
     */
    async verify(
      c: Context<Env>,
      given: string,
      stored: string | null,
      { hasOldPins }: { readonly hasOldPins: boolean },
    ): Promise<{ readonly ok: boolean; readonly renewed: string | null }> {
      const ok = await pin.verify(given, stored);
      if (!hasOldPins) return { ok, renewed: null };
      const old = stored !== null && OLD_HASH.test(stored) ? stored : null;
      const verdict = await password.verify(given, old, { request: c });
      if (old === null || !verdict.ok) return { ok, renewed: null };
      const renewed = await pin.hash(given);
      await store.commit([tokens.renewPin(old, renewed)]);
      return { ok: true, renewed };
    },
  };
}
