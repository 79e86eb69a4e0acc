import { child, children, type Der, isContext, isWholeValue, rawOf, readDer, TAG } from "./der.ts";
import { CERTIFICATE_LABEL, CERTIFICATE_LABELS, labelOf, PKCS7_LABELS } from "./label.ts";

/** One block of a PEM text (RFC 7468). */
export interface PemBlock {
  /** Such as `PRIVATE KEY`. */
  readonly label: string;
  /** The legacy encryption of the block (RFC 1421); `null` if there is none. */
  readonly encryption: LegacyEncryption | null;
  /** The DER or ciphertext of the block. `null` if the base64 is broken. */
  readonly der: Der | null;
}

/** `DEK-Info` of a block with `Proc-Type: 4,ENCRYPTED`. */
export interface LegacyEncryption {
  /** Such as `AES-256-CBC`. */
  readonly cipher: string;
  readonly iv: Der;
}

const PEM_BEGIN = "-----BEGIN ";
const PEM_LABEL = /^([A-Z0-9 #-]{1,64}?)-----/;
/** Hyphens, dashes and minus signs, which word processors put in the place of the hyphens. */
const DELIMITER =
  /[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]{1,8}[ ]?(BEGIN|END) ([A-Z0-9 #-]{1,64}?)[ ]?[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]{1,8}/g;
const LINE_ENDS = /\r\n?|[\v\f\u0085\u2028\u2029]|<br ?\/?>|<\/?(?:p|div|pre)>|&#1[03];/gi;
const INVISIBLE = /[\ufeff\u200b-\u200d\u2060\u00ad]/g;
const QUOTATION = /^(?:[>|] ?)+/gm;
/** Line ends as characters, which a program may escape again. */
const ESCAPED_RETURN = /\\{1,4}r/g;
const ESCAPED_LINE_END = /\\{1,4}n/g;
/** The start of a `data:` URL (RFC 2397), as browsers read a file. */
const DATA_URL = /^\s*data:[^,]{0,200},/i;
const BLANKS = /&nbsp;|[\t\u00a0\u2000-\u200a\u202f\u3000]/g;

const HEADER_LINE = /^[A-Za-z][A-Za-z0-9-]*:.*$/gm;
/** Its line ends may be lost. */
const LEGACY_HEADERS =
  /Proc-Type:\s*4,\s*ENCRYPTED\s*DEK-Info:\s*([A-Z0-9-]{1,32}?)\s*,\s*([0-9A-Fa-f]{32}|[0-9A-Fa-f]{16})/;
const AES_IV_DIGITS = 32;
const OTHER_IV_DIGITS = 16;
/** The block size of the smallest cipher, in bytes. */
const CIPHER_BLOCK_BYTES = 8;

/** Characters a line of base64 that openssl, and other programs, write. */
const LINE_CHARACTERS = [64, 76] as const;
/** Lines of base64; the second also takes the blanks of a form, which words around the base64 have too. */
const BASE64_LINES = [/^ *[A-Za-z0-9+/_=-]+ *$/, /^[A-Za-z0-9+/_= -]+$/];
const MIN_BARE_CHARACTERS = 16;
const LINES = /.{1,64}/g;
const latin1 = new TextDecoder("latin1");

/**
 * Returns the blocks of a PEM text, in order. Allows text around them ("Bag Attributes"), line ends of any kind, lost, or
 * written as the two characters `\n`, typographic dashes, a `data:` URL, and blanks that were a `+` before a form was decoded. Base64
 * without the delimiting lines is one block, whose label follows from its DER. PKCS#7 gives a block for each certificate.
 */
export function readPem(text: string): readonly PemBlock[] {
  const normalized = normalize(text);
  const blocks = normalized.split(PEM_BEGIN).slice(1).flatMap(readBlock);
  return (blocks.length > 0 ? blocks : readBare(normalized)).flatMap(unpack);
}

/** Returns the first certificate of a PEM text; `null` if there is none, or its base64 is broken. */
export function readCertificate(text: string): Der | null {
  return readPem(text).find(({ label }) => CERTIFICATE_LABELS.includes(label))?.der ?? null;
}

/** Returns one PEM block, with a line end at its end. */
export function writePem(label: string, der: Uint8Array): string {
  const lines = der.toBase64().match(LINES) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function normalize(text: string): string {
  return text
    .replace(DATA_URL, "")
    .replace(ESCAPED_RETURN, "")
    .replace(ESCAPED_LINE_END, "\n")
    .replace(INVISIBLE, "")
    .replace(LINE_ENDS, "\n")
    .replace(QUOTATION, "")
    .replace(BLANKS, " ")
    .replace(DELIMITER, "-----$1 $2-----");
}

/** @param text the text after `-----BEGIN `, up to the next block. */
function readBlock(text: string): readonly PemBlock[] {
  const label = PEM_LABEL.exec(text)?.[1];
  if (label === undefined) return [];
  const start = label.length + "-----".length;
  const end = text.indexOf(`-----END ${label}-----`, start);
  const body = end < 0 ? "" : text.slice(start, end);
  const [encryption, base64] = splitHeaders(body);
  const isWhole = encryption === null ? isSequence : isCiphertext;
  return [{ label, encryption, der: decodeBody(base64, isWhole) }];
}

function splitHeaders(body: string): readonly [LegacyEncryption | null, base64: string] {
  const found = LEGACY_HEADERS.exec(body);
  if (found === null) return [null, body.includes(":") ? body.replace(HEADER_LINE, "") : body];
  const [headers, cipher = "", digits = ""] = found;
  // Without its line end, the IV runs into the base64.
  const length = cipher.startsWith("AES") ? AES_IV_DIGITS : OTHER_IV_DIGITS;
  const rest = body.slice(found.index + headers.length - Math.max(0, digits.length - length));
  return [{ cipher, iv: Uint8Array.fromHex(digits.slice(0, length)) }, rest];
}

function isSequence(bytes: Der): boolean {
  return bytes[0] === TAG.SEQUENCE && isWholeValue(bytes);
}

function isCiphertext(bytes: Der): boolean {
  return bytes.length % CIPHER_BLOCK_BYTES === 0;
}

/** Returns the certificates of a PKCS#7 block, as in a `.p7b` file. Every other block stays as it is. */
function unpack(block: PemBlock): readonly PemBlock[] {
  if (block.der === null || !PKCS7_LABELS.includes(block.label)) return [block];
  const certificates = certificatesOf(block.der).map((der) => ({ ...block, label: CERTIFICATE_LABEL, der }));
  return certificates.length > 0 ? certificates : [block];
}

/** Reads the certificates of `SignedData` (RFC 5652 5.1) in a `ContentInfo`. */
function certificatesOf(contentInfo: Der): readonly Der[] {
  try {
    const signedData = child(child(readDer(contentInfo), 1), 0);
    const certificates = children(signedData).find((node) => isContext(node, 0));
    return certificates === undefined ? [] : children(certificates).map(rawOf);
  } catch {
    return [];
  }
}

/** Reads base64 without delimiting lines: of DER, or of a whole PEM text, as in a Kubernetes secret. */
function readBare(text: string): readonly PemBlock[] {
  const lines = text.split("\n");
  const values = BASE64_LINES.map((pattern) =>
    decodeBare(lines.filter((line) => pattern.test(line)).join("\n")),
  ).filter((der) => der !== null);
  // Without its lines that have blanks, a value still begins like one: what is not whole comes last.
  for (const der of values.toSorted((left, right) => Number(isReadable(right)) - Number(isReadable(left)))) {
    const label = labelOf(der);
    if (label) return [{ label, encryption: null, der }];
    const inner = latin1.decode(der);
    if (inner.includes(PEM_BEGIN)) return readPem(inner);
  }
  return [];
}

function decodeBare(base64: string): Der | null {
  if (base64.length < MIN_BARE_CHARACTERS) return null;
  return decodeBody(base64.replaceAll("-", "+").replaceAll("_", "/"), isSequence) ?? cutOff(base64);
}

function isReadable(bytes: Der): boolean {
  try {
    readDer(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Decodes the whole groups of a text that ends within one. */
function cutOff(base64: string): Der | null {
  const digits = base64.replace(/\s/g, "");
  return fromBase64(digits.slice(0, digits.length - (digits.length % 4)));
}

/**
 * Decodes base64. What its blanks stand for is decided by the result: the first reading that gives a whole value.
 * @returns `null` if no reading is base64.
 */
function decodeBody(body: string, isWhole: (bytes: Der) => boolean): Der | null {
  let first: Der | null = null;
  for (const candidate of readings(body)) {
    const bytes = fromBase64(candidate);
    if (bytes !== null && isWhole(bytes)) return bytes;
    first ??= bytes;
  }
  return first;
}

/** Yields what a body may have been before a form turned `+` into a blank, or line ends into blanks. */
function* readings(body: string): Generator<string> {
  if (body.includes(" ")) yield* withPlus(body);
  yield body;
}

function withPlus(body: string): readonly string[] {
  const lines = body.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 1 && body.trim().includes(" ")) {
    return [
      ...LINE_CHARACTERS.map((width) => rejoin(body.trimStart(), width)),
      body.trim().replaceAll(" ", "+"),
    ];
  }
  const last = lines.at(-1)?.trim().replaceAll(" ", "+") ?? "";
  return [
    lines.join("").replaceAll(" ", "+"),
    lines.map((line) => line.trim().replaceAll(" ", "+")).join(""),
    ...LINE_CHARACTERS.map(
      (width) =>
        lines
          .slice(0, -1)
          .map((line) => fit(line, width))
          .join("") + last,
    ),
  ];
}

/** Reads blanks inside a line as `+`, and those beyond its width as noise. */
function fit(line: string, width: number): string {
  return line.slice(0, width).replaceAll(" ", "+") + line.slice(width).trim();
}

/** Reads the blanks between lines of this width as line ends, and other blanks as `+`. */
function rejoin(text: string, width: number): string {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; start += width) {
    if (text[start] === " " && start > 0) start += 1;
    pieces.push(text.slice(start, start + width));
  }
  const last = pieces.pop() ?? "";
  // The blank before the END line was a line end.
  return [...pieces, last.endsWith(" ") ? last.slice(0, -1) : last].join("").replaceAll(" ", "+");
}

function fromBase64(text: string): Der | null {
  try {
    const bytes = Uint8Array.fromBase64(text);
    return bytes.length === 0 ? null : bytes;
  } catch {
    return null;
  }
}
