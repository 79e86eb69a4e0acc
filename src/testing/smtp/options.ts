import type { Users } from "./auth.ts";
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
 * Handling of a BDAT chunk without an accepted recipient.
 * - `discard`: it is read and discarded, the reply is 503, and the transaction is reset, as Postfix does.
 * - `keep-sender`: the same, but the sender stays until RSET, as in Exim: the next MAIL gets 503, and a message sent
 *   regardless arrives under the old sender.
 * - `execute`: the reply is 503 (or the one of the script), and the chunk's lines are run as commands.
 * - `accept`: the reply is 250, and the chunk is lost.
 */
export type BdatMode = "discard" | "keep-sender" | "execute" | "accept";

/** Limits of the server; none by default. */
export interface ServerLimits {
  /** Connections at a time. */
  readonly maxConnections?: number;
  /** The step that rejects a connection too many: the greeting by 421 4.3.2 (default), or AUTH by 432 4.3.2. */
  readonly connectionsAt?: "greeting" | "auth";
  /** Accepted messages per connection; the next MAIL gets 421 4.7.0, and the connection is closed. */
  readonly maxMessagesPerConnection?: number;
  /** Accepted messages in 60 seconds; MAIL gets 450 4.7.1. */
  readonly maxMessagesPerMinute?: number;
  /** Listed as SIZE (RFC 1870); a larger message gets 552 5.3.4 at MAIL or at its end. */
  readonly maxMessageBytes?: number;
  /** Milliseconds without a command until the server closes the connection. */
  readonly idleMs?: number;
  /** Written before an idle connection is closed; default `421 4.4.2 Idle for too long`, empty: nothing. */
  readonly idleReply?: string;
}

export interface SmtpTestServerOptions {
  /** Default `none`. */
  readonly security?: "none" | "starttls" | "implicit";
  /** A certificate that is generated, by its fault, or one of your own; default `valid`. */
  readonly tls?: "valid" | "wrongName" | "expired" | "untrusted" | KeyPair;
  /** IP address to listen on; default `127.0.0.1`. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** EHLO keywords; default PIPELINING, 8BITMIME, SMTPUTF8, SIZE 10485760. BDAT needs CHUNKING (RFC 3030). */
  readonly extensions?: readonly string[];
  /** Passwords by username; given, AUTH is offered and verified (but not required). */
  readonly users?: Users;
  /** Default PLAIN, LOGIN, CRAM-MD5. */
  readonly mechanisms?: readonly string[];
  /** Writes `334` without the space behind it where a challenge is empty; RFC 5321 4.2 makes the text optional. */
  readonly bareChallenges?: boolean;
  /** Misbehaviors from the start, for all connections or by index of the connection. */
  readonly script?: Script | ((connection: number) => Script);
  readonly limits?: ServerLimits;
  /** Rejects the first RCPT of each client, sender and recipient by 451 4.7.1; the next one is accepted. */
  readonly greylist?: boolean;
  /** BDAT without an accepted recipient; default `discard`. */
  readonly bdat?: BdatMode;
  /**
   * Milliseconds that the client must be still before replies are written. With a few of them, `flights` counts round
   * trips exactly; default 0, replies are written after each segment.
   */
  readonly holdMs?: number;
  /** Milliseconds before replies are written; default 0. */
  readonly replyDelayMs?: number;
  /** Milliseconds after each octet of a reply; default 0, replies are written in one piece. */
  readonly octetDelayMs?: number;
  /** Clock of `maxMessagesPerMinute`; default the system's. */
  readonly now?: () => Date;
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
  /** Null without AUTH. */
  readonly username: string | null;
  readonly via: "DATA" | "BDAT";
  /** Bursts of input from MAIL to the end of the message, both included: its round trips. */
  readonly flights: number;
  /** Index of its connection in `connections`. */
  readonly connection: number;
}

/** One client's connection. */
export interface SmtpTestConnection {
  /** Lines as the client sent them, without CRLF; bodies and chunks are not among them. */
  readonly commands: readonly string[];
  /** Bursts of input between the server's own replies: the client's share of the round trips. */
  readonly flights: number;
  readonly isTls: boolean;
  readonly isClosed: boolean;
  /** Whether a limit closed it. */
  readonly isRejected: boolean;
  /** Changes the reply to a step of this connection from now on; `undefined`: the proper one. */
  script(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Writes out of turn, as a server that sends 421 to an idle connection does. */
  write(text: string): void;
  /** Closes without a reply. */
  destroy(): void;
}

/**
 * An SMTP server (RFC 5321) that keeps what it gets and misbehaves on demand.
 * @example
 * await using server = await startSmtpServer({ script: { rcpt: reply("550 5.1.1 No such user") } });
 * // … send something to 127.0.0.1:server.port …
 * server.messages; server.connections[0]?.commands;
 */
export interface SmtpTestServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** PEM of the authority to trust; null without TLS, and with a certificate of your own. */
  readonly ca: string | null;
  /** Messages whose end got a 2xx reply, in this order. */
  readonly messages: readonly ReceivedMessage[];
  /** Messages whose end arrived and got no 2xx reply (yet). */
  readonly unaccepted: readonly ReceivedMessage[];
  /** In the order they were made, closed ones included. */
  readonly connections: readonly SmtpTestConnection[];
  /** Sockets that are still open on the server's side. */
  readonly openSockets: number;
  /** Changes the reply to a step from now on, for all connections; `undefined`: the proper one. */
  script(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Resolves when so many messages are accepted. */
  untilAccepted(count: number): Promise<void>;
  /** Resolves when all sockets are closed. */
  closed(): Promise<void>;
}
