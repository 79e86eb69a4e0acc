import { unknownValue } from "../delivery.ts";
import { clockHints, type KnownTokenError } from "../token-errors.ts";

/** Errors of Microsoft Entra. Source: "Microsoft Entra authentication and authorization error codes". */
export const ENTRA_ERRORS: readonly KnownTokenError[] = [
  {
    sign: "AADSTS7000215: Invalid client secret provided",
    aadsts: [7000215],
    code: "oauth_client",
    hint: "entra_secret_wrong",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    sign: "AADSTS7000222: The provided client secret keys are expired",
    aadsts: [7000222],
    code: "oauth_client",
    hint: "entra_secret_expired",
    remedy: unknownValue("oauth_client_secret"),
  },
  {
    sign: "AADSTS700025: Client is public",
    aadsts: [700025],
    code: "oauth_client",
    hint: "entra_public_client",
    remedy: { parameter: "oauth_client_secret", value: "" },
  },
  {
    sign: "AADSTS700016: Application was not found in the directory",
    aadsts: [700016, 700011],
    code: "oauth_client",
    hint: ({ clientId }) => (clientId ? "entra_app_unknown" : "entra_app_unknown_id"),
    remedy: unknownValue("oauth_client_id"),
  },
  {
    sign: "AADSTS90002: Tenant not found",
    aadsts: [90002, 50059, 90019],
    code: "oauth_client",
    hint: "entra_tenant_unknown",
    remedy: unknownValue("oauth_token_url"),
  },
  {
    sign: "AADSTS9001023: The grant type is not supported over /common",
    aadsts: [9001023, 90130, 90124, 50194, 9002332],
    code: "oauth_client",
    hint: "entra_tenant_needed",
    remedy: unknownValue("oauth_token_url"),
  },
  {
    sign: "AADSTS700027: Client assertion contains an invalid signature",
    aadsts: [700027, 50012, 700030],
    code: "oauth_client",
    hint: ({ thumbprint }) => (thumbprint ? "entra_certificate" : "entra_certificate_unnamed"),
    remedy: unknownValue("oauth_certificate"),
  },
  {
    sign: "AADSTS700024: Client assertion is not within its valid time range",
    aadsts: [700024, 500133],
    code: "oauth_client",
    hint: clockHints,
  },
  {
    sign: "AADSTS70011: The provided value for the input parameter scope",
    aadsts: [70011, 28002, 1002012],
    code: "oauth_scope",
    hint: "entra_scope",
    remedy: unknownValue("oauth_scope"),
  },
  {
    sign: "AADSTS500011: The resource principal was not found in the tenant",
    aadsts: [500011, 650057, 650056, 65001, 90094],
    code: "oauth_consent",
    hint: ({ clientId }) => (clientId ? "entra_permission" : "entra_permission_unnamed"),
  },
  {
    sign: "AADSTS53003: blocked by Conditional Access",
    aadsts: [53003, 53000, 530035],
    code: "oauth_consent",
    hint: "entra_conditional_access",
  },
  {
    sign: "AADSTS700082: The refresh token has expired",
    aadsts: [700082, 70008, 50173, 50089, 70043],
    code: "oauth_grant",
    hint: "entra_refresh_expired",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    sign: "AADSTS50076: Multifactor authentication is required",
    aadsts: [50076, 50079, 50078, 50158],
    code: "oauth_grant",
    hint: "entra_second_factor",
    remedy: unknownValue("oauth_refresh_token"),
  },
  {
    sign: "AADSTS50034: The user account does not exist in the directory",
    aadsts: [50034, 50020, 50057, 50053],
    code: "oauth_grant",
    hint: "entra_account",
    remedy: unknownValue("username"),
  },
  {
    sign: "AADSTS50196: client request loop",
    aadsts: [50196, 90055],
    code: "oauth_unavailable",
    hint: "entra_too_many",
  },
  { aadsts: [90033, 90006, 50033, 90024], code: "oauth_unavailable" },
];
