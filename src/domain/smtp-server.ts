import { Secret } from "./secret.ts";

/** `none`: clear text. `starttls`: STARTTLS or failure (RFC 3207). `implicit`: TLS from the first byte (RFC 8314). */
export type Security = "none" | "starttls" | "implicit";

/** A parsed server address: the result of `server`, `port` and `tls` of a definition. */
export interface Endpoint {
  /** Host name as given (lower case, no final dot), or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly security: Security;
}

/** `off` sends one command at a time, for servers and middleboxes that break otherwise. */
const PIPELINING_MODES = ["auto", "off"] as const;
export type Pipelining = (typeof PIPELINING_MODES)[number];

const AUTH_MECHANISMS = ["auto", "plain", "login", "cram-md5"] as const;
export type AuthMechanism = (typeof AUTH_MECHANISMS)[number];

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
  readonly detail?: "limits" | "transport";
} & (
  | { readonly kind: "endpoint" | "line" | "mailbox" | "pem"; readonly default: string }
  | { readonly kind: "text"; readonly default: string; readonly maxCharacters: number }
  | { readonly kind: "flag"; readonly default: boolean }
  | { readonly kind: "number"; readonly default: number; readonly min: number; readonly max: number }
  | { readonly kind: "choice"; readonly default: string; readonly choices: readonly string[] }
  /** Encrypted at rest, and empty by default. `format` is the kind of the plain text. */
  | { readonly kind: "secret"; readonly format: "line" | "pem" }
);

/**
 * The fields of a definition. HTTP parameters and views, the database columns, and saving and testing a definition follow
 * this table; a new field needs a row here and a migration.
 */
export const DEFINITION_FIELDS = {
  /** `host`, `host:port`, `smtp://host[:port]` or `smtps://host[:port]`, as given. */
  server: {
    parameter: "server",
    kind: "endpoint",
    default: "",
    description: "Host, host:port, smtp://host[:port] or smtps://host[:port] (implicit TLS)",
  },
  port: {
    parameter: "port",
    kind: "number",
    default: 25,
    min: 1,
    max: 65_535,
    description: "TCP port. A port inside `server` wins",
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
  tls: { parameter: "tls", kind: "flag", default: false, description: "STARTTLS or failure" },
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
    description: "Do not send a message that cannot be signed",
  },
  privateKey: {
    parameter: "private_key",
    kind: "secret",
    format: "pem",
    description: "Private key as PEM text. On update, absent or __CENSORED__ keeps the stored one",
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
    default: "",
    description:
      "Certificate as PEM text, chain included. On update, absent keeps the stored one if the key is kept",
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
    description: "Queued messages in any minute, 0 for no limit",
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
} as const satisfies Readonly<Record<string, DefinitionField>>;

type Fields = typeof DEFINITION_FIELDS;
export type FieldName = keyof Fields;
type NamesOf<Row> = { [K in FieldName]: Fields[K] extends Row ? K : never }[FieldName];
/** The fields that are encrypted at rest. */
export type SecretName = NamesOf<{ readonly kind: "secret" }>;
/** The fields beyond privacyIDEA's 14. */
export type FurtherName = NamesOf<{ readonly detail: string }>;
type ValueOf<Field> = Field extends { readonly kind: "secret" }
  ? Secret
  : Field extends { readonly kind: "choice"; readonly choices: readonly (infer Choice)[] }
    ? Choice
    : Field extends { readonly kind: "flag" }
      ? boolean
      : Field extends { readonly kind: "number" }
        ? number
        : string;

/** The fields of a server definition, with its secrets decrypted. */
export type ServerDefinition = { readonly [K in FieldName]: ValueOf<Fields[K]> };
export type FurtherFields = Pick<ServerDefinition, FurtherName>;
/** Further fields as a client sends them: `undefined` keeps the stored value, `null` resets it. */
export type FurtherInput = { readonly [K in FurtherName]?: FurtherFields[K] | null | undefined };

const ROWS: readonly (readonly [string, DefinitionField])[] = Object.entries(DEFINITION_FIELDS);
const namesWhere = (isWanted: (field: DefinitionField) => boolean) =>
  ROWS.flatMap(([name, field]) => (isWanted(field) ? [name] : []));

export const SECRET_NAMES = namesWhere(({ kind }) => kind === "secret") as SecretName[];
export const FURTHER_NAMES = namesWhere(({ detail }) => detail !== undefined) as FurtherName[];

/** The definition that has only a name. */
export const DEFINITION_DEFAULTS = Object.fromEntries(
  ROWS.map(([name, field]) => [name, field.kind === "secret" ? Secret.EMPTY : field.default]),
) as ServerDefinition;

/** @param stored the definition that absent fields are taken from. Default: a new one. */
export function resolveFurther(
  input: FurtherInput,
  stored: FurtherFields = DEFINITION_DEFAULTS,
): FurtherFields {
  const resolved = FURTHER_NAMES.map((name) => {
    const value = input[name];
    return [name, value === undefined ? stored[name] : (value ?? DEFINITION_DEFAULTS[name])];
  });
  return Object.fromEntries(resolved);
}

/** The part of a definition that a transport needs. Absent further fields have their defaults. */
export interface ConnectionSettings extends Endpoint, Partial<FurtherFields> {
  /** If empty, there is no AUTH. */
  readonly username: string;
  readonly password: Secret;
  /** Timeout of each step, in milliseconds; a whole message has four times this. */
  readonly timeoutMs: number;
}

/** Access to the key and certificate of a definition. Nothing is decrypted before it is needed. */
export interface SigningSource {
  /** Key under which a prepared signer is cached; `null` for an unsaved definition, of which nothing is cached. */
  readonly cacheKey: string | null;
  /** PEM text, chain included. */
  readonly certificate: string;
  /** Returns PKCS#8 DER that was decrypted when the definition was saved; `null` if that was impossible. */
  readonly decryptedKey: () => Promise<Uint8Array<ArrayBuffer> | null>;
  /** Returns PEM text and passphrase as given. */
  readonly originalKey: () => Promise<{ readonly pem: Secret; readonly passphrase: Secret }>;
}

/** A definition ready to send through, stored or not, with its secrets decrypted. */
export interface ResolvedServer extends ConnectionSettings {
  /** Name of the definition; may be empty for an unsaved one. */
  readonly identifier: string;
  /** Differs for each version of a definition; `null` for an unsaved one. */
  readonly poolKey: string | null;
  /** One mailbox, or empty. */
  readonly sender: string;
  /** `null` if messages leave unsigned. */
  readonly signing: SigningSource | null;
  /** Whether a message that cannot be signed is not sent. */
  readonly dontSendOnError: boolean;
  /** Whether messages are queued instead of sent while the caller waits. */
  readonly enqueueJob: boolean;
}
