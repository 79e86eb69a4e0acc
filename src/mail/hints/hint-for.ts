import type { Failure } from "../../domain/delivery.ts";
import { findProvider } from "../../domain/providers/index.ts";
import { knownHint } from "../../smtp/provider-replies.ts";
import { CONNECTION_HINTS } from "./connection.ts";
import { MESSAGE_HINTS } from "./message.ts";
import { knownTokenHint, OAUTH_HINTS, withClock } from "./oauth.ts";
import type { Hint, HintContext, HintRule } from "./rule.ts";

const RULES: readonly HintRule[] = [...CONNECTION_HINTS, ...OAUTH_HINTS, ...MESSAGE_HINTS];

/**
 * Returns what to change after a failure: the hint for a known reply, first of the definition's own provider, for a known
 * error of a token endpoint, or the one for the code and phase.
 * @returns `null` if no rule has the code.
 */
export function hintFor(failure: Failure, context: HintContext): Hint | null {
  const { phase, code } = failure;
  const known = context.reply && knownHint(phase, code, context.reply, findProvider(context.provider));
  const hint = known ?? knownTokenHint(failure) ?? ruleHint(failure, context);
  return hint && withClock(hint, failure);
}

function ruleHint({ phase, code, outcome }: Failure, context: HintContext): Hint | null {
  const rule = RULES.find(
    (row) =>
      (row.code === undefined || row.code === code) &&
      (row.phase === undefined || row.phase === phase) &&
      (row.outcome === undefined || row.outcome === outcome) &&
      (row.when === undefined || row.when(context)),
  );
  if (!rule) return null;
  const { hint, remedy = null } = rule;
  return {
    text: typeof hint === "string" ? hint : hint(context),
    remedy: typeof remedy === "function" ? remedy(context) : remedy,
  };
}
