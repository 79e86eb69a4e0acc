import { filled } from "../notices.ts";
import { API_HINTS } from "./api.ts";
import { REPLY_HINTS } from "./reply.ts";
import { SERVER_HINTS } from "./server.ts";
import { TOKEN_HINTS } from "./token.ts";

export type HintCode =
  | keyof typeof SERVER_HINTS
  | keyof typeof REPLY_HINTS
  | keyof typeof TOKEN_HINTS
  | keyof typeof API_HINTS;

/**
 * Sentences about failures by code: what is wrong and what to change. Programs and translations match on the code; the text is for people. Names in
 * braces stand for values.
 */
export const HINTS: Readonly<Record<HintCode, string>> = {
  ...SERVER_HINTS,
  ...REPLY_HINTS,
  ...TOKEN_HINTS,
  ...API_HINTS,
};

/** The values that hints may name. */
export type HintValues = Readonly<Record<string, string | number>>;

/** A hint by its code. */
export interface CodedHint {
  readonly code: HintCode;
  /** The values that its text names in braces. */
  readonly values: Readonly<Record<string, string>>;
}

/** Creates a hint. @param known values, of which its text names some */
export function codedHint(code: HintCode, known: HintValues = {}): CodedHint {
  const entries = Object.entries(known).filter(([name]) => HINTS[code].includes(`{${name}}`));
  return { code, values: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])) };
}

/** Returns the text of hints in English. */
export function hintText(hints: readonly CodedHint[]): string {
  return hints.map(({ code, values }) => filled(HINTS[code], values)).join(" ");
}
