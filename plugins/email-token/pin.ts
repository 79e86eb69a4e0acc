import type { Context } from "hono";
import type { Env, RateLimit, Statement } from "sealpost/plugin";
import type { TokenContext } from "./config.ts";
import type { OwnerQuery, Owners, Pins, PinTargets } from "./owners.ts";
import type { OwnedToken } from "./store.ts";
import { type Trigger, type TriggerResult, triggerRow } from "./trigger.ts";

interface PinResult {
  /** The tokens that the request names. */
  readonly targets: readonly OwnedToken[];
  /** Those with this PIN. */
  readonly opened: readonly OwnedToken[];
  readonly result: TriggerResult;
}

/** Sends codes to the named tokens with this PIN. A wrong PIN counts against the rate limits. */
export type TriggerByPin = (
  c: Context<Env>,
  pin: string,
  named: OwnerQuery,
  rateLimits: readonly RateLimit[],
) => Promise<PinResult>;

export function createTriggerByPin({
  store,
  audit,
  limits,
  idempotent,
  owners,
  pins,
  trigger,
}: Pick<TokenContext, "store" | "audit" | "limits" | "idempotent"> & {
  readonly owners: Owners;
  readonly pins: Pins;
  readonly trigger: Trigger;
}): TriggerByPin {
  return async (c, pin, named, rateLimits) => {
    await limits.consume(...rateLimits);
    const { refund } = await limits.plan(...rateLimits);
    const found = await owners.tokensForPin(named);
    const { targets } = found;
    const opened = await openedBy(pins, c, pin, found).catch(async (error) => {
      // There was no verdict.
      await store.append(...refund());
      throw error;
    });
    let isRepeated = true;
    // Also without a matching token: an error about the key must not reveal that the PIN is right.
    const result = await idempotent(c, [named, pin], () => {
      isRepeated = false;
      return trigger(c, opened, (sent) =>
        opened.length === 0
          ? [wrongPinRow(audit, c, targets)]
          : [triggerRow(audit, c, sent), ...(sent.issued.length > 0 ? refund() : [])],
      );
    });
    if (isRepeated && opened.length > 0 && result.issued.length > 0) await store.append(...refund());
    return { targets, opened, result };
  };
}

/** Returns the tokens with this PIN. It compares one PIN, regardless of the number of tokens. */
async function openedBy(
  pins: Pins,
  c: Context<Env>,
  pin: string,
  { targets, hasOldPins }: PinTargets,
): Promise<readonly OwnedToken[]> {
  const withPin = targets.filter(({ token }) => token.pinHash !== "");
  const stored = withPin[0]?.token.pinHash ?? null;
  const { ok } = await pins.verify(c, pin, stored, { hasOldPins });
  return ok ? withPin.filter(({ token }) => token.pinHash === stored) : [];
}

function wrongPinRow(
  audit: TokenContext["audit"],
  c: Context<Env>,
  targets: readonly OwnedToken[],
): Statement {
  const identifier = targets.map(({ token }) => token.serial).join(",");
  return audit.row(c, { success: false, identifier, info: "no token has this PIN" });
}
