import { API_REPLIES } from "../../domain/api-replies.ts";
import type { Failure, FailureCode, Phase, SmtpReply } from "../../domain/delivery.ts";
import { hintAmong } from "../../domain/known-reply.ts";
import { findProvider } from "../../domain/providers/index.ts";
import { knownHint } from "../../smtp/provider-replies.ts";
import { API_HINTS } from "./api.ts";
import { CONNECTION_HINTS } from "./connection.ts";
import { MESSAGE_HINTS } from "./message.ts";
import { knownTokenHint, OAUTH_HINTS, withClock } from "./oauth.ts";
import { type Hint, type HintContext, type HintRule, usesToken } from "./rule.ts";

const RULES: readonly HintRule[] = [...CONNECTION_HINTS, ...OAUTH_HINTS, ...MESSAGE_HINTS];
const API_RULES: readonly HintRule[] = [...API_HINTS, ...RULES];

/**
 * Returns what to change after a failure: the hint for a known reply, first of the definition's own provider, for a known
 * error of a token endpoint, or the one for the code and phase.
 * @returns `null` if no rule has the code.
 */
export function hintFor(failure: Failure, context: HintContext): Hint | null {
  const { phase, code } = failure;
  const { reply } = context;
  const known = reply && knownHintFor(context, phase, code, reply);
  const hint = known ?? knownTokenHint(failure) ?? ruleHint(failure, context);
  return hint && withClock(hint, failure);
}

function ruleHint({ phase, code, outcome }: Failure, context: HintContext): Hint | null {
  const rule = (context.protocol === undefined ? RULES : API_RULES).find(
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

function knownHintFor(context: HintContext, phase: Phase, code: FailureCode, reply: SmtpReply): Hint | null {
  const { protocol, provider } = context;
  if (protocol !== undefined) return hintAmong(API_REPLIES[protocol], phase, code, reply);
  const known = knownHint(phase, code, reply, findProvider(provider));
  // Advice about a password does not help a login with a token.
  return usesToken(context) && known?.remedy?.parameter === "password" ? null : known;
}
