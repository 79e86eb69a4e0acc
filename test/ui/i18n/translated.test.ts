import { describe, expect, test } from "bun:test";
import { FINDINGS } from "../../../src/domain/findings.ts";
import { HINTS } from "../../../src/domain/hints/index.ts";

// The dictionaries read the language of the browser when they are loaded.
Object.defineProperty(navigator, "languages", { value: ["de-DE"], configurable: true });
const { language } = await import("../../../src/ui/i18n/language.ts");
const { GERMAN_FINDINGS, findingText } = await import("../../../src/ui/i18n/findings.ts");
const { GERMAN_HINTS, hintSentences } = await import("../../../src/ui/i18n/hints/index.ts");

const namesIn = (sentence: string) => [...sentence.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).toSorted();

describe.each([
  ["hint", HINTS, GERMAN_HINTS],
  ["finding", FINDINGS, GERMAN_FINDINGS],
] as const)("the German %s", (_, english: Record<string, string>, german: Record<string, string>) => {
  test("of every code exists, and no other", () => {
    expect(Object.keys(german).toSorted()).toEqual(Object.keys(english).toSorted());
  });

  test("names the same values as the English one, and is whole sentences of its own", () => {
    for (const [code, sentence] of Object.entries(english)) {
      const translation = german[code] ?? "";
      expect([code, namesIn(translation)]).toEqual([code, namesIn(sentence)]);
      expect([code, translation]).toEqual([code, expect.stringMatching(/^[A-ZÄÖÜ{].*[.}]$/)]);
      if (/[a-z]/.test(sentence.replaceAll(/\{\w+\}/g, ""))) expect(translation).not.toBe(sentence);
    }
  });
});

describe("the sentences of the API", () => {
  const english =
    "Nothing is listening on port 1. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall.";
  const hints = [{ code: "port_closed", values: { port: "1" } }];

  test("are in German by their codes, with their values", () => {
    language.value = "de";
    expect(hintSentences(english, hints)).toEqual({
      problem: "Auf Port 1 lauscht nichts.",
      advice: "Versuchen Sie 587 (STARTTLS) oder 465 (smtps://), oder prüfen Sie die Firewall.",
      lang: undefined,
    });
    const problems = [{ code: "server_untested", values: { target: "main" } }, ...hints];
    expect(findingText("", problems).text).toStartWith("main: nicht rechtzeitig geprüft.");
  });

  test("stay English, and say so, if a code is unknown", () => {
    language.value = "de";
    expect(findingText("A new check.", [{ code: "new", values: {} }])).toEqual({
      ...{ text: "A new check.", lang: "en" },
    });
  });

  test("stay as they are on an English page", () => {
    language.value = "en";
    expect(hintSentences(english, hints)?.problem).toBe("Nothing is listening on port 1.");
    expect(hintSentences(null, [])).toBeNull();
  });
});
