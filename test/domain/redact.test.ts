import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { redactor, secretRedactor } from "../../src/domain/redact.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

describe("redactor()", () => {
  const redact = redactor("alice@example.org", "correct horse");

  for (const [what, text, shown] of [
    ["the plain username", "No mailbox for <alice@example.org>", "No mailbox for <[secret]>"],
    ["the plain password", "Bad: correct horse!", "Bad: [secret]!"],
    ["the username in another case", "User ALICE@EXAMPLE.ORG unknown", "User [secret] unknown"],
    ["base64 of the username", `Got ${base64("alice@example.org")}`, "Got [secret]"],
    ["base64 without padding", `Got ${base64("correct horse").replace(/=+$/, "")}.`, "Got [secret]."],
    ["base64 for URLs", `Got ${Buffer.from("???correct horse").toString("base64url")}`, "Got [secret]"],
    [
      "what AUTH PLAIN sends",
      `AUTH PLAIN ${base64("\0alice@example.org\0correct horse")}`,
      "AUTH PLAIN [secret]",
    ],
    ["both, one inside the other", "alice@example.org:correct horse", "[secret]:[secret]"],
    ["nothing else", "Try again later, please", "Try again later, please"],
  ] as const) {
    test(`hides ${what}`, () => {
      expect(redact(text)).toBe(shown);
    });
  }

  test("hides every plain and base64 form at every position", () => {
    const secret = fc
      .string({ minLength: 4, maxLength: 40, unit: "grapheme-ascii" })
      .filter((s) => s.trim() === s);
    const around = fc.stringMatching(/^[ .<>:]{0,5}$/);
    fc.assert(
      fc.property(secret, secret, around, around, (username, password, before, after) => {
        const forms = [
          username,
          password,
          `\0${username}\0${password}`,
          `${username}\0${username}\0${password}`,
        ];
        const hide = redactor(username, password);
        for (const form of [username, password, ...forms.map(base64)]) {
          // The placeholder hides a form that is part of it.
          if ("[secret]".includes(form.toLowerCase())) continue;
          expect(hide(`${before}${form}${after}`).toLowerCase()).not.toContain(form.toLowerCase());
        }
      }),
    );
  });

  test("a secret that is part of the placeholder leaves it intact", () => {
    expect(redactor("secret", "cret")("The secret is secret")).toBe("The [secret] is [secret]");
  });

  test("a short secret leaves the text readable", () => {
    expect(redactor("a", "to")("Authentication failed, a. Try tomorrow".replace(", a.", "."))).toBe(
      "Authentication failed. Try tomorrow",
    );
  });

  for (const text of [
    "Bad password x",
    "Bad password 'x'.",
    `Bad ${base64("x")}`,
    `AUTH ${base64("\0bob\0x")}`,
  ]) {
    test(`a text with a short secret as a word is withheld: ${text}`, () => {
      const shown = redactor("bob", "x")(text);
      expect(shown).toContain("[secret]");
      expect(shown).not.toContain("x");
      expect(shown).not.toContain(base64("\0bob\0x"));
    });
  }

  test("leaves texts unchanged without credentials", () => {
    expect(redactor("", "")("User  unknown AAAA")).toBe("User  unknown AAAA");
  });
});

describe("secretRedactor()", () => {
  const redact = secretRedactor(["pa~ss w+rd/=", "", "refresh-token"]);

  for (const [what, text, shown] of [
    ["one of several", "The token refresh-token is unknown", "The token [secret] is unknown"],
    ["a URL", `?secret=${encodeURIComponent("pa~ss w+rd/=")}&a=b`, "?secret=[secret]&a=b"],
    ["a form", `client_secret=pa%7Ess+w%2Brd%2F%3D&a=b`, "client_secret=[secret]&a=b"],
    ["Basic authentication", `Basic ${base64("id:pa~ss w+rd/=")}`, "Basic [secret]"],
  ] as const) {
    test(`hides a secret in ${what}`, () => {
      expect(redact(text)).toBe(shown);
    });
  }
});
