import { Secret } from "./secret.ts";

/** `none`: clear text. `starttls`: STARTTLS or failure (RFC 3207). `implicit`: TLS from the first byte (RFC 8314). */
export type Security = "none" | "starttls" | "implicit";

/** Where and how to connect: what `server`, `port` and `tls` of a definition amount to. */
export interface Endpoint {
  /** Host name as given (lower case, no final dot), or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
  readonly security: Security;
}

/** What a transport needs of a definition. */
export interface ConnectionSettings extends Endpoint {
  /** Empty: no AUTH. */
  readonly username: string;
  readonly password: Secret;
  /** Bound of each step, in milliseconds; the whole mail is bounded by four times this. */
  readonly timeoutMs: number;
  /** Connections at a time, 1–100; default: as many as the transport allows. */
  readonly maxConnections?: number;
  /** Default `auto`: commands go together where the server offers it. */
  readonly pipelining?: Pipelining;
  /** Default `auto`: the first one offered that is known, by preference. */
  readonly authMechanism?: AuthMechanism;
}

/** `off` sends one command at a time, for servers and middleboxes that break otherwise. */
export const PIPELINING_MODES = ["auto", "off"] as const;
export type Pipelining = (typeof PIPELINING_MODES)[number];

export const AUTH_MECHANISMS = ["auto", "plain", "login", "cram-md5"] as const;
export type AuthMechanism = (typeof AUTH_MECHANISMS)[number];

/** Fields of a definition beyond privacyIDEA's 14. Its clients do not know them, so a save must not reset them. */
export interface FurtherFields {
  /** Connections of one process to the server at a time, 1–100. */
  readonly maxConnections: number;
  /** Queued messages in any minute; 0: no limit. */
  readonly mailsPerMinute: number;
  readonly pipelining: Pipelining;
  readonly authMechanism: AuthMechanism;
}

export const FURTHER_DEFAULTS: FurtherFields = {
  maxConnections: 5,
  mailsPerMinute: 0,
  pipelining: "auto",
  authMechanism: "auto",
};

/** A definition's fields, as its owner sees them; the secrets in clear inside {@link Secret}. */
export interface ServerDefinition extends FurtherFields {
  /** `host`, `host:port`, `smtp://host[:port]` or `smtps://host[:port]`, as given. */
  readonly server: string;
  /** 1–65535; a port inside `server` wins. */
  readonly port: number;
  readonly username: string;
  readonly password: Secret;
  /** One mailbox, or empty. */
  readonly sender: string;
  readonly tls: boolean;
  /** Seconds, 1–300. */
  readonly timeout: number;
  readonly enqueueJob: boolean;
  readonly description: string;
  readonly smime: boolean;
  readonly dontSendOnError: boolean;
  /** PEM text, as given. */
  readonly privateKey: Secret;
  readonly privateKeyPassword: Secret;
  /** PEM text, chain included. */
  readonly certificate: string;
}

/** The fields of a definition of which nothing but the name is known: the defaults of the HTTP contract. */
export const SMTP_SERVER_DEFAULTS: ServerDefinition = {
  server: "",
  port: 25,
  username: "",
  password: Secret.EMPTY,
  sender: "",
  tls: false,
  timeout: 10,
  enqueueJob: false,
  description: "",
  smime: false,
  dontSendOnError: false,
  privateKey: Secret.EMPTY,
  privateKeyPassword: Secret.EMPTY,
  certificate: "",
  ...FURTHER_DEFAULTS,
};

/** How a definition's key and certificate are reached; nothing is opened before it is needed. */
export interface SigningSource {
  /** Names what was prepared for signing, so that it can be kept; null: an unsaved definition, nothing is kept. */
  readonly cacheKey: string | null;
  /** PEM text, chain included. */
  readonly certificate: string;
  /** PKCS#8 DER, opened when the definition was saved; null if it did not open then. */
  readonly decryptedKey: () => Promise<Uint8Array<ArrayBuffer> | null>;
  /** PEM text and passphrase as given. */
  readonly originalKey: () => Promise<{ readonly pem: Secret; readonly passphrase: Secret }>;
}

/** A definition as far as sending needs it, stored or not. */
export interface ResolvedServer extends ConnectionSettings {
  /** Name of the definition; may be empty if it is not saved. */
  readonly identifier: string;
  /** Changes with each version of the definition; null: not saved. */
  readonly poolKey: string | null;
  /** One mailbox, or empty. */
  readonly sender: string;
  /** Null: mail leaves unsigned. */
  readonly signing: SigningSource | null;
  /** Whether mail that cannot be signed stays here. */
  readonly dontSendOnError: boolean;
  /** Whether mail is queued instead of being sent at once. */
  readonly enqueueJob: boolean;
}
