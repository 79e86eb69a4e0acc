/** RFC 5322 2.1.1 asks for 78 characters a line, RFC 2047 2 for 76 where there are encoded words. */
const LINE_CHARACTERS = 76;
/** What an encoded word may hold, so that it fits a line beside the longest field name. */
const WORD_CHARACTERS = LINE_CHARACTERS - "Reply-To: ".length - "=?UTF-8?Q??=".length;
/** A plain word this long fits too; a longer one could make a line that no server takes. */
const PLAIN_WORD_CHARACTERS = 60;

/** RFC 2047 5 (3): what may stand for itself in every place where an encoded word may stand. */
const Q_LITERAL = /^[A-Za-z0-9!*+\-/]$/;
/** Printable ASCII words with one space between: what folding and unfolding gives back unchanged. */
const PRINTABLE_WORDS = /^[\x21-\x7e]+( [\x21-\x7e]+)*$/;

type Encoding = "Q" | "B";
const utf8 = new TextEncoder();

/**
 * Whether the text can stand in a header as it is: foldable, and not mistaken for an encoded word.
 * @param maxWordCharacters how long a line may become where there is no space to fold at.
 */
export function isPlain(text: string, maxWordCharacters = PLAIN_WORD_CHARACTERS): boolean {
  if (!PRINTABLE_WORDS.test(text) || text.includes("=?")) return false;
  return text.split(" ").every((word) => word.length <= maxWordCharacters);
}

/** The text as encoded words (RFC 2047), one space between; decoders join them without it. */
export function encodeWords(text: string): string {
  const characters = [...text.toWellFormed()];
  const encoding: Encoding =
    characters.filter((c) => Q_LITERAL.test(c)).length * 2 > characters.length ? "Q" : "B";
  const words: string[] = [];
  let word = "";
  for (const character of characters) {
    if (encodedLength(word + character, encoding) > WORD_CHARACTERS) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  return [...words, word].map((part) => `=?UTF-8?${encoding}?${encode(part, encoding)}?=`).join(" ");
}

/**
 * One header field, folded between the words of its value (RFC 5322 2.2.3), ended by CRLF.
 * @param value a text, which is folded at its spaces, or its words.
 */
export function foldField(name: string, value: string | readonly string[]): string {
  const words = typeof value === "string" ? value.split(" ") : value;
  let field = `${name}:`;
  let lineLength = field.length;
  for (const [index, token] of words.entries()) {
    // The first token stays beside the name: some programs misread a field whose first line is empty.
    const fits = index === 0 || lineLength + 1 + token.length <= LINE_CHARACTERS;
    field += fits ? ` ${token}` : `\r\n ${token}`;
    lineLength = (fits ? lineLength : 0) + 1 + token.length;
  }
  return `${field}\r\n`;
}

function encodedLength(text: string, encoding: Encoding): number {
  return encode(text, encoding).length;
}

function encode(text: string, encoding: Encoding): string {
  const octets = utf8.encode(text);
  if (encoding === "B") return octets.toBase64();
  return Array.from(octets, qOctet).join("");
}

function qOctet(octet: number): string {
  const character = String.fromCharCode(octet);
  if (character === " ") return "_";
  return Q_LITERAL.test(character) ? character : `=${octet.toString(16).toUpperCase().padStart(2, "0")}`;
}
