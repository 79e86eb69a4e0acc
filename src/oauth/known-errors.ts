import { type FailureCode, type OAuthReport, type Remedy, unknownValue } from "../domain/delivery.ts";
import type { HintCode, HintValues } from "../domain/hints/index.ts";
import { TOKEN_ERRORS } from "../domain/providers/index.ts";
import { type KnownTokenError, tokenHintValues } from "../domain/token-errors.ts";

/** The parts of an {@link OAuthReport} that tell errors apart. */
type ErrorSigns = Pick<OAuthReport, "codes" | "error" | "description">;

/** The hints for a token request, and the parameter to change. */
interface TokenHint {
  readonly codes: readonly HintCode[];
  readonly values: HintValues;
  readonly remedy: Remedy | null;
}

/** Known errors of token endpoints: first those of providers, then those of the RFCs. The first match wins. */
const KNOWN_ERRORS: readonly KnownTokenError[] = [
  ...TOKEN_ERRORS,
  { errors: ["invalid_client"], code: "oauth_client", remedy: unknownValue("oauth_client_secret") },
  {
    errors: ["invalid_request", "unauthorized_client", "unsupported_grant_type"],
    code: "oauth_client",
    hint: "token_request",
  },
  { errors: ["invalid_grant", "expired_token", "bad_verification_code"], code: "oauth_grant" },
  {
    errors: ["invalid_scope", "invalid_resource", "invalid_target"],
    code: "oauth_scope",
    remedy: unknownValue("oauth_scope"),
  },
  {
    errors: [
      "consent_required",
      "interaction_required",
      "login_required",
      "access_denied",
      "authorization_declined",
      "admin_policy_enforced",
      "org_internal",
    ],
    code: "oauth_consent",
  },
  {
    errors: ["temporarily_unavailable", "server_error", "slow_down"],
    code: "oauth_unavailable",
  },
];

/** Returns the failure code of an error that the token endpoint named. An unknown one is the client's to fix. */
export function knownOAuthCode(signs: ErrorSigns): FailureCode {
  return find(signs)?.code ?? "oauth_client";
}

/** Descriptions of token requests that were not sent, because a field has no usable value. */
const UNUSABLE_FIELD = /^(oauth_\w+) (is missing|cannot be read|has no readable key)$/;
const FIELD_HINTS: Readonly<Record<string, HintCode>> = {
  "is missing": "field_missing",
  "cannot be read": "field_unreadable",
  "has no readable key": "field_without_key",
};
/** Hints for the field that only a sign-in fills. */
const SIGN_IN_HINTS: Readonly<Record<string, HintCode>> = {
  "is missing": "sign_in_missing",
  "cannot be read": "sign_in_unreadable",
};

/** Returns what to change after a known error; `null` if neither the table nor the report has a hint for it. */
export function knownOAuthHint(report: OAuthReport): TokenHint | null {
  const unsent = unsentHint(report);
  if (unsent !== null) return unsent;
  const known = find(report);
  if (known?.hint === undefined) return null;
  const given = typeof known.hint === "string" ? known.hint : known.hint(report);
  const codes = typeof given === "string" ? [given] : given;
  return { codes, values: tokenHintValues(report), remedy: known.remedy ?? null };
}

/** Returns the field to set for a token request that was not sent; `null` for one that was. */
function unsentHint({ status, description }: OAuthReport): TokenHint | null {
  const [, parameter, problem = ""] = UNUSABLE_FIELD.exec(description ?? "") ?? [];
  if (status !== null || parameter === undefined) return null;
  const code = (parameter === "oauth_refresh_token" ? SIGN_IN_HINTS : FIELD_HINTS)[problem];
  return code === undefined
    ? null
    : { codes: [code], values: { parameter }, remedy: unknownValue(parameter) };
}

function find({ codes, error, description }: ErrorSigns): KnownTokenError | undefined {
  return KNOWN_ERRORS.find(
    (known) =>
      (known.aadsts?.some((number) => codes.includes(`AADSTS${number}`)) ?? true) &&
      (known.errors?.includes(error ?? "") ?? true) &&
      (known.words?.test(description ?? "") ?? true),
  );
}
