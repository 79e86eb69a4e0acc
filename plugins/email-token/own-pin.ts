import type { Context } from "hono";
import { type Env, invalidParameter } from "sealpost/plugin";
import type { TokenContext } from "./config.ts";
import type { FoundTokens, Pins } from "./owners.ts";
import type { TokenRow } from "./store.ts";

const WINDOW_SECONDS = 600;
/** Wrong PINs per user and window, by any admin. */
const MAX_WRONG_PINS = 10;
/** The right to change the PIN of a user. */
export const SETPIN_RIGHT = "setpin";

/** The PIN of a token that a user gets. */
export interface OwnPin {
  readonly pinHash: string;
  /** The user's other tokens, if this PIN is a new one for them. */
  readonly changed: readonly TokenRow[];
}

/** Returns the fields of an audit row: these, and the PIN if it changes. */
export function auditedFields({ changed }: OwnPin, ...fields: readonly string[]): string {
  return [...fields, ...(changed.length > 0 ? ["pin"] : [])].join(",");
}

/**
 * Decides the PIN of a token that a user gets. All tokens of a user share one PIN: with one PIN per token, the time of a
 * check would reveal their number. A PIN that is given becomes the user's if the admin has the right `setpin`, or if it is
 * the first; otherwise it must be the user's, which counts against a limit. Without one, the user's PIN stays.
 * @throws {SealpostError} `invalid_parameter`, `too_many_tries` or `busy`.
 */
export type ChooseOwnPin = (c: Context<Env>, pin: string, user: FoundTokens) => Promise<OwnPin>;

export function createChooseOwnPin({
  store,
  guard,
  limits,
  pins,
}: Pick<TokenContext, "store" | "guard" | "limits"> & { readonly pins: Pins }): ChooseOwnPin {
  /** Counts the attempt before it is decided, so that parallel ones cannot exceed the limit. */
  async function assertOwnPin(
    c: Context<Env>,
    pin: string,
    {
      stored,
      hasOldPins,
      userId,
    }: { readonly stored: string; readonly hasOldPins: boolean; readonly userId: string },
  ): Promise<string> {
    const limit = { key: `own pin ${userId}`, max: MAX_WRONG_PINS, windowSeconds: WINDOW_SECONDS };
    await limits.consume(limit);
    const { refund } = await limits.plan(limit);
    const verdict = await pins.verify(c, pin, stored, { hasOldPins }).catch(async (error) => {
      // There was no verdict.
      await store.append(...refund());
      throw error;
    });
    if (!verdict.ok) {
      throw invalidParameter(
        "pin",
        "the user has a different PIN; send that PIN, or none to share it. The right setpin allows a new one",
      );
    }
    await store.append(...refund());
    return verdict.renewed ?? stored;
  }

  return async (c, pin, { rows, owner, hasOldPins }) => {
    const stored = rows.find(({ pinHash }) => pinHash !== "")?.pinHash ?? "";
    if (pin === "") return { pinHash: stored, changed: [] };
    if (rows.length > 0 && (await guard.isAllowed(c, SETPIN_RIGHT))) {
      return { pinHash: await pins.hash(pin), changed: rows };
    }
    if (owner === null || stored === "") return { pinHash: await pins.hash(pin), changed: [] };
    return { pinHash: await assertOwnPin(c, pin, { stored, hasOldPins, userId: owner.id }), changed: [] };
  };
}
