/** One whole reply as it came: its code, and the text of each line (RFC 5321 4.2.1). */
export interface RawReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Far above any honest reply; bounds what a server can make us keep. */
const REPLY_OCTETS = 64 * 1024;

const REPLY_LINE = /^([2-5][0-5]\d)(?:([ -])(.*))?$/s;

/** Cuts what a server sends into replies; keeps at most 64 KiB. */
export class ReplyReader {
  #rest = "";
  #code = 0;
  #lines: string[] = [];
  #octets = 0;

  /** Whether a reply has begun and not ended. */
  get isPartial(): boolean {
    return this.#rest !== "" || this.#lines.length > 0;
  }

  /** @returns the replies that are now whole, and whether all else so far may be SMTP and is not too long. */
  push(chunk: Uint8Array): { readonly replies: readonly RawReply[]; readonly isSmtp: boolean } {
    // One character an octet until a line is whole, so that no chunk border splits a character.
    const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1");
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    const replies: RawReply[] = [];
    for (const line of lines) {
      if (!this.#addLine(line.endsWith("\r") ? line.slice(0, -1) : line, replies))
        return { replies, isSmtp: false };
    }
    return { replies, isSmtp: this.#octets + this.#rest.length <= REPLY_OCTETS };
  }

  #addLine(line: string, replies: RawReply[]): boolean {
    const match = REPLY_LINE.exec(line);
    this.#octets += line.length;
    if (match === null || this.#octets > REPLY_OCTETS) return false;
    const code = Number(match[1]);
    // RFC 5321 4.2.1: every line of a reply has the same code.
    if (this.#lines.length > 0 && code !== this.#code) return false;
    this.#code = code;
    this.#lines.push(decode(match[3] ?? ""));
    if (match[2] === "-") return true;
    replies.push({ code, lines: this.#lines });
    this.#lines = [];
    this.#octets = 0;
    return true;
  }
}

/** UTF-8 where it is valid, else one character an octet. */
function decode(latin1: string): string {
  const utf8 = Buffer.from(latin1, "latin1").toString("utf8");
  return utf8.includes("\ufffd") ? latin1 : utf8;
}
