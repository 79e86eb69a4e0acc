import type { Mailbox } from "./mailbox.ts";

/** One mailbox, or several, each as an object or as text such as `Ann <ann@example.org>`. */
export type Mailboxes = Mailbox | string | readonly (Mailbox | string)[];

/** A message as its author means it, before it has an identity or bytes. */
export interface Message {
  /**
   * Recipients; with those of `cc` and `bcc` at least one. Each address gets its own SMTP transaction, once. All are
   * listed in `To`.
   */
  readonly to: Mailboxes;
  /** Recipients that are listed in `Cc`. */
  readonly cc?: Mailboxes | undefined;
  /** Recipients that no header names. */
  readonly bcc?: Mailboxes | undefined;
  /** Default: the definition's `sender`. */
  readonly from?: Mailbox | string | undefined;
  readonly replyTo?: Mailboxes | undefined;
  readonly subject: string;
  /** At least one of `text` and `html`. Lines end in any way; they leave as CRLF. */
  readonly text?: string | undefined;
  /** A whole document, or a fragment, which becomes the body of one. */
  readonly html?: string | undefined;
  /** Language of the document that is made of an HTML fragment, as a BCP 47 tag. Default: `en`. */
  readonly language?: string | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  /**
   * Fields beyond the usual ones, such as `OTP-Token`: a name of letters, digits and `-`, and a text. Fields that
   * every message has, and those that decide where it goes, are rejected. `Auto-Submitted` is Sealpost's own.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A file that a message brings. */
export interface Attachment {
  /** Bytes, or a text, which leaves as UTF-8. */
  readonly content: Uint8Array | string;
  /** At most 255 characters of one line. Default: `attachment-1`, … with the extension of the type. */
  readonly filename?: string | undefined;
  /**
   * Media type, parameters included; not `message/*` or `multipart/*`. Default: by the extension of `filename`, else
   * `text/plain` for a text and `application/octet-stream` for bytes.
   */
  readonly contentType?: string | undefined;
  /** Makes it part of the HTML, which refers to it as `cid:<contentId>`. */
  readonly contentId?: string | undefined;
}

/** A {@link Message} that was checked: mailboxes in their one spelling, defaults filled in. */
export interface NormalizedMessage
  extends Pick<Message, "subject" | "text" | "html" | "language" | "headers"> {
  readonly to: readonly Mailbox[];
  readonly cc?: readonly Mailbox[] | undefined;
  readonly bcc?: readonly Mailbox[] | undefined;
  readonly from?: Mailbox | undefined;
  readonly replyTo?: readonly Mailbox[] | undefined;
  readonly attachments?: readonly NormalizedAttachment[] | undefined;
}

export interface NormalizedAttachment {
  readonly content: Uint8Array;
  readonly filename: string;
  readonly contentType: string;
  /** Without angle brackets; `null`: not referred to. */
  readonly contentId: string | null;
}

/** The part of a message that is fixed when it is accepted and stays the same in every attempt. */
export interface MessageIdentity {
  readonly from: Mailbox;
  readonly date: Date;
  /** With angle brackets (RFC 5322 3.6.4). */
  readonly messageId: string;
  /** Unique text the MIME boundaries are made of; letters and digits. */
  readonly boundary: string;
}

/** A composed message in its two parts: only the entity is ever signed (RFC 8551 3.5.3). */
export interface ComposedMessage {
  /** Routing fields (From, To, Subject, Date, Message-ID, MIME-Version, …), each ended by CRLF; no empty line. */
  readonly headers: string;
  /** `Content-*` fields, an empty line, the body; CRLF throughout, ASCII only. */
  readonly entity: Uint8Array<ArrayBuffer>;
}
