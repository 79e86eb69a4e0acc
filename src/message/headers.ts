import { type Mailbox, parseAddress } from "../domain/mailbox.ts";
import type { Message, MessageIdentity } from "../domain/message.ts";
import { encodeWords, foldField, isPlain } from "./words.ts";

// Line ends of any kind, NUL, and what terminals and mail programs obey; a tab is only white space.
const UNSAFE = /[^\P{Cc}\t]|[\u2028\u2029]/u;
/** RFC 5322 3.2.3, words with one space between. */
const ATOMS = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+( [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;
/** RFC 5322 3.6.4, without quoted strings and literals with spaces; short enough for a line of its own. */
const MESSAGE_ID = /^<[!-;=?A-~]+@[!-;=?A-~]+>$/;
const MESSAGE_ID_CHARACTERS = 900;
/** RFC 5322 3.3: a year has four digits and is not before 1900. */
const FIRST_YEAR = 1900;
const LAST_YEAR = 9999;

/**
 * The routing fields of a mail (RFC 5322 3.6), each ended by CRLF: From, To, Reply-To, Subject, Date, Message-ID,
 * MIME-Version. An empty subject and an empty Reply-To give no field. ASCII, but for addresses whose local part is
 * not: those are UTF-8 (RFC 6532).
 *
 * nodemailer could write these too, but leaves words as long as they are and does not give every text back: names
 * that look like encoded words, or that hold several spaces, arrive as something else.
 * @throws {TypeError} for control characters, malformed addresses, and values that no header can carry.
 */
export function routingHeaders(message: Message, identity: MessageIdentity): string {
  if (message.to.length === 0) throw new TypeError("A message needs a recipient");
  const fields: readonly (readonly [name: string, value: string])[] = [
    ["From", mailboxText(identity.from)],
    ["To", message.to.map(mailboxText).join(", ")],
    ["Reply-To", (message.replyTo ?? []).map(mailboxText).join(", ")],
    ["Subject", subjectText(message.subject)],
    ["Date", dateText(identity.date)],
    ["Message-ID", messageIdText(identity.messageId)],
    ["MIME-Version", "1.0"],
    ...Object.entries(message.headers ?? {}).map(ownField),
  ];
  return fields
    .filter(([, value]) => value !== "")
    .map(([name, value]) => foldField(name, value))
    .join("");
}

/** RFC 5322 2.2, and short enough that folding finds room for a value. */
const FIELD_NAME = /^[A-Za-z][A-Za-z0-9-]{0,30}$/;
/** What a mail has already (RFC 5322 3.6, RFC 2045), or what others read as where it goes or came from. */
const TAKEN =
  /^(from|sender|to|cc|bcc|reply-to|subject|date|message-id|mime-version|content-.*|resent-.*|received|return-path|dkim-.*|arc-.*)$/i;

function ownField([name, text]: readonly [string, string]): readonly [string, string] {
  if (!FIELD_NAME.test(name) || TAKEN.test(name)) {
    throw new TypeError(`The message cannot have a field ${JSON.stringify(name)} of its own`);
  }
  refuseUnsafe(text, `field ${name}`);
  return [name, text === "" || isPlain(text) ? text : encodeWords(text)];
}

function subjectText(subject: string): string {
  refuseUnsafe(subject, "subject");
  return subject === "" || isPlain(subject) ? subject : encodeWords(subject);
}

function mailboxText({ name, address }: Mailbox): string {
  refuseUnsafe(name, "display name");
  const parsed = parseAddress(address);
  if (parsed === null) throw new TypeError("A mailbox of the message has a malformed address");
  return name === "" ? parsed : `${phrase(name)} <${parsed}>`;
}

function phrase(name: string): string {
  if (!isPlain(name)) return encodeWords(name);
  return ATOMS.test(name) ? name : `"${name.replace(/["\\]/g, "\\$&")}"`;
}

function dateText(date: Date): string {
  const year = date.getUTCFullYear();
  if (!(year >= FIRST_YEAR && year <= LAST_YEAR))
    throw new TypeError("The date of the message is out of range");
  return date.toUTCString().replace("GMT", "+0000");
}

function messageIdText(messageId: string): string {
  if (MESSAGE_ID.test(messageId) && messageId.length <= MESSAGE_ID_CHARACTERS) return messageId;
  throw new TypeError("The Message-ID of the message is malformed");
}

function refuseUnsafe(text: string, what: string): void {
  if (UNSAFE.test(text)) throw new TypeError(`The ${what} of the message holds control characters`);
}
