import { type Failure, unknownValue } from "../../domain/delivery.ts";
import { clockText } from "../../domain/token-errors.ts";
import { knownOAuthHint } from "../../oauth/known-errors.ts";
import { type Hint, type HintRule, isTemporary, usesToken } from "./rule.ts";

/** A clock that is off by more than this is named with every rejected token request, in seconds. */
const NOTABLE_SKEW_SECONDS = 60;

/** Hints for failures to get an access token, or to log in with it, that are not in the table of known errors. */
export const OAUTH_HINTS: readonly HintRule[] = [
  {
    code: "oauth_client",
    hint: "The token endpoint does not accept the client. Check oauth_client_id, and oauth_client_secret or oauth_private_key with oauth_certificate.",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    code: "oauth_grant",
    hint: "The token endpoint does not accept the grant. Sign in again for a new oauth_refresh_token, and check username.",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    code: "oauth_scope",
    hint: "The token endpoint does not accept the scope. Set oauth_scope to the one that your provider documents for SMTP.",
    remedy: unknownValue("oauth_scope"),
  },
  {
    code: "oauth_consent",
    hint: "The app may not send as this mailbox. Ask an administrator of the provider to grant consent, or to allow the sign-in.",
  },
  {
    code: "oauth_unavailable",
    hint: "The token endpoint gave no token, and Sealpost asks again. If this lasts, check the token URL and the network of this machine.",
  },
  // The login with a token.
  {
    code: "auth_not_offered",
    when: (context) => usesToken(context) && !isTemporary(context),
    hint: "The server offers no login with an access token (XOAUTH2, OAUTHBEARER). Check server and port, or set auth to password.",
  },
  {
    code: "auth_rejected",
    when: (context) => usesToken(context) && !isTemporary(context),
    hint: "The server rejected the access token. Check that username is the mailbox of the token, and that oauth_scope is the one for SMTP.",
  },
];

/** Returns the hint for a known error of a token endpoint; `null` if the failure is no such error. */
export function knownTokenHint({ oauth }: Failure): Hint | null {
  return oauth === undefined ? null : knownOAuthHint(oauth);
}

/** Returns the hint, with a sentence about the clock if it is off and the hint does not mention it. */
export function withClock(hint: Hint, { oauth, code }: Failure): Hint {
  const skew = oauth?.clockSkewSeconds ?? 0;
  if (code === "oauth_unavailable" || Math.abs(skew) <= NOTABLE_SKEW_SECONDS) return hint;
  const sentence = clockText(skew);
  return hint.text.includes(sentence) ? hint : { ...hint, text: `${hint.text} ${sentence}` };
}
