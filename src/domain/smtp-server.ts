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
export interface OpenServer extends Endpoint {
  /** Empty: no AUTH. */
  readonly username: string;
  readonly password: Secret;
  /** Bound of each step, in milliseconds; the whole mail is bounded by four times this. */
  readonly timeoutMs: number;
}

/** A definition's fields, as its owner sees them; the secrets in clear inside {@link Secret}. */
export interface SmtpServerFields {
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

/** The fields of a definition of which nothing but the name is known: CONTRACT's defaults. */
export const SMTP_SERVER_DEFAULTS: SmtpServerFields = {
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
};

/** A stored definition with its secrets opened. */
export interface SmtpServer extends SmtpServerFields {
  /** UUID made before the insert; binds the sealed values to the row. */
  readonly id: string;
  readonly identifier: string;
  /** Random per row, so that a definition deleted and made again has another ETag. */
  readonly etagSeed: string;
  /** 1, 2, …: grows with each change. */
  readonly version: number;
  /** The private key as PKCS#8 DER in base64, opened when the definition was saved; empty if it did not open. */
  readonly signingKey: Secret;
}
