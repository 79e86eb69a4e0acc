import type { SmtpReply } from "../domain/delivery.ts";
import { presentText } from "../domain/redact.ts";

/** One whole reply as it arrived: its code, and the text of each line (RFC 5321 4.2.1). */
export interface RawReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** The service extensions that a server lists in its reply to EHLO (RFC 5321 2.2 and 4.1.1.1). */
export interface Extensions {
  /** The lines after the first, which holds the server's name and a greeting. */
  readonly lines: readonly string[];
  /** Keywords in upper case. */
  readonly keywords: ReadonlySet<string>;
  /** SASL mechanisms in upper case, in the server's order (RFC 4954 3). */
  readonly mechanisms: readonly string[];
  /** Maximum size of a message in octets (RFC 1870 4). `null` if the server declares no limit. */
  readonly sizeOctets: number | null;
}

/** The extensions of a server before EHLO, or that only understands HELO. */
export const NO_EXTENSIONS: Extensions = { lines: [], keywords: new Set(), mechanisms: [], sizeOctets: null };

/** Far above any honest reply. Bounds the memory that a server can make the client use. */
const MAX_REPLY_OCTETS = 64 * 1024;

const CODE_CHARACTERS = 3;
const SEPARATORS = " -\t";
const ZERO = "0".charCodeAt(0);
/**
 * RFC 2034 4: class, subject and detail at the start of the text, as servers also write it (`#5.1.8`, `[5.1.8]`, `5.1.8:`),
 * and qmail at the end (`(#5.1.8)`). An IP address or the version of a program goes on after it.
 */
const ENHANCED =
  /^\s*[#([]*([245]\.\d{1,3}\.\d{1,3})[\])]*[.:,;]?(?:\s+|$)|\(#([245]\.\d{1,3}\.\d{1,3})\)\.?$/;
const ASCII = /^[\0-\x7f]*$/;

/** Splits the server's bytes into replies, whatever the chunks. Keeps at most 64 KiB. */
export class ReplyReader {
  #rest = "";
  #code = 0;
  #lines: string[] = [];
  #octets = 0;

  /** Whether a reply has started and not ended. */
  get isPartial(): boolean {
    return this.#rest !== "" || this.#lines.length > 0;
  }

  /** Whether a reply has started that may turn out to have this code. */
  mayBecome(code: number): boolean {
    const digits = this.#lines.length > 0 ? String(this.#code) : this.#rest.slice(0, CODE_CHARACTERS);
    return this.isPartial && String(code).startsWith(digits);
  }

  /** @returns the replies that are whole now, and whether all bytes so far can be SMTP and are not too many. */
  push(chunk: Uint8Array): { readonly replies: readonly RawReply[]; readonly isSmtp: boolean } {
    // One character per octet until a line is whole, because a chunk may end inside a UTF-8 character.
    const octets =
      chunk instanceof Buffer ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const text = this.#rest + octets.toString("latin1");
    const replies: RawReply[] = [];
    let start = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
      const line = text.slice(start, text[end - 1] === "\r" && end > start ? end - 1 : end);
      start = end + 1;
      if (!this.#addLine(line, replies)) {
        this.#rest = text.slice(start);
        return { replies, isSmtp: false };
      }
    }
    this.#rest = text.slice(start);
    return { replies, isSmtp: this.#octets + this.#rest.length <= MAX_REPLY_OCTETS };
  }

  #addLine(line: string, replies: RawReply[]): boolean {
    const code = codeOf(line);
    this.#octets += line.length;
    if (code === null || this.#octets > MAX_REPLY_OCTETS) return false;
    // RFC 5321 4.2.1: every line of a reply has the same code.
    if (this.#lines.length > 0 && code !== this.#code) return false;
    this.#code = code;
    this.#lines.push(decode(line.slice(CODE_CHARACTERS + 1)));
    if (line[CODE_CHARACTERS] === "-") return true;
    replies.push({ code, lines: this.#lines });
    this.#lines = [];
    this.#octets = 0;
    return true;
  }
}

/**
 * Returns the code of a line, from 200 to 599, or `null` if it has none. The first digit decides, and a client accepts
 * codes that it does not know (RFC 5321 4.2.1 and 4.3.2). The text is optional, and so is the space before it (4.2), for
 * which some servers write a tab.
 */
function codeOf(line: string): number | null {
  const separator = line[CODE_CHARACTERS];
  if (separator !== undefined && !SEPARATORS.includes(separator)) return null;
  const severity = line.charCodeAt(0) - ZERO;
  const category = line.charCodeAt(1) - ZERO;
  const detail = line.charCodeAt(2) - ZERO;
  const isCode =
    severity >= 2 && severity <= 5 && category >= 0 && category <= 9 && detail >= 0 && detail <= 9;
  return isCode ? severity * 100 + category * 10 + detail : null;
}

/**
 * Returns a reply that is safe to show: without secrets and control characters, at most 500 characters of text.
 * @param maxCharacters another maximum, for text that no one sees.
 */
export function presentReply(
  { code, lines }: RawReply,
  redact: (text: string) => string,
  maxCharacters?: number,
): SmtpReply {
  let enhanced: string | null = null;
  const texts = lines.map((line) => {
    const [whole = "", first, last] = ENHANCED.exec(line) ?? [];
    const found = first ?? last;
    // RFC 2034 4: its class is that of the reply.
    if (!found?.startsWith(String(code).charAt(0))) return line;
    enhanced ??= found;
    return line.replace(whole, "");
  });
  return { code, enhanced, text: presentText(texts.join(" "), redact, maxCharacters) };
}

/** Reads the lines of a reply to EHLO. */
export function parseExtensions(reply: readonly string[]): Extensions {
  const lines = reply.slice(1).map((line) => line.trim());
  // Old servers write AUTH=LOGIN.
  const entries = lines.map((line) => line.toUpperCase().split(/[\s=]+/));
  const mechanisms = entries.flatMap(([keyword, ...names]) => (keyword === "AUTH" ? names : []));
  return {
    lines,
    keywords: new Set(entries.flatMap(([keyword = ""]) => (keyword === "" ? [] : [keyword]))),
    mechanisms: [...new Set(mechanisms.filter((name) => name !== ""))],
    sizeOctets: parseSize(entries.find(([keyword]) => keyword === "SIZE")),
  };
}

/** RFC 1870 4: one parameter, with digits only. Zero and anything else, such as `20 MB`, set no limit. */
function parseSize([, parameter = "", ...others]: readonly string[] = []): number | null {
  if (others.length > 0 || !/^\d{1,20}$/.test(parameter)) return null;
  const size = Number(parameter);
  return Number.isSafeInteger(size) && size > 0 ? size : null;
}

/** Decodes UTF-8 if it is valid, otherwise one character per octet. */
function decode(latin1: string): string {
  if (ASCII.test(latin1)) return latin1;
  const utf8 = Buffer.from(latin1, "latin1").toString("utf8");
  return utf8.includes("\ufffd") ? latin1 : utf8;
}
