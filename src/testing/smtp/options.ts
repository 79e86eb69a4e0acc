import type { Misbehavior } from "./misbehavior.ts";
import type { Accounts } from "./sasl.ts";

/** A key and its certificate chain, PEM. */
export interface KeyPair {
  readonly key: string;
  readonly cert: string;
}

/**
 * A point of the conversation where the server can misbehave, named after the command. The others are:
 * - `connect`: before the greeting and TLS
 * - `handshake`: the TLS handshake
 * - `ehlo-tls`: EHLO under TLS
 * - `auth`: the AUTH command
 * - `credentials`: the last response of AUTH
 * - `bdat`: each BDAT chunk
 * - `body`: the end of the message, by DATA or by `BDAT … LAST` (after `bdat`)
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

/** Misbehaviors by step. The server replies properly to all other steps. */
export type Script = Readonly<Partial<Record<ServerStep, Misbehavior>>>;

/**
 * Handling of a BDAT chunk without an accepted recipient.
 * - `discard`: reads and discards it, replies 503 and resets the transaction, as Postfix does.
 * - `keep-sender`: the same, but keeps the sender until RSET, as Exim does. The next MAIL gets 503, and a message sent
 *   anyway arrives with the old sender.
 * - `execute`: replies 503 (or as the script says) and runs the lines of the chunk as commands.
 * - `accept`: replies 250 and loses the chunk.
 */
export type BdatMode = "discard" | "keep-sender" | "execute" | "accept";

/** Limits of the server. None by default. */
export interface ServerLimits {
  /** Connections at a time. */
  readonly maxConnections?: number;
  /** The step that rejects a surplus connection: the greeting with 421 4.3.2 (default), or AUTH with 432 4.3.2. */
  readonly connectionsAt?: "greeting" | "auth";
  /** Accepted messages per connection. The next MAIL gets 421 4.7.0, and the server closes the connection. */
  readonly maxMessagesPerConnection?: number;
  /** Accepted messages in 60 seconds. Above it, MAIL gets 450 4.7.1. */
  readonly maxMessagesPerMinute?: number;
  /** Listed as SIZE (RFC 1870). A larger message gets 552 5.3.4 at MAIL or at its end. */
  readonly maxMessageBytes?: number;
  /** Milliseconds without a command until the server closes the connection. */
  readonly idleMs?: number;
  /** Written before an idle connection is closed. Empty: nothing. Default: `421 4.4.2 Idle for too long`. */
  readonly idleReply?: string;
}

export interface SmtpTestServerOptions extends Accounts {
  /** Default: `none`. */
  readonly security?: "none" | "starttls" | "implicit";
  /** A generated certificate, by its defect, or your own. Default: `valid`. */
  readonly tls?: "valid" | "wrongName" | "expired" | "untrusted" | KeyPair;
  /**
   * PEM of the authority whose client certificates TLS requires. A client without one gets an alert, and a client with
   * another one a closed connection. Default: none is requested.
   */
  readonly clientCa?: string;
  /** IP address to listen on. Default: `127.0.0.1`. */
  readonly host?: string;
  /** Default: 0, a free port. */
  readonly port?: number;
  /** EHLO keywords. BDAT needs CHUNKING (RFC 3030). Default: PIPELINING, 8BITMIME, SMTPUTF8, SIZE 10485760. */
  readonly extensions?: readonly string[];
  /** Default: PLAIN, LOGIN and CRAM-MD5 for `users`, XOAUTH2 and OAUTHBEARER for `verifyToken`. */
  readonly mechanisms?: readonly string[];
  /** Whether `334` has no space if the challenge is empty (RFC 5321 4.2: the text is optional). Default: `false`. */
  readonly bareChallenges?: boolean;
  /** Initial misbehaviors, for all connections or by index of the connection. */
  readonly script?: Script | ((connection: number) => Script);
  readonly limits?: ServerLimits;
  /** Whether to reject the first RCPT of each client, sender and recipient with 451 4.7.1. Default: `false`. */
  readonly greylist?: boolean;
  /** Handling of BDAT without an accepted recipient. Default: `discard`. */
  readonly bdat?: BdatMode;
  /**
   * Milliseconds that the client must be silent before replies are written. A few make `flights` count round
   * trips exactly. Default: 0, replies follow each segment.
   */
  readonly holdMs?: number;
  /** Delay before replies are written, in milliseconds. Default: 0. */
  readonly replyDelayMs?: number;
  /** Delay after each octet of a reply, in milliseconds. Default: 0, replies are written in one piece. */
  readonly octetDelayMs?: number;
  /** Clock of `maxMessagesPerMinute`. Default: the system's. */
  readonly now?: () => Date;
}

/** One message as it arrived, without dot-stuffing. */
export interface ReceivedMessage {
  /** Reverse-path. */
  readonly from: string;
  /** Forward-paths that were accepted. */
  readonly recipients: readonly string[];
  /** Value of the Message-ID field. `null` without one. */
  readonly messageId: string | null;
  readonly bytes: Uint8Array;
  readonly isTls: boolean;
  readonly isAuthenticated: boolean;
  /** `null` without AUTH. */
  readonly username: string | null;
  readonly via: "DATA" | "BDAT";
  /** Bursts of input from MAIL to the end of the message, both included. Equals its round trips. */
  readonly flights: number;
  /** Index of its connection in `connections`. */
  readonly connection: number;
}

/** Credentials that a client has sent. */
export interface LoginAttempt {
  readonly mechanism: string;
  /** Empty if the credentials cannot be read. */
  readonly username: string;
  /** Whether the reply was 235. */
  readonly isAccepted: boolean;
  /** Index of its connection in `connections`. */
  readonly connection: number;
}

/** One client's connection. */
export interface SmtpTestConnection {
  /** Lines as the client sent them, without CRLF. Excludes bodies and chunks. */
  readonly commands: readonly string[];
  /** Bursts of input between the server's own replies: the client's share of the round trips. */
  readonly flights: number;
  readonly isTls: boolean;
  /** Common name of the client's certificate. `null` without one. */
  readonly clientName: string | null;
  readonly isClosed: boolean;
  /** Whether a limit closed it. */
  readonly isRejected: boolean;
  /** Changes the reply to a step of this connection from now on. `undefined` restores the proper one. */
  script(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Writes without a command, as a server does that sends 421 to an idle connection. */
  write(text: string): void;
  /** Closes without a reply. */
  destroy(): void;
}

/**
 * An SMTP server (RFC 5321) that keeps every message and misbehaves on demand.
 * @example
 * ```ts
 * await using server = await startSmtpServer({ script: { rcpt: reply("550 5.1.1 No such user") } });
 * // … send something to 127.0.0.1:server.port …
 * server.messages; server.connections[0]?.commands;
 * ```
 */
export interface SmtpTestServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** PEM of the authority to trust. `null` without TLS, and with your own certificate. */
  readonly ca: string | null;
  /** Messages whose end got a 2xx reply, in that order. */
  readonly messages: readonly ReceivedMessage[];
  /** Messages whose end arrived and has no 2xx reply so far. */
  readonly unaccepted: readonly ReceivedMessage[];
  /** All logins in order, rejected ones included. */
  readonly logins: readonly LoginAttempt[];
  /** All connections in order, including closed ones. */
  readonly connections: readonly SmtpTestConnection[];
  /** Number of sockets that are open on the server's side. */
  readonly openSockets: number;
  /** Changes the reply to a step from now on, for all connections. `undefined` restores the proper one. */
  script(step: ServerStep, misbehavior: Misbehavior | undefined): void;
  /** Resolves when `count` messages are accepted. */
  untilAccepted(count: number): Promise<void>;
  /** Resolves when all sockets are closed. */
  closed(): Promise<void>;
}
