import type { SmtpReply, TlsPeer } from "../domain/delivery.ts";
import type { Attempt } from "./attempt.ts";
import type { Capabilities } from "./capabilities.ts";
import type { Pooled } from "./pool.ts";

/** One mail as a session takes it. */
export interface Transaction {
  readonly from: string;
  readonly recipient: string;
  readonly bytes: Uint8Array;
  /** Some octet is above 127. */
  readonly eightBit: boolean;
}

/**
 * One SMTP session over a connected socket. The promises reject with a `DeliveryError`, or with the reason for
 * which the attempt was stopped.
 */
export interface MailSession extends Pooled {
  /** What the server offers, as said last. */
  readonly capabilities: Capabilities;
  /** Null without TLS. */
  readonly tls: TlsPeer | null;
  /** Greeting, EHLO and, if asked for, STARTTLS and EHLO again; AUTH if there is a username. */
  open(attempt: Attempt): Promise<void>;
  /** One transaction. @returns the server's final reply. */
  send(mail: Transaction, attempt: Attempt): Promise<SmtpReply>;
}

/** Time for the answer to QUIT; nothing but politeness depends on it. */
export const QUIT_MS = 1000;
