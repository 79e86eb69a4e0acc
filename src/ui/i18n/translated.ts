import { language } from "./language.ts";

/** A sentence of the API by its code, with the values that it names in braces. */
export interface CodedSentence {
  readonly code: string;
  readonly values: Readonly<Record<string, string>>;
}

/** Sentences in the language that the page has for them. */
export interface Sentences {
  readonly text: string;
  /** `en` if the page is in another language; else `undefined`. */
  readonly lang: "en" | undefined;
}

/**
 * Returns sentences of the API in the current language.
 * @param english as the API has them, which remain if a code is unknown, as from a newer API
 */
export function translated(
  english: string,
  coded: readonly CodedSentence[],
  german: Readonly<Record<string, string>>,
): Sentences {
  if (language.value === "en") return { text: english, lang: undefined };
  const known = new Map(Object.entries(german));
  const found = coded.flatMap(({ code, values }) => {
    const sentence = known.get(code);
    return sentence === undefined ? [] : [filled(sentence, values)];
  });
  const isWhole = coded.length > 0 && found.length === coded.length;
  return isWhole ? { text: found.join(" "), lang: undefined } : { text: english, lang: "en" };
}

function filled(sentence: string, values: Readonly<Record<string, string>>): string {
  const known = new Map(Object.entries(values));
  return sentence.replace(/\{(\w+)\}/g, (braces, name: string) => known.get(name) ?? braces);
}
