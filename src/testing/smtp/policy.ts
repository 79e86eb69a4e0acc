import type { SmtpTestServerOptions } from "./options.ts";

const MINUTE_MS = 60_000;

/** A reply that rejects a step because of the options. */
export interface Rejection {
  readonly reply: string;
  /** Closes the connection after the reply. */
  readonly isFinal?: true;
}

/** The limits and the greylist of one server, for all its connections. */
export class Policy {
  readonly #options: SmtpTestServerOptions;
  readonly #seenTriples = new Set<string>();
  readonly #admitted = new Set<object>();
  readonly #authenticated = new Set<object>();
  #acceptedMs: number[] = [];

  constructor(options: SmtpTestServerOptions) {
    this.#options = options;
  }

  /** Called at the greeting. */
  rejectConnection(connection: object): Rejection | null {
    const { maxConnections = Number.POSITIVE_INFINITY, connectionsAt } = this.#options.limits ?? {};
    if (connectionsAt === "auth" || this.#admitted.size < maxConnections) {
      this.#admitted.add(connection);
      return null;
    }
    return { reply: "421 4.3.2 Too many connections", isFinal: true };
  }

  /** Called at AUTH. */
  rejectLogin(): Rejection | null {
    const { maxConnections = Number.POSITIVE_INFINITY, connectionsAt } = this.#options.limits ?? {};
    if (connectionsAt !== "auth" || this.#authenticated.size < maxConnections) return null;
    return { reply: "432 4.3.2 Concurrent connections limit exceeded" };
  }

  onLogin(connection: object): void {
    this.#authenticated.add(connection);
  }

  onClose(connection: object): void {
    this.#admitted.delete(connection);
    this.#authenticated.delete(connection);
  }

  /** Called at MAIL. @param accepted number of messages accepted on this connection. */
  rejectSender(line: string, accepted: number): Rejection | null {
    const { maxMessagesPerConnection, maxMessagesPerMinute } = this.#options.limits ?? {};
    if (maxMessagesPerConnection !== undefined && accepted >= maxMessagesPerConnection) {
      return { reply: "421 4.7.0 Too many messages on this connection", isFinal: true };
    }
    if (maxMessagesPerMinute !== undefined && this.#acceptedInLastMinute() >= maxMessagesPerMinute) {
      return { reply: "450 4.7.1 Too many messages" };
    }
    // RFC 1870 6.1.
    return this.rejectSize(Number(/ SIZE=(\d+)/i.exec(line)?.[1] ?? 0));
  }

  /** Called at RCPT. @param client IP address. */
  rejectRecipient(client: string, sender: string, recipient: string): Rejection | null {
    if (this.#options.greylist !== true) return null;
    const triple = JSON.stringify([client, sender, recipient]);
    if (this.#seenTriples.has(triple)) return null;
    this.#seenTriples.add(triple);
    return { reply: "451 4.7.1 Greylisted: try again later" };
  }

  /** Called at the end of the message (RFC 1870 6.3). */
  rejectSize(bytes: number): Rejection | null {
    const { maxMessageBytes = Number.POSITIVE_INFINITY } = this.#options.limits ?? {};
    return bytes <= maxMessageBytes ? null : { reply: "552 5.3.4 Message is too large" };
  }

  onAccepted(): void {
    this.#acceptedMs.push(this.#nowMs);
  }

  #acceptedInLastMinute(): number {
    const startMs = this.#nowMs - MINUTE_MS;
    this.#acceptedMs = this.#acceptedMs.filter((ms) => ms > startMs);
    return this.#acceptedMs.length;
  }

  get #nowMs(): number {
    return (this.#options.now?.() ?? new Date()).getTime();
  }
}
