import { type Failure, unknownValue } from "../../domain/delivery.ts";
import { codedHint } from "../../domain/hints/index.ts";
import { clockHint, tokenHintValues } from "../../domain/token-errors.ts";
import { knownOAuthHint } from "../../oauth/known-errors.ts";
import { type Hint, type HintRule, isTemporary, toHint, usesToken } from "./rule.ts";

/** A clock that is off by more than this is named with every rejected token request, in seconds. */
const NOTABLE_SKEW_SECONDS = 60;

/** Hints for failures to get an access token, or to log in with it, that are not in the table of known errors. */
export const OAUTH_HINTS: readonly HintRule[] = [
  {
    code: "oauth_client",
    hint: "token_client",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    code: "oauth_grant",
    hint: "token_grant",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    code: "oauth_scope",
    hint: "token_scope",
    remedy: unknownValue("oauth_scope"),
  },
  {
    code: "oauth_consent",
    hint: "token_consent",
  },
  {
    code: "oauth_unavailable",
    hint: "token_unavailable",
  },
  // The login with a token.
  {
    code: "auth_not_offered",
    when: (context) => usesToken(context) && !isTemporary(context),
    hint: "token_login_missing",
  },
  {
    code: "auth_rejected",
    when: (context) => usesToken(context) && !isTemporary(context),
    hint: "token_rejected",
  },
];

/** Returns the hint for a known error of a token endpoint; `null` if the failure is no such error. */
export function knownTokenHint({ oauth }: Failure): Hint | null {
  const known = oauth === undefined ? null : knownOAuthHint(oauth);
  if (known === null) return null;
  const { codes, values, remedy } = known;
  return toHint(
    codes.map((code) => codedHint(code, values)),
    remedy,
  );
}

/** Returns the hint, with a sentence about the clock if it is off and the hint does not mention it. */
export function withClock(hint: Hint, { oauth, code }: Failure): Hint {
  const skew = oauth?.clockSkewSeconds ?? 0;
  if (oauth === undefined || code === "oauth_unavailable" || Math.abs(skew) <= NOTABLE_SKEW_SECONDS)
    return hint;
  const clock = codedHint(clockHint(skew), tokenHintValues(oauth));
  const isNamed = hint.sentences.some((one) => one.code === clock.code);
  return isNamed ? hint : toHint([...hint.sentences, clock], hint.remedy);
}
