/** Placeholder for a stored secret, in responses and in requests that keep it. */
export const CENSORED = "__CENSORED__";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * A text that does not print: `String(secret)`, `JSON.stringify`, template strings, `console.log` and
 * loggers all see `[secret]`. Only {@link Secret.reveal} gives it out, which makes each use greppable.
 */
export class Secret {
  static readonly EMPTY = new Secret("");
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  reveal(): string {
    return this.#text;
  }

  get isEmpty(): boolean {
    return this.#text === "";
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [INSPECT](): string {
    return "[secret]";
  }
}
