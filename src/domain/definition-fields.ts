import { OAUTH_FLOWS, OAUTH_MECHANISMS } from "./oauth.ts";

/** `off` sends one command at a time, for servers and middleboxes that break otherwise. */
const PIPELINING_MODES = ["auto", "off"] as const;
export type Pipelining = (typeof PIPELINING_MODES)[number];

const AUTH_MECHANISMS = ["auto", "plain", "login", "cram-md5"] as const;
export type AuthMechanism = (typeof AUTH_MECHANISMS)[number];

const AUTH_KINDS = ["password", "oauth2"] as const;

/** A member of `detail` that shows fields beyond privacyIDEA's 14. */
export type DetailGroup = "limits" | "transport" | "provider" | "auth" | "smime";

/** One field of a definition. */
export type DefinitionField = {
  /** Name of the parameter and of the database column. */
  readonly parameter: string;
  /** Description of the parameter in `openapi.json`. */
  readonly description: string;
  /**
   * Member of `detail` that shows the field, for fields beyond privacyIDEA's 14. Its clients do not know these fields,
   * so a save that lacks one keeps its value.
   */
  readonly detail?: DetailGroup;
  /** If absent, the preset of the definition's provider fills it before the default applies. */
  readonly isPreset?: true;
  /** Whether forms may have the bytes of a file as the value, in any encoding. */
  readonly isFile?: true;
} & (
  | { readonly kind: "endpoint" | "provider" | "line" | "mailbox" | "pem" | "url"; readonly default: string }
  | { readonly kind: "text"; readonly default: string; readonly maxCharacters: number }
  | { readonly kind: "flag"; readonly default: boolean }
  | { readonly kind: "number"; readonly default: number; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly default: string; readonly choices: readonly string[] }
  /** Encrypted at rest, and empty by default. `format` is the kind of the plain text. */
  | { readonly kind: "secret"; readonly format: "line" | "token" | "pem" }
);

/**
 * The fields of a definition. HTTP parameters and views, the database columns, and saving and testing a definition follow
 * this table; a new field needs a row here and a migration.
 */
export const DEFINITION_FIELDS = {
  /** As given: `parseEndpoint` has its forms. */
  server: {
    parameter: "server",
    kind: "endpoint",
    default: "",
    isPreset: true,
    description:
      "Host, host:port, smtp://host[:port] or smtps://host[:port] (implicit TLS); graph://tenant for Microsoft Graph, ses://region for Amazon SES, which ignore `port` and `tls`. Required, unless `provider` gives the host",
  },
  port: {
    parameter: "port",
    kind: "number",
    default: 25,
    min: 1,
    max: 65_535,
    isPreset: true,
    description: "TCP port. A port inside `server` wins. Default: the provider's, or 25",
  },
  username: {
    parameter: "username",
    kind: "line",
    default: "",
    description: "SMTP AUTH user. If empty, there is no AUTH",
  },
  password: {
    parameter: "password",
    kind: "secret",
    format: "line",
    description:
      "SMTP AUTH password. On update, absent or __CENSORED__ keeps the stored one, and empty clears it",
  },
  sender: {
    parameter: "sender",
    kind: "mailbox",
    default: "",
    description: "Default From address. If empty, `username` is used if it is an email address",
  },
  tls: {
    parameter: "tls",
    kind: "flag",
    default: false,
    isPreset: true,
    description: "STARTTLS or failure. Default: as the provider requires, or false",
  },
  timeout: {
    parameter: "timeout",
    kind: "number",
    default: 10,
    min: 1,
    max: 300,
    description: "Seconds that each step may take. A whole message may take four times that",
  },
  enqueueJob: {
    parameter: "enqueue_job",
    kind: "flag",
    default: false,
    description: "Queue messages instead of sending them while the caller waits",
  },
  description: {
    parameter: "description",
    kind: "text",
    default: "",
    maxCharacters: 2_000,
    description: "Free text",
  },
  smime: { parameter: "smime", kind: "flag", default: false, description: "Sign messages with S/MIME" },
  dontSendOnError: {
    parameter: "dont_send_on_error",
    kind: "flag",
    default: false,
    description: "Do not send a message that cannot be signed, or encrypted if `smime_encrypt` is true",
  },
  privateKey: {
    parameter: "private_key",
    kind: "secret",
    format: "pem",
    isFile: true,
    description:
      "Private key as PEM text, or PKCS#12 as base64 or as a file of a multipart form, with the certificates in it. On update, absent or __CENSORED__ keeps the stored one",
  },
  privateKeyPassword: {
    parameter: "private_key_password",
    kind: "secret",
    format: "pem",
    description: "Passphrase of the private key. On update, absent or __CENSORED__ keeps the stored one",
  },
  /** PEM text, chain included. */
  certificate: {
    parameter: "certificate",
    kind: "pem",
    isFile: true,
    default: "",
    description:
      "Certificate as PEM text, chain included, or PKCS#12 with the private key. On update, absent keeps the stored one if the key is kept",
  },
  smimePss: {
    parameter: "smime_pss",
    kind: "flag",
    default: false,
    detail: "smime",
    description: "Sign with RSASSA-PSS if the key is RSA. A key of RSASSA-PSS always does",
  },
  smimeEncrypt: {
    parameter: "smime_encrypt",
    kind: "flag",
    default: false,
    detail: "smime",
    description:
      "Encrypt messages with S/MIME to the certificate of each recipient, after signing if smime is true",
  },
  maxConnections: {
    parameter: "max_connections",
    kind: "number",
    default: 5,
    min: 1,
    max: 100,
    detail: "limits",
    description: "Connections of one process to the server at a time",
  },
  mailsPerMinute: {
    parameter: "mails_per_minute",
    kind: "number",
    default: 0,
    min: 0,
    max: 1_000_000,
    detail: "limits",
    description:
      "Recipients of queued messages in any minute, which the last message may exceed. 0: no limit",
  },
  pipelining: {
    parameter: "pipelining",
    kind: "choice",
    default: "auto",
    choices: PIPELINING_MODES,
    detail: "transport",
    description: "off: one SMTP command at a time, for servers and middleboxes that break otherwise",
  },
  authMechanism: {
    parameter: "auth_mechanism",
    kind: "choice",
    default: "auto",
    choices: AUTH_MECHANISMS,
    detail: "transport",
    description: "SASL mechanism. auto: the first that the server offers, by preference",
  },
  provider: {
    parameter: "provider",
    kind: "provider",
    default: "",
    detail: "provider",
    description:
      "ID of a preset of `GET /provider/`, which fills `server`, `port`, `tls`, `max_connections` and `mails_per_minute` where they are absent",
  },
  apiUrl: {
    parameter: "api_url",
    kind: "url",
    default: "",
    detail: "transport",
    description: "Base URL of the API of graph:// and ses://. If empty, the provider's public one",
  },
  auth: {
    parameter: "auth",
    kind: "choice",
    default: "password",
    choices: AUTH_KINDS,
    detail: "auth",
    description: "How to log in: with username and password, or with an access token for username",
  },
  oauthFlow: {
    parameter: "oauth_flow",
    kind: "choice",
    default: "client_credentials",
    choices: OAUTH_FLOWS,
    detail: "auth",
    description: "How to get an access token",
  },
  oauthTokenUrl: {
    parameter: "oauth_token_url",
    kind: "url",
    default: "",
    detail: "auth",
    description: "URL of the token endpoint: https, or http on a loopback address",
  },
  oauthAuthorizationUrl: {
    parameter: "oauth_authorization_url",
    kind: "url",
    default: "",
    detail: "auth",
    description: "URL where an admin signs in. If empty, that of the provider or next to the token endpoint",
  },
  oauthDeviceUrl: {
    parameter: "oauth_device_url",
    kind: "url",
    default: "",
    detail: "auth",
    description: "URL of the device authorization endpoint, for `server login` of the command line",
  },
  oauthClientId: {
    parameter: "oauth_client_id",
    kind: "line",
    default: "",
    detail: "auth",
    description: "Client ID",
  },
  oauthClientSecret: {
    parameter: "oauth_client_secret",
    kind: "secret",
    format: "token",
    detail: "auth",
    description: "Client secret. Empty for a public client",
  },
  oauthPrivateKey: {
    parameter: "oauth_private_key",
    kind: "secret",
    format: "pem",
    detail: "auth",
    description: "Private key that authenticates the client (private_key_jwt), as unencrypted PEM text",
  },
  oauthCertificate: {
    parameter: "oauth_certificate",
    kind: "pem",
    default: "",
    detail: "auth",
    description: "Certificate of oauth_private_key as PEM text",
  },
  oauthServiceAccount: {
    parameter: "oauth_service_account",
    kind: "secret",
    format: "pem",
    detail: "auth",
    description: "Key file of a Google service account: the whole JSON text, for the flow jwt_bearer",
  },
  oauthRefreshToken: {
    parameter: "oauth_refresh_token",
    kind: "secret",
    format: "token",
    detail: "auth",
    description: "Refresh token, for the flow refresh_token",
  },
  oauthScope: {
    parameter: "oauth_scope",
    kind: "text",
    default: "",
    maxCharacters: 1_000,
    detail: "auth",
    description: "Scopes, separated by blanks. If empty, those of the provider",
  },
  oauthMechanism: {
    parameter: "oauth_mechanism",
    kind: "choice",
    default: "auto",
    choices: OAUTH_MECHANISMS,
    detail: "auth",
    description: "SASL mechanism for access tokens. auto: the first that the server offers",
  },
  tlsCertificate: {
    parameter: "tls_certificate",
    kind: "pem",
    default: "",
    detail: "transport",
    description: "Client certificate for servers that require one, as PEM text, followed by its chain",
  },
  tlsPrivateKey: {
    parameter: "tls_private_key",
    kind: "secret",
    format: "pem",
    detail: "transport",
    description: "Private key of tls_certificate, as unencrypted PEM text",
  },
} as const satisfies Readonly<Record<string, DefinitionField>>;

/** Names of the parameters that may be files. */
export const FILE_PARAMETERS: readonly string[] = Object.values<DefinitionField>(DEFINITION_FIELDS)
  .filter(({ isFile }) => isFile)
  .map(({ parameter }) => parameter);
