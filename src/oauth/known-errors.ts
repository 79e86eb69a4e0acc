import type { FailureCode, OAuthReport, Remedy } from "../domain/delivery.ts";

/** The parts of an {@link OAuthReport} that tell errors apart. */
type ErrorSigns = Pick<OAuthReport, "codes" | "error" | "description">;

/** A known error of a token endpoint. An absent condition matches every report. */
interface KnownError {
  /** Numbers of the Microsoft identity platform: 65001 is `AADSTS65001`. */
  readonly aadsts?: readonly number[];
  /** Values of `error` (RFC 6749 5.2, RFC 8628 3.5, OpenID Connect Core 3.1.2.6). */
  readonly errors?: readonly string[];
  /** Matches the description. */
  readonly words?: RegExp;
  readonly code: FailureCode;
  /** One or two sentences. If absent, the hint of the code is used. */
  readonly hint?: string | ((report: OAuthReport) => string);
  readonly remedy?: Remedy;
}

/** A hint in one or two sentences, and the parameter to change. */
interface KnownHint {
  readonly text: string;
  readonly remedy: Remedy | null;
}

const unknown = (parameter: string): Remedy => ({ parameter, value: null });
const SECRET = unknown("oauth_client_secret");
const CLIENT_ID = unknown("oauth_client_id");
const CERTIFICATE = unknown("oauth_certificate");
const TOKEN_URL = unknown("oauth_token_url");
const SCOPE = unknown("oauth_scope");
const REFRESH_TOKEN = unknown("oauth_refresh_token");
const USERNAME = unknown("username");

const CLOCK = ({ clockSkewSeconds }: OAuthReport): string =>
  clockSkewSeconds === null
    ? "The assertion is outside its time. Check the clock of this machine."
    : `The assertion is outside its time. ${clockText(clockSkewSeconds)}`;
const SIGN_IN_AGAIN =
  "The refresh token has expired or was revoked: after 90 days without use, a new password, or by the sign-in frequency. Sign in again.";

/**
 * Known errors of token endpoints: the failure code, and what to change. The first match wins. Numbers and meanings are
 * those of "Microsoft Entra authentication and authorization error codes"; Google's texts those of its OAuth 2.0 pages.
 */
const KNOWN_ERRORS: readonly KnownError[] = [
  {
    aadsts: [7000215],
    code: "oauth_client",
    hint: "The client secret is wrong. Set oauth_client_secret to the Value of the secret, not to its Secret ID.",
    remedy: SECRET,
  },
  {
    aadsts: [7000222],
    code: "oauth_client",
    hint: "The client secret has expired. Create a new one, or use a certificate (oauth_private_key and oauth_certificate).",
    remedy: SECRET,
  },
  {
    aadsts: [700025],
    code: "oauth_client",
    hint: "The app is a public client, which must not send a secret. Clear oauth_client_secret, or make the app confidential.",
    remedy: { parameter: "oauth_client_secret", value: "" },
  },
  {
    aadsts: [700016, 700011],
    code: "oauth_client",
    hint: ({ clientId }) =>
      `The tenant has no app ${clientId ?? "with this client ID"}. Check oauth_client_id, and the tenant in the token URL.`,
    remedy: CLIENT_ID,
  },
  {
    aadsts: [90002, 50059, 90019],
    code: "oauth_client",
    hint: "The tenant in the token URL is unknown or missing. Set oauth_token_url to https://login.microsoftonline.com/<tenant ID>/oauth2/v2.0/token.",
    remedy: TOKEN_URL,
  },
  {
    aadsts: [9001023, 90130, 90124, 50194, 9002332],
    code: "oauth_client",
    hint: "The token endpoint of /common or /consumers is not for this app. Write the tenant ID in its place in oauth_token_url.",
    remedy: TOKEN_URL,
  },
  {
    aadsts: [700027, 50012, 700030],
    code: "oauth_client",
    hint: ({ thumbprint }) =>
      `The certificate is not accepted. Upload oauth_certificate${thumbprint ? ` (thumbprint ${thumbprint})` : ""} to the app, and check that it has not expired.`,
    remedy: CERTIFICATE,
  },
  { aadsts: [700024, 500133], code: "oauth_client", hint: CLOCK },
  {
    aadsts: [70011, 28002, 1002012],
    code: "oauth_scope",
    hint: "The scope is not valid. The flow client_credentials takes exactly one, for SMTP https://outlook.office365.com/.default.",
    remedy: SCOPE,
  },
  {
    aadsts: [500011, 650057, 650056, 65001, 90094],
    code: "oauth_consent",
    hint: ({ clientId = "" }) =>
      `The app${clientId && ` ${clientId}`} lacks a permission, or the consent to it. Ask an administrator of the tenant to grant admin consent, for SMTP to Office 365 Exchange Online.`,
  },
  {
    aadsts: [53003, 53000, 530035],
    code: "oauth_consent",
    hint: "Conditional Access or the security defaults block this sign-in. Ask an administrator of the tenant to exclude the app or this machine's IP address.",
  },
  {
    aadsts: [700082, 70008, 50173, 50089, 70043],
    code: "oauth_grant",
    hint: SIGN_IN_AGAIN,
    remedy: REFRESH_TOKEN,
  },
  {
    aadsts: [50076, 50079, 50078, 50158],
    code: "oauth_grant",
    hint: "The account needs a second factor. Sign in again in the browser, or use the flow client_credentials.",
    remedy: REFRESH_TOKEN,
  },
  {
    aadsts: [50034, 50020, 50057, 50053],
    code: "oauth_grant",
    hint: "The account is unknown, disabled or locked. Check the mailbox in username.",
    remedy: USERNAME,
  },
  {
    aadsts: [50196, 90055],
    code: "oauth_unavailable",
    hint: "The provider counts too many token requests of this app. Wait, and check whether other programs use the same app.",
  },
  { aadsts: [90033, 90006, 50033, 90024], code: "oauth_unavailable" },
  {
    errors: ["unauthorized_client"],
    words: /client is unauthorized|scopes? requested/i,
    code: "oauth_consent",
    hint: ({ clientId }) =>
      `Domain-wide delegation is missing. Add the client ID ${clientId ?? "of the service account"} with the scope https://mail.google.com/ in the Google Admin console, under API controls, and wait up to 24 hours.`,
  },
  {
    errors: ["invalid_grant"],
    words: /invalid email|user id|account not found/i,
    code: "oauth_grant",
    hint: "Google has no such user. Set username to the mailbox of a Workspace user, not to the service account.",
    remedy: USERNAME,
  },
  {
    errors: ["invalid_grant"],
    words: /\biat\b|\bexp\b|timeframe|clock|issued in the future/i,
    code: "oauth_grant",
    hint: CLOCK,
  },
  {
    errors: ["invalid_grant"],
    words: /expired or revoked/i,
    code: "oauth_grant",
    hint: "The refresh token has expired or was revoked: sign in again. If this repeats every 7 days, the consent screen is in Testing: publish the app, or make it Internal.",
    remedy: REFRESH_TOKEN,
  },
  { errors: ["invalid_client"], code: "oauth_client", remedy: SECRET },
  {
    errors: ["invalid_request", "unauthorized_client", "unsupported_grant_type"],
    code: "oauth_client",
    hint: "The token endpoint does not allow this request. Check oauth_flow, oauth_token_url and oauth_client_id.",
  },
  { errors: ["invalid_grant", "expired_token", "bad_verification_code"], code: "oauth_grant" },
  { errors: ["invalid_scope", "invalid_resource", "invalid_target"], code: "oauth_scope", remedy: SCOPE },
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

/** Returns what to change after a known error; `null` if neither the table nor the report has a hint for it. */
export function knownOAuthHint(report: OAuthReport): KnownHint | null {
  const unsent = unsentHint(report);
  if (unsent !== null) return unsent;
  const known = find(report);
  if (known?.hint === undefined) return null;
  const text = typeof known.hint === "string" ? known.hint : known.hint(report);
  return { text, remedy: known.remedy ?? null };
}

/** Returns the field to set for a token request that was not sent; `null` for one that was. */
function unsentHint({ status, description }: OAuthReport): KnownHint | null {
  const [text, parameter] = UNUSABLE_FIELD.exec(description ?? "") ?? [];
  if (status !== null || text === undefined || parameter === undefined) return null;
  const isOfSignIn = parameter === REFRESH_TOKEN.parameter;
  return {
    text: isOfSignIn ? `${text}. Sign in for the definition to get one.` : `${text}. Set it and save.`,
    remedy: unknown(parameter),
  };
}

/** Returns a sentence about the clock. @param skewSeconds clock of the endpoint minus ours. */
export function clockText(skewSeconds: number): string {
  if (skewSeconds === 0) return "The clock of this machine agrees with that of the token endpoint.";
  const direction = skewSeconds > 0 ? "behind" : "ahead of";
  return `The clock of this machine is ${Math.abs(skewSeconds)} s ${direction} that of the token endpoint.`;
}

function find({ codes, error, description }: ErrorSigns): KnownError | undefined {
  return KNOWN_ERRORS.find(
    (known) =>
      (known.aadsts?.some((number) => codes.includes(`AADSTS${number}`)) ?? true) &&
      (known.errors?.includes(error ?? "") ?? true) &&
      (known.words?.test(description ?? "") ?? true),
  );
}
