import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import PostalMime from "postal-mime";
import { type Mailbox, parseAddress } from "../../src/domain/mailbox.ts";
import type { NormalizedMessage } from "../../src/domain/message.ts";
import { bytesOf, leavesOf, lines, mailboxes } from "./fixtures/composed.ts";

// Shrinking a counterexample of many long texts would otherwise take minutes.
fc.configureGlobal({ interruptAfterTimeLimit: 4000 });

// Arbitrary text mixed with spaces, quotes and look-alikes of encoded words, which break headers.
const awkward = fc.constantFrom(
  " ",
  "  ",
  '"',
  "\\",
  "=?",
  "?=",
  "=?utf-8?Q?a?=",
  ",",
  "<",
  ">",
  ":",
  "@",
  "é",
  "漢",
  "🙂",
  "_",
);
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 300, size: "max" }),
  fc
    .array(fc.oneof(awkward, fc.string({ maxLength: 8 })), { maxLength: 60, size: "max" })
    .map((parts) => parts.join("")),
  fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 1200, size: "max" }),
  fc.nat(300).map((length) => `a${" ".repeat(length)}b`),
);
const headerText = anyText.filter((text) => text.isWellFormed() && !/[\p{Cc}\u2028\u2029]/u.test(text));
const address = fc
  .tuple(fc.stringMatching(/^[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,60}$/), fc.domain())
  .map(([local, domain]) => parseAddress(`${local}@${domain}`))
  .filter((parsed) => parsed !== null);
const mailbox: fc.Arbitrary<Mailbox> = fc.record({ name: headerText, address });

describe("compose() for any message", () => {
  const message: fc.Arbitrary<NormalizedMessage> = fc.record(
    {
      to: fc.array(mailbox, { minLength: 1, maxLength: 5 }),
      replyTo: fc.array(mailbox, { maxLength: 2 }),
      subject: headerText,
      text: anyText,
      html: anyText,
    },
    { requiredKeys: ["to", "subject", "text"] },
  );

  test("writes the given fields and no other", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        const { headers } = await PostalMime.parse(await bytesOf(any, { from }));
        const asked = ["from", "to", "date", "message-id", "mime-version", "auto-submitted", "content-type"];
        if ((any.replyTo?.length ?? 0) > 0) asked.push("reply-to");
        if (any.subject !== "") asked.push("subject");
        const found = headers.map(({ key }) => key).filter((key) => key !== "content-transfer-encoding");
        expect(found.toSorted()).toEqual(asked.toSorted());
      }),
    );
  });

  test("a reader gets subject, names and addresses unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        const parsed = await PostalMime.parse(await bytesOf(any, { from }));
        expect(parsed.subject ?? "").toBe(any.subject);
        expect(mailboxes(parsed.to)).toEqual([...any.to]);
        expect(mailboxes(parsed.replyTo)).toEqual([...(any.replyTo ?? [])]);
        expect(mailboxes(parsed.from ? [parsed.from] : [])).toEqual([from]);
      }),
    );
  });

  test("a reader gets text and HTML unchanged", async () => {
    await fc.assert(
      fc.asyncProperty(message, async (any) => {
        const parts = leavesOf(await bytesOf(any));
        if (any.text || !any.html) expect(parts.shift()).toBe(lines(any.text ?? ""));
        if (any.html) expect(parts.shift()).toContain(`<body>\r\n${lines(any.html)}\r\n</body>`);
        expect(parts).toEqual([]);
      }),
    );
  });

  test("writes ASCII lines of at most 998 octets, folded at 76 where there is a space, each ended by CRLF", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        const text = new TextDecoder("latin1").decode(await bytesOf(any, { from }));
        expect(text).toMatch(/^[\t\r\n\x20-\x7e]*\r\n$/);
        const lines = text.split("\r\n");
        expect(lines.filter((line) => /[\r\n]/.test(line))).toEqual([]);
        expect(lines.filter((line) => line.length > 998)).toEqual([]);
        expect(
          lines.filter(
            (line) =>
              line.length > 76 &&
              line
                .trimStart()
                .replace(/^[\w-]+: /, "")
                .includes(" "),
          ),
        ).toEqual([]);
        expect(lines.filter((line) => /^[ \t]+$/.test(line))).toEqual([]);
      }),
    );
  });

  test("returns the same bytes twice", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        expect(await bytesOf(any, { from })).toEqual(await bytesOf(any, { from }));
      }),
    );
  });

  test("rejects control characters, or keeps them out of the header", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: "binary", maxLength: 40 }), async (subject) => {
        const composed = await bytesOf({ subject }).catch((error: unknown) => {
          expect(error).toBeInstanceOf(TypeError);
          return null;
        });
        if (composed === null) expect(subject).toMatch(/[^\P{Cc}\t]|[\u2028\u2029]/u);
        else expect((await PostalMime.parse(composed)).subject ?? "").toBe(subject.toWellFormed());
      }),
    );
  });
});
