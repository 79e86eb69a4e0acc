/** Placeholder for a stored secret, in responses and in requests that keep it. */
export const CENSORED = "__CENSORED__";

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * A text that cannot be printed by accident: `String(secret)`, `JSON.stringify`, template strings, `console.log` and
 * loggers all show `[secret]`. Only {@link Secret.reveal} returns it, so each use can be found by searching.
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
