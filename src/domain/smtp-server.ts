import { DEFINITION_FIELDS, type DefinitionField } from "./definition-fields.ts";
import type { AccessTokens } from "./oauth.ts";
import { Secret } from "./secret.ts";

/** `none`: clear text. `starttls`: STARTTLS or failure (RFC 3207). `implicit`: TLS from the first byte (RFC 8314). */
export type Security = "none" | "starttls" | "implicit";

/** Mail APIs that take a finished message over HTTPS: Microsoft Graph, and Amazon SES. */
export type MailApi = "graph" | "ses";

/** A parsed server address: the result of `server`, `port` and `tls` of a definition. */
export interface Endpoint {
  /** Absent for SMTP. `host` is the tenant of `graph` and the region of `ses`. */
  readonly protocol?: MailApi;
  /** Host name as given (lower case, no final dot), or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly security: Security;
}

type Fields = typeof DEFINITION_FIELDS;
export type FieldName = keyof Fields;
type NamesOf<Row> = { [K in FieldName]: Fields[K] extends Row ? K : never }[FieldName];
/** The fields that are encrypted at rest. */
export type SecretName = NamesOf<{ readonly kind: "secret" }>;
/** The fields beyond privacyIDEA's 14 that are not secret. */
export type FurtherName = Exclude<NamesOf<{ readonly detail: string }>, SecretName>;
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
type FurtherFields = Pick<ServerDefinition, FurtherName>;
/** Further fields as a client sends them: `undefined` keeps the stored value, `null` resets it. */
export type FurtherInput = { readonly [K in FurtherName]?: FurtherFields[K] | null | undefined };

const ROWS: readonly (readonly [string, DefinitionField])[] = Object.entries(DEFINITION_FIELDS);
const namesWhere = (isWanted: (field: DefinitionField) => boolean) =>
  ROWS.flatMap(([name, field]) => (isWanted(field) ? [name] : []));

export const SECRET_NAMES = namesWhere(({ kind }) => kind === "secret") as SecretName[];
export const FURTHER_NAMES = namesWhere(
  ({ detail, kind }) => detail !== undefined && kind !== "secret",
) as FurtherName[];

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
  /** Logs in with an access token instead of the password. Absent or `null`: the password. */
  readonly tokens?: AccessTokens | null;
  /** Key of `tlsCertificate`. Absent or empty: no client certificate. */
  readonly tlsPrivateKey?: Secret;
  /** Timeout of each step, in milliseconds; a whole message has four times this. */
  readonly timeoutMs: number;
}

/** Whether a definition logs in with access tokens. The Graph API takes nothing else. */
export function usesTokens(auth: ServerDefinition["auth"], protocol: MailApi | undefined): boolean {
  return auth === "oauth2" || protocol === "graph";
}

/** The certificate that a client shows in a TLS handshake, and its key. */
export interface ClientIdentity {
  /** PEM text: the client's certificate, then its chain. */
  readonly certificate: string;
  /** PEM text. */
  readonly privateKey: Secret;
}

/** Returns the identity to show to the server. `null` if certificate or key is absent, or without TLS. */
export function clientIdentityOf(settings: ConnectionSettings): ClientIdentity | null {
  const { security, tlsCertificate: certificate = "", tlsPrivateKey: privateKey = Secret.EMPTY } = settings;
  return security === "none" || certificate === "" || privateKey.isEmpty ? null : { certificate, privateKey };
}

/**
 * The addresses that a key was given for, and signs for. A certificate that replaces the first one adds none, because
 * anyone can have a certificate made for a public key.
 */
export interface KeyAddresses {
  /** The sender. `null` if there was none, or an older version saved the key. */
  readonly sender: string | null;
  /** Those that the certificate named which came with the key. `null` if an older version saved the key. */
  readonly named: readonly string[] | null;
}

/** Access to the key and certificate of a definition. Nothing is decrypted before it is needed. */
export interface SigningSource {
  /** Key under which a prepared signer is cached; `null` for an unsaved definition, of which nothing is cached. */
  readonly cacheKey: string | null;
  /** PEM text, chain included. */
  readonly certificate: string;
  /** Whether an RSA key signs by RSASSA-PSS. */
  readonly pss: boolean;
  /** Returns PKCS#8 DER that was decrypted when the definition was saved; `null` if that was impossible. */
  readonly decryptedKey: () => Promise<Uint8Array<ArrayBuffer> | null>;
  /** Returns the addresses that the key was given for. `null` if that was checked already. */
  readonly givenFor: () => Promise<KeyAddresses | null>;
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
  /** Whether a message that cannot be signed or encrypted as the definition requires is not sent. */
  readonly dontSendOnError: boolean;
  /** Whether messages are queued instead of sent while the caller waits. */
  readonly enqueueJob: boolean;
}
