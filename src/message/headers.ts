import { type Mailbox, parseAddress } from "../domain/mailbox.ts";
import type { MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import {
  fieldProblem,
  isStructuredField,
  isUnsafeInHeader,
  MAX_WORD_CHARACTERS,
} from "../domain/message-headers.ts";
import { encodeWords, foldField, isPlain } from "./words.ts";

/** RFC 5322 3.2.3, words with one space between. */
const ATOMS = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+( [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;
/** RFC 5322 3.6.4, without quoted strings and literals with spaces; short enough for a line of its own. */
const MESSAGE_ID = /^<[!-;=?A-~]+@[!-;=?A-~]+>$/;
const MESSAGE_ID_CHARACTERS = 900;
/** RFC 5322 3.3: a year has four digits and is not before 1900. */
const FIRST_YEAR = 1900;
const LAST_YEAR = 9999;

/** RFC 3834 5: programs that reply to mail by themselves leave it alone. */
const AUTO_SUBMITTED = ["Auto-Submitted", "auto-generated"] as const;
/** RFC 5322 3.4: what `To` names if no recipient may be named. */
const UNDISCLOSED = "undisclosed-recipients:;";

/** A field and the words that its value is folded between. */
type Field = readonly [name: string, words: readonly string[]];

/**
 * The routing fields of a message (RFC 5322 3.6), each ended by CRLF: From, To, Cc, Reply-To, Subject, Date,
 * Message-ID, MIME-Version, Auto-Submitted and those of its own. An empty value gives no field, and `bcc` never gives
 * one. ASCII, but for addresses whose local part is not: those are UTF-8 (RFC 6532).
 *
 * nodemailer could write these too, but leaves words as long as they are and does not give every text back: names
 * that look like encoded words, or that hold several spaces, arrive as something else.
 * @throws {TypeError} for control characters, malformed addresses, and values that no header can carry.
 */
export function routingHeaders(message: NormalizedMessage, identity: MessageIdentity): string {
  const { to, cc = [], bcc = [], replyTo = [] } = message;
  if (to.length + cc.length + bcc.length === 0) throw new TypeError("A message needs a recipient");
  const isNameless = to.length + cc.length === 0;
  const fields: readonly Field[] = [
    ["From", mailboxWords([identity.from])],
    ["To", isNameless ? [UNDISCLOSED] : mailboxWords(to)],
    ["Cc", mailboxWords(cc)],
    ["Reply-To", mailboxWords(replyTo)],
    ["Subject", wordsOf(subjectText(message.subject))],
    ["Date", wordsOf(dateText(identity.date))],
    ["Message-ID", [messageIdText(identity.messageId)]],
    ["MIME-Version", ["1.0"]],
    [AUTO_SUBMITTED[0], [AUTO_SUBMITTED[1]]],
    ...Object.entries(message.headers ?? {}).map(ownField),
  ];
  return fields
    .filter(([, words]) => words.length > 0)
    .map(([name, words]) => foldField(name, words))
    .join("");
}

function ownField([name, text]: readonly [string, string]): Field {
  const problem = fieldProblem(name, text);
  if (problem !== null) {
    throw new TypeError(`The message cannot have a field ${JSON.stringify(name)} of its own: ${problem}`);
  }
  // The field occurs once, with the one value that is true of every message here.
  if (name.toLowerCase() === AUTO_SUBMITTED[0].toLowerCase()) return [name, []];
  if (isStructuredField(name)) return [name, text.split(/[ \t]+/).filter((word) => word !== "")];
  // Programs that read such a field rarely decode it: it is encoded only where it has to be.
  return [name, wordsOf(isPlain(text, MAX_WORD_CHARACTERS) ? text : encodeWords(text))];
}

function wordsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(" ");
}

function subjectText(subject: string): string {
  assertSafe(subject, "subject");
  return subject === "" || isPlain(subject) ? subject : encodeWords(subject);
}

/** An address is one word: the spaces of a quoted local part are its own, and no line is folded there. */
function mailboxWords(mailboxes: readonly Mailbox[]): readonly string[] {
  return mailboxes.flatMap(({ name, address }, index) => {
    assertSafe(name, "display name");
    const parsed = parseAddress(address);
    if (parsed === null) throw new TypeError("A mailbox of the message has a malformed address");
    const comma = index === mailboxes.length - 1 ? "" : ",";
    return name === "" ? [`${parsed}${comma}`] : [...wordsOf(phrase(name)), `<${parsed}>${comma}`];
  });
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

function assertSafe(text: string, what: string): void {
  if (isUnsafeInHeader(text)) throw new TypeError(`The ${what} of the message holds control characters`);
}
