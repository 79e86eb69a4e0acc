import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { presentText, redactor, secretRedactor, tokenRedactor } from "../../src/domain/redact.ts";

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
      expect(shown.trim()).toBe(kept < 6 ? TOKEN.slice(0, kept) : "[secret]");
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

/** What a server may do to a secret before it repeats it. */
const FORMS: Readonly<Record<string, (secret: string) => string>> = {
  plain: (secret) => secret,
  base64,
  base64url: (secret) => Buffer.from(secret).toString("base64url"),
  "AUTH PLAIN": (secret) => base64(`\0u\0${secret}`),
  percent: (secret) => encodeURIComponent(secret),
  "percent, every octet": (secret) => Buffer.from(secret).toString("hex").replaceAll(/../g, "%$&"),
  form: (secret) => new URLSearchParams({ s: secret }).toString().slice(2),
  hex: (secret) => Buffer.from(secret).toString("hex"),
  "hex with colons": (secret) =>
    Buffer.from(secret).toString("hex").toUpperCase().match(/../g)?.join(":") ?? "",
  JSON: (secret) => JSON.stringify(secret),
  "JSON in ASCII": (secret) =>
    JSON.stringify(secret).replaceAll(
      /[^ -~]|['<>&]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  HTML: (secret) =>
    secret.replaceAll(
      /[&<>"']/g,
      (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character] ?? "&#39;",
    ),
  "HTML, every character": (secret) =>
    Array.from(secret, (character) => `&#x${character.codePointAt(0)?.toString(16)};`).join(""),
  "quoted-printable": (secret) =>
    Buffer.from(secret)
      .toString("latin1")
      .replaceAll(
        /[^!-<>-~]/g,
        (octet) => `=${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
      ),
  "quoted-printable, broken": (secret) => secret.replaceAll(/.{5}/gs, "$&=\n"),
  "percent in JSON": (secret) => JSON.stringify(encodeURIComponent(secret)),
  "HTML in a URL": (secret) => encodeURIComponent(secret.replaceAll("&", "&amp;").replaceAll('"', "&quot;")),
};
/** Whether a text shows six characters in a row in a form. In base64, runs may lack up to three characters in front. */
function shows(text: string, form: string, six: string): boolean {
  const encoded = FORMS[form]?.(six) ?? "";
  if (!/base64|AUTH/.test(form)) return text.includes(/JSON/.test(form) ? encoded.slice(1, -1) : encoded);
  const runs = text.match(/[A-Za-z0-9+/_-]{8,}/g) ?? [];
  return runs.some((run) =>
    ["", "A", "AA", "AAA"].some((missing) => Buffer.from(missing + run, "base64").includes(six)),
  );
}

describe("no six characters of a password in a row are shown", () => {
  const unit = fc.constantFrom(..."aZ7zQ0!&<>\"'+/=%\\ .-_#~?äß€😀Жй");
  const password = fc
    .array(unit, { minLength: 6, maxLength: 24 })
    .map((characters) => characters.join(""))
    .filter((text) => text.trim() === text && new Set(Array.from(text)).size > 3);
  const cut = fc.tuple(fc.nat(12), fc.nat(12));
  const WORDS = "5.7.8 Error: login rejected by mx";

  for (const [form, encode] of Object.entries(FORMS)) {
    test(`as ${form}, cut anywhere`, () => {
      fc.assert(
        fc.property(password, cut, (secret, [start, end]) => {
          const encoded = encode(secret);
          const part = encoded.slice(start, Math.max(start, encoded.length - end));
          const shown = presentText(`${WORDS} <${part}>; ${WORDS}`, redactor("u5", secret));
          const characters = Array.from(secret);
          for (let index = 0; index + 6 <= characters.length; index++) {
            expect(shows(shown, form, characters.slice(index, index + 6).join(""))).toBe(false);
          }
          expect(shown.startsWith(WORDS)).toBe(true);
          expect(shown.endsWith(WORDS)).toBe(true);
        }),
        { numRuns: 200 },
      );
    });
  }

  test("over two lines, wherever they end, with the codes of the second", () => {
    const secret = 'Zx9!uniq&Secret+"q';
    for (const form of ["plain", "base64", "percent", "hex", "JSON", "quoted-printable"]) {
      const encoded = FORMS[form]?.(secret) ?? "";
      for (let end = 1; end < encoded.length; end++) {
        for (const between of [" ", "\r\n", "\r\n535 5.7.8 ", " 5.7.8 ", "\u200b"]) {
          const text = `no: ${encoded.slice(0, end)}${between}${encoded.slice(end)} ok`;
          const shown = presentText(text, redactor("u5", secret));
          const left = shown.replaceAll(/\s|[245]\.\d\.\d|535/g, "").replaceAll("[secret]", "");
          expect([form, end, between, left.length < "no:ok".length + 6]).toEqual([form, end, between, true]);
        }
      }
    }
  });

  test("an invisible character between all of them hides nothing from the search", () => {
    const text = `no: ${Array.from("Zx9!uniq").join("\u200b")} ok`;
    expect(presentText(text, redactor("u5", "Zx9!uniq"))).not.toMatch(/Z|9|q/);
  });
});

describe("the words of a server stay", () => {
  for (const [password, text, shown = text] of [
    ["client-secret", "Invalid client secret provided: unauthorized_client"],
    ["Zx9!uniq", "5.7.8 Authentication failed: UGFzc3dvcmQ6 for 4XyzAbCdEfGhIjKlMnOpQrStUvWxYz"],
    ["password", "The password is wrong", "The [secret] is wrong"],
    ["mailbox-password", "Got mailbox-pass, mailbox-full", "Got [secret], [secret]full"],
    ["abcde", "The alphabet: abcde, abcd", "The alphabet: [secret], abcd"],
  ] as const) {
    test(text, () => expect(redactor("u5", password)(text)).toBe(shown));
  }

  test("a long reply of a hostile server is searched quickly", () => {
    const escapes = "%25\\u0041&#65;=41+ab12".repeat(200);
    const startedMs = performance.now();
    redactor("ann", "a long enough password")(escapes);
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    console.info(`A hostile reply: ${(performance.now() - startedMs).toFixed(0)} ms`);
  });
});
