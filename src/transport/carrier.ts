import type { Delivery } from "../contracts/transport.ts";
import type { SmtpReply, TlsPeer } from "../domain/delivery.ts";
import type { Attempt } from "./attempt.ts";
import { DeliveryError } from "./delivery-error.ts";
import type { Inspection } from "./input.ts";
import type { MailSession } from "./mail-session.ts";
import type { Lease } from "./pool.ts";

/** Takes one mail through the connection of a lease, or through a new one. */
export class Carrier<S extends MailSession> {
  readonly #dial: () => Promise<S>;
  #session: S | null = null;
  #tls: TlsPeer | null = null;

  /** @param dial connects; the session it gives is not opened yet. */
  constructor(dial: () => Promise<S>) {
    this.#dial = dial;
  }

  /** TLS of the connection used; null without. */
  get tls(): TlsPeer | null {
    return this.#session?.tls ?? this.#tls;
  }

  /** Sends the mail and gives the lease back. @throws {DeliveryError} or the reason for which the attempt stopped. */
  async carry(
    lease: Lease<S>,
    delivery: Delivery,
    inspection: Inspection,
    attempt: Attempt,
  ): Promise<SmtpReply> {
    this.#session = lease.idle;
    try {
      const reply = await this.#carryWarm(delivery, inspection, attempt);
      if (reply !== null) return reply;
      this.#session = await this.#dial();
      await this.#session.open(attempt);
      return await transact(this.#session, delivery, inspection, attempt);
    } finally {
      this.#tls = this.tls;
      lease.release(this.#session);
    }
  }

  /** @returns null if there was no connection, or the server had closed it before it took anything of the mail. */
  async #carryWarm(delivery: Delivery, inspection: Inspection, attempt: Attempt): Promise<SmtpReply | null> {
    if (this.#session === null) return null;
    try {
      return await transact(this.#session, delivery, inspection, attempt);
    } catch (error) {
      if (!isStale(error)) throw error;
      attempt.rewind();
      this.#session = null;
      return null;
    }
  }
}

/** How a server that had enough of a waiting connection answers the next MAIL: it cannot have taken anything. */
function isStale(error: unknown): boolean {
  if (!(error instanceof DeliveryError) || error.failure.phase !== "sender") return false;
  return error.failure.code === "closed" || error.failure.reply?.code === 421;
}

async function transact(
  session: MailSession,
  { from, recipient, bytes }: Delivery,
  { eightBit }: Inspection,
  attempt: Attempt,
): Promise<SmtpReply> {
  const { keywords, sizeOctets } = session.capabilities;
  const hasUtf8 = keywords.has("SMTPUTF8");
  if (!hasUtf8 && !isAscii(from)) throw attempt.failure("unsupported_here", null, "sender");
  if (!hasUtf8 && !isAscii(recipient)) throw attempt.failure("unsupported_here", null, "recipient");
  // RFC 6152 3: octets above 127 must not go to a server that does not say it takes them.
  if (eightBit && !keywords.has("8BITMIME")) throw attempt.failure("unsupported_here", null, "data");
  if (sizeOctets !== null && bytes.length > sizeOctets) throw attempt.failure("too_large", null, "sender");
  return session.send({ from, recipient, bytes, eightBit }, attempt);
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
