import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { redactor, secretRedactor, tokenRedactor } from "../../src/domain/redact.ts";

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

describe("tokenRedactor()", () => {
  const USER = "box@example.org";
  const TOKEN = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJib3gifQ.c2lnbmF0dXJl_-~+/7Jq0bZx92LmVhWcT==";
  const redact = tokenRedactor(USER, TOKEN);
  const xoauth2 = base64(`user=${USER}\x01auth=Bearer ${TOKEN}\x01\x01`);
  const bearer = base64(`n,a=${USER},\x01host=mx.test\x01port=587\x01auth=Bearer ${TOKEN}\x01\x01`);

  for (const [what, text, shown] of [
    ["the token", `Token ${TOKEN} has expired`, "Token [secret] has expired"],
    ["the token in a URL", `?t=${encodeURIComponent(TOKEN)}&a=b`, "?t=[secret]&a=b"],
    ["base64 of the token", `Got ${base64(TOKEN)}.`, "Got [secret]."],
    ["the response of XOAUTH2", `500 ${xoauth2}`, "500 [secret]"],
    ["the response of OAUTHBEARER", `AUTH OAUTHBEARER ${bearer}?`, "AUTH OAUTHBEARER [secret]?"],
    ["the beginning of a response", `"${xoauth2.slice(0, 60)}..."`, '"[secret]..."'],
    ["the end of a response", `...${bearer.slice(-41)}`, "...[secret]"],
    ["the beginning of the token", `Bearer ${TOKEN.slice(0, 20)}…`, "Bearer [secret]…"],
    ["a response in several lines", `${xoauth2.slice(0, 72)} ${xoauth2.slice(72)}`, "[secret] [secret]"],
    ["the username", `${USER} is unknown`, "[secret] is unknown"],
    ["nothing else", "See https://support.google.com/mail/?p=BadCredentials 5.7.8", null],
    ["no other message's ID", "2.0.0 Ok: queued as 4XyzAbCdEfGhIjKlMnOpQrStUvWxYz", null],
  ] as const) {
    test(`hides ${what}`, () => expect(redact(text)).toBe(shown ?? text));
  }

  test("keeps 4,000 characters of a long text, and no part of a token that is cut there", () => {
    for (let kept = 1; kept < TOKEN.length; kept++) {
      const shown = redact(`${" ".repeat(4_000 - kept)}${TOKEN} and more`);
      expect(shown.trim()).toBe(kept < 12 ? TOKEN.slice(0, kept) : "[secret]");
    }
  });

  test("hides every piece of 24 characters of a response", () => {
    for (const line of [xoauth2, bearer]) {
      const tokenStart = Buffer.from(line, "base64").indexOf(TOKEN);
      for (let from = Math.ceil((tokenStart * 4) / 3); from + 24 <= line.length; from++) {
        expect(redact(`500 What? ${line.slice(from, from + 24)}`)).toBe("500 What? [secret]");
      }
    }
  });
});
