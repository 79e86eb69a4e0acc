import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import { SealpostError } from "../errors.ts";

/** Explains what is wrong with an entry; `null` if it is valid. */
type CheckEntry = (entry: string) => string | null;

/** Asks the operator on a terminal. */
export interface Prompt extends Disposable {
  /**
   * Asks until the entry is valid.
   * @param fallback used for an empty entry.
   * @throws {SealpostError} if the operator ends the input, by Ctrl-C or Ctrl-D.
   */
  ask(
    question: string,
    options?: { readonly fallback?: string; readonly check?: CheckEntry },
  ): Promise<string>;
  /** Writes lines before a question. */
  show(...lines: readonly string[]): void;
  /** Like {@link Prompt.ask}, but shows nothing of the entry. */
  askSecret(question: string): Promise<string>;
}

/** Creates the prompt of this process; `null` if it has no terminal to ask on. */
export function openPrompt(): Prompt | null {
  const { stdin: input, stdout } = process;
  if (!input.isTTY || !stdout.isTTY) return null;
  let isHidden = false;
  const output = new Writable({
    write(chunk, _, done) {
      if (!isHidden) stdout.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input, output, terminal: true, historySize: 0 });
  const ended = new AbortController();
  lines.on("close", () => ended.abort());
  lines.on("SIGINT", () => ended.abort());

  async function read(text: string): Promise<string> {
    try {
      return await lines.question(text, { signal: ended.signal });
    } catch (error) {
      if (!ended.signal.aborted) throw error;
      stdout.write("\n");
      throw new SealpostError("conflict", "Stopped; nothing was saved");
    }
  }

  return {
    show: (...shown) => void stdout.write(`${shown.join("\n")}\n`),

    async ask(question, { fallback = "", check = () => null } = {}) {
      for (;;) {
        const entry = (await read(`${question}${fallback === "" ? "" : ` [${fallback}]`}: `)).trim();
        const problem = check(entry === "" ? fallback : entry);
        if (problem === null) return entry === "" ? fallback : entry;
        stdout.write(`${problem}\n`);
      }
    },

    async askSecret(question) {
      stdout.write(`${question}: `);
      isHidden = true;
      try {
        return await read("");
      } finally {
        isHidden = false;
        stdout.write("\n");
      }
    },

    [Symbol.dispose]: () => lines.close(),
  };
}
