/** A reply as the model reads it. */
export interface ModelReply {
  readonly code: number;
  readonly lines: readonly string[];
}

/** RFC 5321 4.2 and 4.2.1: a line of a reply, for the model. Only the first digit is limited. */
const LINE = /^([2-5][0-9][0-9])([ \t].*|-.*)?$/s;
const MAX_OCTETS = 65_536;

/** Reads whole replies from bytes. Shares no code with the client's reader. */
export class ModelReader {
  #text = "";
  #lines: string[] = [];
  #code = "";
  #octets = 0;

  /** Whether the bytes so far cannot be SMTP. */
  isBroken = false;

  get hasRest(): boolean {
    return this.#text !== "" || this.#lines.length > 0;
  }

  push(chunk: Uint8Array): readonly ModelReply[] {
    const replies: ModelReply[] = [];
    this.#text += Buffer.from(chunk).toString("latin1");
    for (let end = this.#text.indexOf("\n"); end >= 0 && !this.isBroken; end = this.#text.indexOf("\n")) {
      const line = this.#text.slice(0, end).replace(/\r$/, "");
      this.#text = this.#text.slice(end + 1);
      this.#onLine(line, replies);
    }
    this.isBroken ||= this.#octets + this.#text.length > MAX_OCTETS;
    return replies;
  }

  #onLine(line: string, replies: ModelReply[]): void {
    const [, code = "", rest = ""] = LINE.exec(line) ?? [];
    this.#octets += line.length;
    if (code === "" || this.#octets > MAX_OCTETS || (this.#lines.length > 0 && code !== this.#code)) {
      this.isBroken = true;
      return;
    }
    this.#code = code;
    this.#lines.push(rest.slice(1));
    if (rest.startsWith("-")) return;
    replies.push({ code: Number(code), lines: this.#lines });
    this.#lines = [];
    this.#octets = 0;
  }
}
