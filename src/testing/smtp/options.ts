import type { Users } from "./auth.ts";
import type { SmtpTestConnection } from "./connection.ts";
import type { Misbehavior } from "./misbehavior.ts";

/** A key and its certificate chain, PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/**
 * A point of the conversation where the server can misbehave, named after the command that it replies to. `connect`:
 * before the greeting and TLS; `handshake`: the TLS handshake; `ehlo-tls`: EHLO under TLS; `auth`: the AUTH command;
 * `credentials`: the last response of AUTH; `bdat`: each BDAT chunk; `body`: the end of the message, by DATA or by
 * `BDAT … LAST` (after `bdat`).
 */
export type ServerStep =
  | "connect"
  | "greeting"
  | "ehlo"
  | "helo"
  | "starttls"
  | "handshake"
  | "ehlo-tls"
  | "auth"
  | "credentials"
  | "mail"
  | "rcpt"
  | "data"
  | "bdat"
  | "body"
  | "rset"
  | "noop"
  | "quit";

/** Misbehaviors by step; the server replies properly to all other steps. */
export type Script = Readonly<Partial<Record<ServerStep, Misbehavior>>>;

/**
 * What happens to a BDAT chunk without an accepted recipient.
 * - `discard`: it is read and discarded, the reply is 503, and the transaction is reset, as Postfix does.
 * - `keep-sender`: the same, but the sender stays until RSET, as in Exim: the next MAIL gets 503, and a message sent
 *   regardless arrives under the old sender.
 * - `execute`: the reply is 503 (or the one of the script), and the chunk's lines are run as commands.
 * - `accept`: the reply is 250, and the chunk is lost.
 */
export type BdatMode = "discard" | "keep-sender" | "execute" | "accept";

export interface SmtpTestServerOptions {
  /** Default `none`. The others need `tls`. */
  readonly security?: "none" | "starttls" | "implicit";
  readonly tls?: KeyPair;
  /** EHLO keywords; default PIPELINING, 8BITMIME, SMTPUTF8, SIZE 10485760. BDAT needs CHUNKING (RFC 3030). */
  readonly extensions?: readonly string[];
  /** Passwords by username; given, AUTH is offered and verified (but not required). */
  readonly users?: Users;
  /** Default PLAIN, LOGIN, CRAM-MD5. */
  readonly mechanisms?: readonly string[];
  /** Misbehaviors from the start. */
  readonly script?: Script;
  /** BDAT without an accepted recipient; default `discard`. */
  readonly bdat?: BdatMode;
  /**
   * Milliseconds that the client must be still before replies are written. With a few of them, `flights` counts round
   * trips exactly; default 0, replies are written after each segment.
   */
  readonly holdMs?: number;
}

/** One message as it arrived, dot-stuffing undone. */
export interface ReceivedMessage {
  /** Reverse-path. */
  readonly from: string;
  /** Forward-paths that were accepted. */
  readonly recipients: readonly string[];
  /** Content of the Message-ID field; null if there is none. */
  readonly messageId: string | null;
  readonly bytes: Uint8Array;
  readonly isTls: boolean;
  readonly isAuthenticated: boolean;
  readonly via: "DATA" | "BDAT";
  /** Bursts of input from MAIL to the end of the message, both included: its round trips. */
  readonly flights: number;
}

/**
 * An SMTP server (RFC 5321) on 127.0.0.1 that keeps what it gets and misbehaves on demand.
 * @example
 * await using server = await startSmtpServer({ script: { rcpt: reply("550 5.1.1 No such user") } });
 * // … send something to 127.0.0.1:server.port …
 * server.messages; server.connections[0]?.commands;
 */
export interface SmtpTestServer extends AsyncDisposable {
  readonly port: number;
  /** Messages whose end got a 2xx reply, in this order. */
  readonly messages: readonly ReceivedMessage[];
  /** Messages whose end arrived and got no 2xx reply (yet). */
  readonly unaccepted: readonly ReceivedMessage[];
  /** In the order they were made, closed ones included. */
  readonly connections: readonly SmtpTestConnection[];
  /** Sockets that are still open on the server's side. */
  readonly openSockets: number;
  /** Changes the reply to a step from now on; `undefined`: the proper one. */
  script(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Resolves when all sockets are closed. */
  closed(): Promise<void>;
}
