import { MAX_FIELD_CHARACTERS, type Mailbox } from "./mailbox.ts";

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
   * Further header fields, such as `OTP-Token`. A name has letters, digits, `-` and `_`. Fields that Sealpost writes and
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

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
/** RFC 5322 2.1.1 and RFC 5321 4.5.3.1.6, without the CRLF. */
const MAX_LINE_OCTETS = 998;

/** RFC 5322 2.2, and short enough to leave room for a value in a folded line. */
const FIELD_NAME = /^[A-Za-z][\w-]{0,63}$/;
/** Fields that Sealpost writes (RFC 5322 3.6, RFC 2045), and those that other programs read as trace information. */
const RESERVED =
  /^(from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|resent-.*|received|return-path|dkim-.*|arc-.*)$/i;
/** Fields that must not have encoded words: message identifiers, URLs in angle brackets, structured fields. */
const STRUCTURED = /^(in-reply-to|references|list-.*|otp-token)$/i;
/** A word is never folded, so with its field name it must fit into the 998 octets of RFC 5322 2.1.1. */
export const MAX_WORD_CHARACTERS = 900;

// Characters that end a line, or that terminals and mail programs interpret. A tab is only white space.
const UNSAFE = /[^\P{Cc}\t]|[\u2028\u2029]/u;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** RFC 5322 3.6.4. */
const MESSAGE_IDS = /^<[^<>\s@]+@[^<>\s@]+>([ \t]*<[^<>\s@]+@[^<>\s@]+>)*$/;
/** RFC 2369 3.2: URLs in angle brackets. RFC 8058 3.1 needs one with https. */
const UNSUBSCRIBE_URLS = /^<(https|mailto):[^<>\s]+>( *, *<(https|mailto):[^<>\s]+>)*$/i;

/** The fields that an HTTP caller may set, by name in lower case, and their values. `x-` stands for all `X-*` fields. */
const HTTP_FIELDS: Readonly<Record<string, { readonly value: RegExp; readonly expected: string }>> = {
  "list-unsubscribe": {
    value: UNSUBSCRIBE_URLS,
    expected: "https: or mailto: URLs, each in angle brackets, comma-separated",
  },
  // RFC 8058 3.1.
  "list-unsubscribe-post": { value: /^List-Unsubscribe=One-Click$/, expected: "List-Unsubscribe=One-Click" },
  "in-reply-to": { value: MESSAGE_IDS, expected: "message identifiers such as <1@example.org>" },
  references: { value: MESSAGE_IDS, expected: "message identifiers such as <1@example.org>" },
  "x-": { value: /^/, expected: "a text" },
};

/** The form of texts for which {@link isUnsafeInHeader} is false. */
export const HEADER_TEXT_FORM = `one line without control characters, at most ${MAX_FIELD_CHARACTERS} characters`;

/** Whether a text is too long for a header, or contains control characters or line separators. */
export function isUnsafeInHeader(text: string): boolean {
  return text.length > MAX_FIELD_CHARACTERS || UNSAFE.test(text);
}

/** Whether the value of a field is written without encoded words (RFC 2047 5). */
export function isStructuredField(name: string): boolean {
  return STRUCTURED.test(name);
}

/** Returns what is expected instead of this field; `null` if the field is valid. */
export function fieldProblem(name: string, value: string): string | null {
  if (!FIELD_NAME.test(name)) return "expected a name of at most 64 letters, digits, - and _";
  if (RESERVED.test(name)) return "expected a field that is not reserved";
  if (isUnsafeInHeader(value)) return `expected ${HEADER_TEXT_FORM}`;
  if (!isStructuredField(name)) return null;
  const words = value.split(/[ \t]/);
  const isFit = words.every((word) => PRINTABLE_ASCII.test(word) && word.length <= MAX_WORD_CHARACTERS);
  return isFit ? null : `expected printable ASCII, at most ${MAX_WORD_CHARACTERS} characters without a blank`;
}

/**
 * Returns what an HTTP caller may send instead of this header field, or `null` if the field is valid. HTTP callers may
 * only set {@link HTTP_FIELDS}.
 */
export function httpFieldProblem(name: string, value: string): string | null {
  const field = name.toLowerCase();
  const rule = HTTP_FIELDS[/^x-./.test(field) ? "x-" : field];
  if (rule === undefined || field === "x-") {
    return `expected one of ${Object.keys(HTTP_FIELDS).join(", ").replace("x-", "X-*")}`;
  }
  return fieldProblem(name, value) ?? (rule.value.test(value) ? null : `expected ${rule.expected}`);
}

/**
 * Validates the final bytes of a message.
 * @returns whether some octet is above 127 (RFC 6152), and whether one in the header section is.
 * @throws {TypeError} for a bare CR or LF, a NUL, a line of more than 998 octets, or if the final CRLF is missing.
 */
export function inspectBytes(bytes: Uint8Array): {
  readonly eightBit: boolean;
  readonly utf8Headers: boolean;
} {
  let lineStart = 0;
  let isHeader = true;
  let [eightBit, utf8Headers] = [false, false];
  for (let index = 0; index < bytes.length; index++) {
    const octet = bytes[index]!;
    if (octet > 127) {
      eightBit = true;
      utf8Headers ||= isHeader;
    }
    if (octet > CR) continue;
    if (octet === NUL) throw new TypeError("The message holds a NUL");
    if (octet === LF || (octet === CR && bytes[index + 1] !== LF))
      throw new TypeError("The message holds a bare CR or LF");
    if (octet !== CR) continue;
    if (index - lineStart > MAX_LINE_OCTETS) throw new TypeError("The message holds a line over 998 octets");
    // RFC 5322 2.1: an empty line ends the header section.
    if (index === lineStart) isHeader = false;
    index++;
    lineStart = index + 1;
  }
  if (bytes.length === 0 || lineStart !== bytes.length)
    throw new TypeError("The message does not end in CRLF");
  return { eightBit, utf8Headers };
}
