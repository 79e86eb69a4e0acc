import type { HintCode } from "../../../domain/hints/index.ts";
import { type CodedSentence, type Sentences, translated } from "../translated.ts";
import { API_HINTS } from "./api.ts";
import { REPLY_HINTS } from "./reply.ts";
import { SERVER_HINTS } from "./server.ts";
import { TOKEN_HINTS } from "./token.ts";

/** German texts by code. The English ones come from the API. */
export const GERMAN_HINTS: Readonly<Record<HintCode, string>> = {
  ...SERVER_HINTS,
  ...REPLY_HINTS,
  ...TOKEN_HINTS,
  ...API_HINTS,
};

/** A hint in two parts. */
interface HintSentences extends Pick<Sentences, "lang"> {
  /** The first sentence: what is wrong. */
  readonly problem: string;
  /** The other sentences: what to do. Empty if the first says that as well. */
  readonly advice: string;
}

/** Returns the hint of a failure in the current language; `null` if there is none. */
export function hintSentences(hint: string | null, hints: readonly CodedSentence[]): HintSentences | null {
  if (hint === null) return null;
  const { text, lang } = translated(hint, hints, GERMAN_HINTS);
  const [problem = text] = /^.+?[.](?=\s|$)/.exec(text) ?? [];
  return { problem, advice: text.slice(problem.length).trim(), lang };
}
