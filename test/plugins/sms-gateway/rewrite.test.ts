import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseRewrite } from "../../../plugins/sms-gateway/rewrite.ts";

const LONG_NUMBER = "0".repeat(40);
/** Far more than a bounded pattern takes on a busy machine. Rejected patterns would take hours. */
const MAX_MS = 1_000;

function rewritten(rule: string, phone: string): string {
  const parsed = parseRewrite(rule);
  if ("problem" in parsed) throw new Error(parsed.problem);
  return parsed.rewrite(phone);
}

describe("parseRewrite()", () => {
  test.each([
    ["/^0/+49/", "01701234567", "+491701234567"],
    ["/[^0-9]//", "+49 170-1234567", "491701234567"],
    [String.raw`/^\+(\d\d)(\d*)$/00\1 \2/`, "+491701234567", "0049 1701234567"],
    ["/^(?:00|\\+)//", "00491701234567", "491701234567"],
    ["/1/$&$1/", "212", "2$&$12"],
    ["/a/b/", "491", "491"],
    ["/4/9/4/", "4/91", "41"],
    ["///", "491", "491"],
  ])("%s rewrites %s to %s", (rule, phone, expected) => {
    expect(rewritten(rule, phone)).toBe(expected);
  });

  test.each([
    ["^0", "expected /pattern/replacement/"],
    ["/^0/", "expected /pattern/replacement/"],
    ["/(0+)+$/x/", "a repeated group"],
    ["/(0|00)*$/x/", "a repeated group"],
    ["/(0?){30}/x/", "a repeated group"],
    ["/0*0*0*0*x/y/", "more than 3 of"],
    ["/0?0?0?0?0?x/y/", "more than 3 of"],
    ["/a|b|c|d|e/y/", "more than 3 of"],
    ["/0{1,9}{1,9}/x/", "a repetition of a repetition"],
    [String.raw`/(0)\1/x/`, "the pattern is not supported"],
    ["/(?=0)/x/", "the pattern is not supported"],
    ["/(?<a>0)/x/", "the pattern is not supported"],
    ["/*0/x/", "there is nothing to repeat"],
    ["/(0/x/", "a ( has no )"],
    ["/0)/x/", "a ) has no ("],
    ["/[0/x/", "the pattern is not supported"],
    ["/[9-0]/x/", "the pattern is not a regular expression"],
    [String.raw`/(0)/\2/`, "there is no group \\2"],
    [`/${"0".repeat(200)}/x/`, "expected at most 200 characters"],
  ])("rejects %s and says why", (rule, problem) => {
    expect(parseRewrite(rule)).toEqual({ problem: expect.stringContaining(problem) });
  });

  test("accepts no pattern that takes long", () => {
    const piece = fc.constantFrom(
      ...[
        "0",
        "\\d",
        ".",
        "[0-9]",
        "[^x]",
        "(",
        "(?:",
        ")",
        "|",
        "*",
        "+",
        "?",
        "*?",
        "{2}",
        "{1,}",
        "{0,99}",
        "$",
        "^",
        "x",
      ],
    );
    const source = fc.array(piece, { minLength: 1, maxLength: 14 }).map((pieces) => pieces.join(""));
    let accepted = 0;
    fc.assert(
      fc.property(source, (pattern) => {
        const parsed = parseRewrite(`/${pattern}/y/`);
        if ("problem" in parsed) return;
        accepted += 1;
        const startedMs = performance.now();
        parsed.rewrite(`${LONG_NUMBER}x`);
        expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
      }),
      { numRuns: 3_000 },
    );
    expect(accepted).toBeGreaterThan(100);
  });

  test("is fast for the worst patterns that it accepts", () => {
    for (const rule of [
      "/.*.*.*x/y/",
      "/0+0+0+x/y/",
      "/\\d{1,99}\\d{1,99}\\d{1,99}x/y/",
      "/[0-9]*[0-9]*?[0-9]*x$/y/",
    ]) {
      const startedMs = performance.now();
      expect(rewritten(rule, LONG_NUMBER)).toBe(LONG_NUMBER);
      expect(performance.now() - startedMs).toBeLessThan(MAX_MS);
    }
  });
});
