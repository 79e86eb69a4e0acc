import { API_REPLIES } from "../../domain/api-replies.ts";
import type { Failure, FailureCode, Phase, SmtpReply } from "../../domain/delivery.ts";
import { codedHint } from "../../domain/hints/index.ts";
import { hintAmong } from "../../domain/known-reply.ts";
import { findProvider } from "../../domain/providers/index.ts";
import { knownHint } from "../../smtp/provider-replies.ts";
import { API_HINTS } from "./api.ts";
import { CONNECTION_HINTS } from "./connection.ts";
import { MESSAGE_HINTS } from "./message.ts";
import { knownTokenHint, OAUTH_HINTS, withClock } from "./oauth.ts";
import {
  type Hint,
  type HintContext,
  type HintRule,
  hintValues,
  lacksStartTls,
  toHint,
  usesToken,
} from "./rule.ts";

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

function ruleHint({ phase, code: failed, outcome, wasWaiting }: Failure, context: HintContext): Hint | null {
  // Nothing is known about the server.
  if (wasWaiting) return toHint([codedHint("no_free_connection")], null);
  // Sealpost sends a token only under TLS. If the server does not offer that, tls would lead to the next failure.
  const isStuck = failed === "tls_required" && context.reply === null && lacksStartTls(context);
  const code = isStuck ? "tls_not_offered" : failed;
  const rule = (context.protocol === undefined ? RULES : API_RULES).find(
    (row) =>
      (row.code === undefined || row.code === code) &&
      (row.phase === undefined || row.phase === phase) &&
      (row.outcome === undefined || row.outcome === outcome) &&
      (row.when === undefined || row.when(context)),
  );
  if (!rule) return null;
  const { hint, remedy = null } = rule;
  const sentences = [codedHint(hint, hintValues(context))];
  return toHint(sentences, typeof remedy === "function" ? remedy(context) : remedy);
}

function knownHintFor(context: HintContext, phase: Phase, code: FailureCode, reply: SmtpReply): Hint | null {
  const { protocol, provider } = context;
  const known =
    protocol === undefined
      ? knownHint(phase, code, reply, findProvider(provider))
      : hintAmong(API_REPLIES[protocol], phase, code, reply);
  if (known === null) return null;
  // Advice about a password does not help a login with a token. APIs have no other.
  const isOfPassword = known.remedy?.parameter === "password" && protocol === undefined;
  if (isOfPassword && usesToken(context)) return null;
  return toHint([codedHint(known.code, known.values)], known.remedy);
}
