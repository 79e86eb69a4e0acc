import { Buffer } from "node:buffer";

/** The next thing to read: a text up to its terminator, or a number of octets. */
type Reading =
  | { readonly terminator: string; readonly onText: (text: string) => void }
  | { readonly octets: number; readonly onOctets: (bytes: Uint8Array) => void };

/** Splits the client's octets into command lines, bodies and chunks. */
export class Input {
  readonly #line: Reading;
  #reading: Reading;
  #text = "";
  /** Number of octets that were searched for the terminator. */
  #scanned = 0;

  constructor(onLine: (line: string) => void) {
    this.#line = { terminator: "\r\n", onText: onLine };
    this.#reading = this.#line;
  }

  add(octets: Buffer): void {
    this.#text += octets.toString("latin1");
  }

  clear(): void {
    this.#text = "";
    this.#scanned = 0;
  }

  /** Reads up to `CRLF.CRLF` next, and removes the dot-stuffing (RFC 5321 4.5.2). */
  readBody(onBody: (bytes: Uint8Array) => void): void {
    // An empty body ends at its first line.
    this.#text = `\r\n${this.#text}`;
    const onText = (text: string): void => {
      onBody(Buffer.from(`${text}\r\n`.slice(2).replace(/(?<=^|\r\n)\./g, ""), "latin1"));
    };
    this.#reading = { terminator: "\r\n.\r\n", onText };
  }

  /** Reads a number of octets next. */
  readChunk(octets: number, onOctets: (bytes: Uint8Array) => void): void {
    this.#reading = { octets, onOctets };
  }

  /** Reads one line, body or chunk, if it is complete. @returns whether it was. */
  takeOne(): boolean {
    const reading = this.#reading;
    if ("octets" in reading) {
      if (this.#text.length < reading.octets) return false;
      const bytes = Buffer.from(this.#take(reading.octets), "latin1");
      reading.onOctets(bytes);
      return true;
    }
    const { terminator, onText } = reading;
    const end = this.#text.indexOf(terminator, Math.max(0, this.#scanned - terminator.length));
    if (end < 0) {
      this.#scanned = this.#text.length;
      return false;
    }
    onText(this.#take(end + terminator.length).slice(0, end));
    return true;
  }

  #take(octets: number): string {
    const taken = this.#text.slice(0, octets);
    this.#text = this.#text.slice(octets);
    this.#scanned = 0;
    this.#reading = this.#line;
    return taken;
  }
}
