import type { Mailbox } from "./mailbox.ts";

/** One or more mailboxes, each an object or a text such as `Ann <ann@example.org>`. */
export type Mailboxes = Mailbox | string | readonly (Mailbox | string)[];

/** A message as the caller submits it. */
export interface Message {
  /**
   * Recipients that are listed in `To`. `to`, `cc` and `bcc` name at least one. Each address gets its own SMTP
   * transaction, once.
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
  /** Plain text. `text` or `html` is required. Any line ends are converted to CRLF. */
  readonly text?: string | undefined;
  /** An HTML document, or a fragment, which Sealpost wraps in a document. */
  readonly html?: string | undefined;
  /** Language of the document around an HTML fragment, as a BCP 47 tag. Default: `en`. */
  readonly language?: string | undefined;
  readonly attachments?: readonly Attachment[] | undefined;
  /**
   * Further header fields, such as `OTP-Token`. A name has letters, digits and `-`. Fields that Sealpost writes and
   * fields that affect routing are rejected.
   */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** An attached file. */
export interface Attachment {
  /** Bytes, or text, which is sent as UTF-8. */
  readonly content: Uint8Array | string;
  /** One line of at most 255 characters. Default: `attachment-1`, … with the extension of the type. */
  readonly filename?: string | undefined;
  /**
   * Media type with parameters, but not `message/*` or `multipart/*`. Default: by the extension of `filename`; without
   * one, `text/plain` for text and `application/octet-stream` for bytes.
   */
  readonly contentType?: string | undefined;
  /** Makes the file part of the HTML, which refers to it as `cid:<contentId>`. */
  readonly contentId?: string | undefined;
}

/** A {@link Message} that was checked, with mailboxes in canonical form and defaults filled in. */
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
  /** Without angle brackets; `null` if the HTML does not refer to the file. */
  readonly contentId: string | null;
}

/** The part of a message that is fixed at submission and is the same in every attempt. */
export interface MessageIdentity {
  readonly from: Mailbox;
  readonly date: Date;
  /** With angle brackets (RFC 5322 3.6.4). */
  readonly messageId: string;
  /** Unique text of letters and digits, from which the MIME boundaries are derived. */
  readonly boundary: string;
}

/** The two parts of a composed message. Only the entity is signed (RFC 8551 3.5.3). */
export interface ComposedMessage {
  /** Routing fields (From, To, Subject, Date, Message-ID, MIME-Version, …), each with CRLF, without an empty line. */
  readonly headers: string;
  /** `Content-*` fields, an empty line and the body, in ASCII with CRLF. */
  readonly entity: Uint8Array<ArrayBuffer>;
}
