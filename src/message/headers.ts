import { type Mailbox, parseAddress } from "../domain/mailbox.ts";
import {
  fieldProblem,
  isStructuredField,
  isUnsafeInHeader,
  MAX_WORD_CHARACTERS,
  type MessageIdentity,
  type NormalizedMessage,
} from "../domain/message.ts";

/** RFC 5322 3.2.3: words with one space between. */
const ATOMS = /^[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+( [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*$/;
/** RFC 5322 3.6.4, without quoted strings and domain literals that hold spaces. */
const MESSAGE_ID = /^<[!-;=?A-~]+@[!-;=?A-~]+>$/;
/** Fits one line of 998 octets. */
const MAX_MESSAGE_ID_CHARACTERS = 900;
/** RFC 5322 3.3: a year has four digits and is not before 1900. */
const MIN_YEAR = 1900;
const MAX_YEAR = 9999;

/** RFC 3834 5: automatic responders do not reply to such a message. */
const AUTO_SUBMITTED = ["Auto-Submitted", "auto-generated"] as const;
/** RFC 5322 3.4: the value of `To` if the message names no recipient. */
const UNDISCLOSED = "undisclosed-recipients:;";

/** RFC 5322 2.1.1 asks for 78 characters a line, RFC 2047 2 for 76 where there are encoded words. */
const MAX_LINE_CHARACTERS = 76;
/** An encoded word of this length fits a line after the longest field name. */
const MAX_ENCODED_CHARACTERS = MAX_LINE_CHARACTERS - "Reply-To: ".length - "=?UTF-8?Q??=".length;
/** A plain word of this length fits as well. Servers reject lines that are too long. */
const MAX_PLAIN_CHARACTERS = 60;

/** RFC 2047 5 (3): characters that need no encoding wherever an encoded word is allowed. */
const Q_LITERAL = /^[A-Za-z0-9!*+\-/]$/;
/** Printable ASCII words with one space between: folding and unfolding does not change them. */
const PRINTABLE_WORDS = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/;

type Encoding = "Q" | "B";
/** A field name, and the words between which its value is folded. */
type Field = readonly [name: string, words: readonly string[]];

const utf8 = new TextEncoder();

/**
 * Returns the routing fields of a message (RFC 5322 3.6), each ended by CRLF: From, To, Cc, Reply-To, Subject, Date,
 * Message-ID, MIME-Version, Auto-Submitted and the message's own. A field without a value is left out, and so is `bcc`.
 * The text is ASCII, except that a local part in UTF-8 stays as it is (RFC 6532).
 *
 * nodemailer does not write them, because it leaves long words unfolded and does not preserve every text: names that
 * look like encoded words, or that hold several spaces, arrive changed.
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
  // Every message has this field already, with the one value that is true here.
  if (name.toLowerCase() === AUTO_SUBMITTED[0].toLowerCase()) return [name, []];
  if (isStructuredField(name)) return [name, text.split(/[ \t]+/).filter((word) => word !== "")];
  // Programs that read such a field rarely decode it, so encode it only if necessary.
  return [name, wordsOf(isPlain(text, MAX_WORD_CHARACTERS) ? text : encodeWords(text))];
}

function wordsOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(" ");
}

function subjectText(subject: string): string {
  assertSafe(subject, "subject");
  return subject === "" || isPlain(subject) ? subject : encodeWords(subject);
}

/** An address is one word: a quoted local part may hold spaces, where folding would change it. */
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
  if (!(year >= MIN_YEAR && year <= MAX_YEAR)) throw new TypeError("The date of the message is out of range");
  return date.toUTCString().replace("GMT", "+0000");
}

function messageIdText(messageId: string): string {
  if (MESSAGE_ID.test(messageId) && messageId.length <= MAX_MESSAGE_ID_CHARACTERS) return messageId;
  throw new TypeError("The Message-ID of the message is malformed");
}

function assertSafe(text: string, what: string): void {
  if (isUnsafeInHeader(text)) throw new TypeError(`The ${what} of the message cannot be in a header`);
}

/**
 * Whether a header can carry the text unencoded: it can be folded, and no decoder takes it for an encoded word.
 * @param maxWordCharacters the longest word allowed, because a line cannot be folded inside a word.
 */
export function isPlain(text: string, maxWordCharacters = MAX_PLAIN_CHARACTERS): boolean {
  if (!PRINTABLE_WORDS.test(text) || text.includes("=?")) return false;
  return text.split(" ").every((word) => word.length <= maxWordCharacters);
}

/** Returns the text as encoded words (RFC 2047) with one space between, which decoders drop. */
export function encodeWords(text: string): string {
  const characters = [...text.toWellFormed()];
  const encoding: Encoding =
    characters.filter((c) => Q_LITERAL.test(c)).length * 2 > characters.length ? "Q" : "B";
  const words: string[] = [];
  let word = "";
  let length = 0;
  for (const character of characters) {
    const added = encoding === "Q" ? encodeQ(character).length : utf8.encode(character).length;
    if (encodedLength(length + added, encoding) > MAX_ENCODED_CHARACTERS) {
      words.push(word);
      word = "";
      length = 0;
    }
    word += character;
    length += added;
  }
  return [...words, word].map((part) => `=?UTF-8?${encoding}?${encode(part, encoding)}?=`).join(" ");
}

/**
 * Returns one header field, folded between the words of its value (RFC 5322 2.2.3) and ended by CRLF.
 * @param value the words, or a text that is folded at its spaces.
 */
export function foldField(name: string, value: string | readonly string[]): string {
  const words = typeof value === "string" ? value.split(" ") : value;
  let field = `${name}:`;
  let lineLength = field.length;
  for (const [index, word] of words.entries()) {
    // The first word stays on the line of the name: some programs misread a field whose first line is empty.
    const fits = index === 0 || lineLength + 1 + word.length <= MAX_LINE_CHARACTERS;
    field += fits ? ` ${word}` : `\r\n ${word}`;
    lineLength = (fits ? lineLength : 0) + 1 + word.length;
  }
  return `${field}\r\n`;
}

/** @param length characters of Q, or octets of B before their encoding. */
function encodedLength(length: number, encoding: Encoding): number {
  return encoding === "Q" ? length : Math.ceil(length / 3) * 4;
}

function encode(text: string, encoding: Encoding): string {
  return encoding === "Q" ? Array.from(text, encodeQ).join("") : utf8.encode(text).toBase64();
}

function encodeQ(character: string): string {
  if (character === " ") return "_";
  if (Q_LITERAL.test(character)) return character;
  return Array.from(utf8.encode(character), (octet) => `=${hexOf(octet)}`).join("");
}

function hexOf(octet: number): string {
  return octet.toString(16).toUpperCase().padStart(2, "0");
}
