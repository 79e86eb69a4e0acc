import { unknownValue } from "../delivery.ts";
import { AUTH, type KnownReply, LIMITED, PASSWORD, REFUSED, SENDER } from "../known-reply.ts";
import { clockHints, type KnownTokenError } from "../token-errors.ts";
import { CHECKED, MAILBOX, type OAuthPreset, type Provider, type SecretRule } from "./provider.ts";

/** Replies that no other server sends. Source: "Gmail SMTP errors and codes" (support.google.com/a/answer/3726730). */
export const GOOGLE_REPLIES: readonly KnownReply[] = [
  {
    ...AUTH,
    sign: "534 5.7.9 Application-specific password required",
    codes: [534],
    words: /\bapplication-specific password/i,
    code: "auth_rejected",
    hint: "google_app_password",
    remedy: PASSWORD,
  },
  {
    ...AUTH,
    sign: "534 5.7.14 Please log in with your web browser",
    codes: [534],
    words: /\blog in (with|via) your web browser/i,
    code: "auth_rejected",
    hint: "google_browser",
    remedy: PASSWORD,
  },
  {
    ...AUTH,
    sign: "535 5.7.8 Username and Password not accepted",
    codes: [535],
    words: /\busername and password not accepted/i,
    code: "auth_rejected",
    hint: "google_login",
    remedy: PASSWORD,
  },
  {
    phases: ["recipient", "data"],
    sign: "450 4.2.1 The user you are trying to contact is receiving mail too quickly",
    enhanced: /^2\.1$/,
    words: /\breceiving (e?mail|messages) (too quickly|at a rate)/i,
    code: "rate_limited",
    hint: "recipient_busy",
  },
  {
    ...LIMITED,
    sign: "550 5.4.5 Daily user sending limit exceeded",
    words: /\bsending limit (has been )?exceeded|\brelay limit exceeded/i,
    hint: "daily_limit",
  },
  {
    ...REFUSED,
    sign: "550 5.7.1 The IP you're using to send mail is not authorized",
    words: /\bip you're using to send mail is not authorized\b/i,
    hint: "this_host",
  },
  // The SMTP relay service knows neither the login nor the IP address.
  {
    phases: ["sender"],
    sign: "550 5.7.1 Invalid credentials for relay",
    words: /\bcredentials for relay\b/i,
    code: "auth_required",
    hint: "google_relay",
  },
  {
    ...SENDER,
    sign: "550 5.7.26 This mail is unauthenticated",
    words: /\b(unauthenticated e?mail|mail is unauthenticated)\b/i,
    hint: "sender_unverified",
  },
];

/** Errors of Google's token endpoint. Source: its OAuth 2.0 pages (developers.google.com), and reports of users. */
export const GOOGLE_TOKEN_ERRORS: readonly KnownTokenError[] = [
  {
    sign: "unauthorized_client: Client is unauthorized to retrieve access tokens using this method",
    errors: ["unauthorized_client"],
    words: /client is unauthorized|scopes? requested/i,
    code: "oauth_consent",
    hint: ({ clientId }) => (clientId ? "google_delegation" : "google_delegation_unnamed"),
  },
  {
    sign: "invalid_grant: Invalid email or User ID",
    errors: ["invalid_grant"],
    words: /invalid email|user id|account not found/i,
    code: "oauth_grant",
    hint: "google_user_unknown",
    remedy: unknownValue("username"),
  },
  {
    sign: "invalid_grant: Check your iat and exp values in the JWT claim",
    errors: ["invalid_grant"],
    words: /\biat\b|\bexp\b|timeframe|clock|issued in the future/i,
    code: "oauth_grant",
    hint: clockHints,
  },
  {
    sign: "invalid_grant: Token has been expired or revoked",
    errors: ["invalid_grant"],
    words: /expired or revoked/i,
    code: "oauth_grant",
    hint: "google_refresh_expired",
    remedy: unknownValue("oauth_refresh_token"),
  },
];

/** 16 letters, which Google shows in four groups. */
const GOOGLE_APP_PASSWORD: SecretRule = {
  kind: "app-password",
  pattern: /^[A-Za-z]{4}( ?[A-Za-z]{4}){3}$/,
  expected: "an app password of 16 letters",
};
const SCOPE = "https://mail.google.com/";
const googleOAuth = (scopes: OAuthPreset["scopes"]): OAuthPreset => ({
  authorizationUrl: "https://accounts.google.com/o/oauth2/v2/auth",
  tokenUrl: "https://oauth2.googleapis.com/token",
  scopes,
  mechanism: "xoauth2",
});
const ERRORS = { replies: GOOGLE_REPLIES, tokenErrors: GOOGLE_TOKEN_ERRORS } as const;

export const GOOGLE = {
  gmail: {
    name: "Gmail",
    host: "smtp.gmail.com",
    ports: { implicit: 465, starttls: 587 },
    username: MAILBOX,
    secret: GOOGLE_APP_PASSWORD,
    limits: { recipientsPerDay: 500 },
    oauth: googleOAuth({ refresh_token: SCOPE }),
    ...ERRORS,
    docs: "https://support.google.com/mail/answer/7104828",
    checked: CHECKED,
  },
  "google-workspace": {
    name: "Google Workspace",
    host: "smtp.gmail.com",
    ports: { implicit: 465, starttls: 587 },
    username: MAILBOX,
    secret: GOOGLE_APP_PASSWORD,
    limits: { recipientsPerDay: 2_000 },
    oauth: googleOAuth({ jwt_bearer: SCOPE, refresh_token: SCOPE }),
    ...ERRORS,
    docs: "https://support.google.com/a/answer/176600",
    checked: CHECKED,
  },
  "google-workspace-relay": {
    name: "Google Workspace, SMTP relay",
    host: "smtp-relay.gmail.com",
    ports: { implicit: 465, starttls: 587 },
    username: { rule: "free", expected: "a user of the Workspace, or nothing if the IP address is allowed" },
    secret: GOOGLE_APP_PASSWORD,
    limits: { recipientsPerDay: 10_000 },
    replies: GOOGLE_REPLIES,
    docs: "https://support.google.com/a/answer/2956491",
    checked: CHECKED,
  },
} as const satisfies Readonly<Record<string, Provider>>;
