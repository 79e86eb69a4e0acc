import type { Mailbox } from "./mailbox.ts";

/** A mail as its author means it, before it has an identity or bytes. */
export interface Message {
  /** At least one; each gets its own transaction, all stand in `To`. */
  readonly to: readonly Mailbox[];
  /** Default: the definition's `sender`. */
  readonly from?: Mailbox;
  readonly replyTo?: readonly Mailbox[];
  readonly subject: string;
  /** At least one of `text` and `html`. Any line ends; they leave as CRLF. */
  readonly text?: string;
  readonly html?: string;
  /**
   * Fields beyond the usual ones, such as `OTP-Token`: a name of letters, digits and `-`, and a text. Those that a mail
   * has anyway, and those that say where it goes, are refused.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is fixed when a mail is accepted and stays the same in every try. */
export interface MessageIdentity {
  readonly from: Mailbox;
  readonly date: Date;
  /** With angle brackets (RFC 5322 3.6.4). */
  readonly messageId: string;
  /** Unique text the MIME boundaries are made of; letters and digits. */
  readonly boundary: string;
}

/** A composed mail in its two parts: only the entity is ever signed (RFC 8551 3.5.3). */
export interface ComposedMessage {
  /** Routing fields (From, To, Subject, Date, Message-ID, MIME-Version, …), each ended by CRLF; no empty line. */
  readonly headers: string;
  /** `Content-*` fields, an empty line, the body; CRLF throughout, ASCII only. */
  readonly entity: Uint8Array<ArrayBuffer>;
}
