import type { Knowledge, ModelStep } from "./knowledge.ts";

/** One command, response or message of the client. */
export type Written =
  | { readonly kind: "command"; readonly step: ModelStep; readonly line: string }
  /** `text` is the whole mail data so far, with dot-stuffing. */
  | { readonly kind: "data"; readonly text: string; readonly isEnd: boolean }
  | { readonly kind: "chunk"; readonly line: string; readonly text: string };

interface Taken {
  readonly item: Written;
  readonly rest: string;
}

const STEPS: Readonly<Record<string, ModelStep>> = {
  EHLO: "ehlo",
  HELO: "helo",
  STARTTLS: "starttls",
  AUTH: "auth",
  RSET: "rset",
  MAIL: "mail",
  RCPT: "rcpt",
  DATA: "data",
  BDAT: "bdat",
  QUIT: "quit",
};
const END = "\r\n.\r\n";

/** Reads the client's bytes like a strict server that knows no more than the client. @throws for bytes that are not SMTP. */
export class ClientBytes {
  readonly #knowledge: Knowledge;
  #data = "";

  constructor(knowledge: Knowledge) {
    this.#knowledge = knowledge;
  }

  /** Everything in one write. */
  *read(bytes: Uint8Array): Iterable<Written> {
    let rest = Buffer.from(bytes).toString("latin1");
    while (rest !== "") {
      const taken = this.#isInData ? this.#readData(rest) : this.#readLine(rest);
      rest = taken.rest;
      yield taken.item;
    }
  }

  get #isInData(): boolean {
    const { last } = this.#knowledge;
    return last?.step === "data" && last.reply?.code === 354;
  }

  #readData(text: string): Taken {
    this.#data += text;
    const data = this.#data;
    // RFC 5321 4.1.1.4: the CRLF of DATA itself may be the first one of the end.
    const end = `\r\n${data}`.indexOf(END);
    if (end >= 0 && end + END.length < data.length + 2) throw new Error("Bytes after the end of the message");
    if (end >= 0) this.#data = "";
    return { item: { kind: "data", text: data, isEnd: end >= 0 }, rest: "" };
  }

  #readLine(text: string): Taken {
    const end = text.indexOf("\r\n");
    const line = text.slice(0, end);
    if (end < 0 || /[\r\n\0]/.test(line)) throw new Error(`Not a line: ${JSON.stringify(text.slice(0, 80))}`);
    const rest = text.slice(end + 2);
    const { last } = this.#knowledge;
    const isInAuth = last?.step === "auth" || last?.step === "response";
    if (isInAuth && last?.reply?.code === 334)
      return { item: { kind: "command", step: "response", line }, rest };
    const step = STEPS[line.split(/[ :]/, 1)[0] ?? ""];
    if (step === undefined) throw new Error(`Not a command: ${JSON.stringify(line.slice(0, 80))}`);
    if (step !== "bdat") return { item: { kind: "command", step, line }, rest };
    const octets = Number(/^BDAT (\d+) LAST$/.exec(line)?.[1] ?? Number.NaN);
    if (!(rest.length >= octets)) throw new Error(`Fewer octets than ${line} announces`);
    return { item: { kind: "chunk", line, text: rest.slice(0, octets) }, rest: rest.slice(octets) };
  }
}

/** Removes dot-stuffing (RFC 5321 4.5.2). */
export function unstuff(data: string): string {
  const lines = data.slice(0, -".\r\n".length).split("\r\n");
  return lines.map((line) => (line.startsWith(".") ? line.slice(1) : line)).join("\r\n");
}
