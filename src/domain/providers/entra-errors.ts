import { unknownValue } from "../delivery.ts";
import { clockHint, type KnownTokenError } from "../token-errors.ts";

/** Errors of Microsoft Entra. Source: "Microsoft Entra authentication and authorization error codes". */
export const ENTRA_ERRORS: readonly KnownTokenError[] = [
  {
    sign: "AADSTS7000215: Invalid client secret provided",
    aadsts: [7000215],
    code: "oauth_client",
    hint: "The client secret is wrong. Set oauth_client_secret to the Value of the secret, not to its Secret ID.",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    sign: "AADSTS7000222: The provided client secret keys are expired",
    aadsts: [7000222],
    code: "oauth_client",
    hint: "The client secret has expired. Create a new one, or use a certificate (oauth_private_key and oauth_certificate).",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    sign: "AADSTS700025: Client is public",
    aadsts: [700025],
    code: "oauth_client",
    hint: "The app is a public client, which must not send a secret. Clear oauth_client_secret, or make the app confidential.",
    remedy: { parameter: "oauth_client_secret", value: "" },
  },
  {
    sign: "AADSTS700016: Application was not found in the directory",
    aadsts: [700016, 700011],
    code: "oauth_client",
    hint: ({ clientId }) =>
      `The tenant has no app ${clientId ?? "with this client ID"}. Check oauth_client_id, and the tenant in the token URL.`,
    remedy: unknownValue("oauth_client_id"),
  },
  {
    sign: "AADSTS90002: Tenant not found",
    aadsts: [90002, 50059, 90019],
    code: "oauth_client",
    hint: "The tenant in the token URL is unknown or missing. Set oauth_token_url to https://login.microsoftonline.com/<tenant ID>/oauth2/v2.0/token.",
    remedy: unknownValue("oauth_token_url"),
  },
  {
    sign: "AADSTS9001023: The grant type is not supported over /common or /consumers",
    aadsts: [9001023, 90130, 90124, 50194, 9002332],
    code: "oauth_client",
    hint: "The token endpoint of /common or /consumers is not for this app. Write the tenant ID in its place in oauth_token_url.",
    remedy: unknownValue("oauth_token_url"),
  },
  {
    sign: "AADSTS700027: Client assertion contains an invalid signature",
    aadsts: [700027, 50012, 700030],
    code: "oauth_client",
    hint: ({ thumbprint }) =>
      `The certificate is not accepted. Upload oauth_certificate${thumbprint ? ` (thumbprint ${thumbprint})` : ""} to the app, and check that it has not expired.`,
    remedy: unknownValue("oauth_certificate"),
  },
  {
    sign: "AADSTS700024: Client assertion is not within its valid time range",
    aadsts: [700024, 500133],
    code: "oauth_client",
    hint: clockHint,
  },
  {
    sign: "AADSTS70011: The provided value for the input parameter scope is not valid",
    aadsts: [70011, 28002, 1002012],
    code: "oauth_scope",
    hint: "The scope is not valid. The flow client_credentials takes exactly one, for SMTP https://outlook.office365.com/.default.",
    remedy: unknownValue("oauth_scope"),
  },
  {
    sign: "AADSTS500011: The resource principal was not found in the tenant",
    aadsts: [500011, 650057, 650056, 65001, 90094],
    code: "oauth_consent",
    hint: ({ clientId = "" }) =>
      `The app${clientId && ` ${clientId}`} lacks a permission, or the consent to it. Ask an administrator of the tenant to grant admin consent, for SMTP to Office 365 Exchange Online.`,
  },
  {
    sign: "AADSTS53003: Access has been blocked by Conditional Access policies",
    aadsts: [53003, 53000, 530035],
    code: "oauth_consent",
    hint: "Conditional Access or the security defaults block this sign-in. Ask an administrator of the tenant to exclude the app or this machine's IP address.",
  },
  {
    sign: "AADSTS700082: The refresh token has expired due to inactivity",
    aadsts: [700082, 70008, 50173, 50089, 70043],
    code: "oauth_grant",
    hint: "The refresh token has expired or was revoked: after 90 days without use, a new password, or by the sign-in frequency. Sign in again.",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    sign: "AADSTS50076: Multifactor authentication is required",
    aadsts: [50076, 50079, 50078, 50158],
    code: "oauth_grant",
    hint: "The account needs a second factor. Sign in again in the browser, or use the flow client_credentials.",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    sign: "AADSTS50034: The user account does not exist in the directory",
    aadsts: [50034, 50020, 50057, 50053],
    code: "oauth_grant",
    hint: "The account is unknown, disabled or locked. Check the mailbox in username.",
    remedy: unknownValue("username"),
  },
  {
    sign: "AADSTS50196: The server terminated an operation because it encountered a client request loop",
    aadsts: [50196, 90055],
    code: "oauth_unavailable",
    hint: "The provider counts too many token requests of this app. Wait, and check whether other programs use the same app.",
  },
  { aadsts: [90033, 90006, 50033, 90024], code: "oauth_unavailable" },
];
