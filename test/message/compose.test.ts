import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import PostalMime, { type Email } from "postal-mime";
import { type Mailbox, parseAddress } from "../../src/domain/mailbox.ts";
import type { Message, MessageIdentity } from "../../src/domain/message.ts";
import { assemble } from "../../src/message/assemble.ts";
import { compose } from "../../src/message/compose.ts";

// Shrinking a counterexample of many long texts would otherwise take minutes.
fc.configureGlobal({ interruptAfterTimeLimit: 4000 });

const IDENTITY: MessageIdentity = {
  from: { name: "Sealpost", address: "otp@example.org" },
  date: new Date("2026-06-01T12:00:00Z"),
  messageId: "<1@example.org>",
  boundary: "abc123",
};
const MESSAGE: Message = {
  to: [{ name: "", address: "user@example.net" }],
  subject: "Your code",
  text: "Your code is 123456.\n",
};

async function bytesOf(changes: Partial<Message> = {}, identity: Partial<MessageIdentity> = {}) {
  const { headers, entity } = await compose({ ...MESSAGE, ...changes }, { ...IDENTITY, ...identity });
  return assemble(headers, entity);
}

async function textOf(
  changes: Partial<Message> = {},
  identity: Partial<MessageIdentity> = {},
): Promise<string> {
  return new TextDecoder().decode(await bytesOf(changes, identity));
}

/** Mailboxes as a reader of the mail sees them. */
function mailboxes(addresses: Email["to"]): readonly Mailbox[] {
  return (addresses ?? []).map(({ name, address }) => ({ name: name ?? "", address: address ?? "" }));
}

// Whatever people write, with what breaks headers mixed in: spaces, quotes, look-alikes of encoded words.
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

describe("compose()", () => {
  test("writes these fields, in RFC 5322 form, and no other", async () => {
    const text = await textOf({ replyTo: [{ name: "Help, please", address: "help@example.org" }] });
    expect(text).toBe(
      [
        "From: Sealpost <otp@example.org>",
        "To: user@example.net",
        'Reply-To: "Help, please" <help@example.org>',
        "Subject: Your code",
        "Date: Mon, 01 Jun 2026 12:00:00 +0000",
        "Message-ID: <1@example.org>",
        "MIME-Version: 1.0",
        "Content-Transfer-Encoding: base64",
        "Content-Type: text/plain; charset=utf-8",
        "",
        "WW91ciBjb2RlIGlzIDEyMzQ1Ni4NCg==",
        "",
      ].join("\r\n"),
    );
  });

  test("writes Reply-To only when there is one", async () => {
    expect(await textOf()).not.toContain("Reply-To");
    expect(await textOf({ replyTo: [] })).not.toContain("Reply-To");
  });

  test("lists every recipient in To and none in Bcc", async () => {
    const to = ["a", "b", "c"].map((local) => ({ name: "", address: `${local}@example.net` }));
    const { headers } = await compose({ ...MESSAGE, to }, IDENTITY);
    expect(headers).toContain("To: a@example.net, b@example.net, c@example.net\r\n");
    expect(headers).not.toMatch(/^bcc:/im);
  });

  test("makes multipart/alternative of text and HTML, text first, with the identity's boundary", async () => {
    const text = await textOf({ html: "<b>123456</b>" });
    expect(text).toContain('Content-Type: multipart/alternative; boundary="=_-abc123-Part_1"');
    expect(text.indexOf("text/plain")).toBeLessThan(text.indexOf("text/html"));
    const parsed = await PostalMime.parse(text);
    expect(parsed.text?.trim()).toBe("Your code is 123456.");
    expect(parsed.html?.trim()).toBe("<b>123456</b>");
  });

  test("makes text/html of HTML alone", async () => {
    const { text: _, ...rest } = MESSAGE;
    const { entity } = await compose({ ...rest, html: "<b>1</b>" }, IDENTITY);
    expect(new TextDecoder().decode(entity)).toContain(
      "\r\nContent-Type: text/html; charset=utf-8\r\n\r\nPGI+",
    );
  });

  test("takes an empty text", async () => {
    expect((await PostalMime.parse(await bytesOf({ text: "" }))).text?.trim() ?? "").toBe("");
  });

  test("gives the text CRLF line ends before it is encoded", async () => {
    const text = await textOf({ text: "a\nb\rc\r\nd" });
    expect(atob(text.slice(text.indexOf("\r\n\r\n")).trim())).toBe("a\r\nb\r\nc\r\nd");
  });

  test("writes an address whose local part is not ASCII as UTF-8 (RFC 6532)", async () => {
    const text = await textOf({ to: [{ name: "Jörg", address: "jörg@example.net" }] });
    expect(text).toContain("To: =?UTF-8?Q?J=C3=B6rg?= <jörg@example.net>\r\n");
  });

  for (const [name, unsafe] of Object.entries({
    CR: "a\rb",
    LF: "a\nBcc: x@example.org",
    "CR LF": "a\r\nBcc: x@example.org",
    NUL: "a\0b",
    ESC: "a\x1b[2Jb",
    NEL: "a\u0085b",
    "line separator": "a\u2028b",
  })) {
    test(`refuses ${name} in subject, names and addresses`, async () => {
      const box = { name: unsafe, address: "a@example.org" };
      await expect(bytesOf({ subject: unsafe })).rejects.toThrow(TypeError);
      await expect(bytesOf({ to: [box] })).rejects.toThrow(TypeError);
      await expect(bytesOf({ replyTo: [box] })).rejects.toThrow(TypeError);
      await expect(bytesOf({}, { from: box })).rejects.toThrow(TypeError);
      await expect(bytesOf({ to: [{ name: "", address: `${unsafe}@example.org` }] })).rejects.toThrow(
        TypeError,
      );
      await expect(bytesOf({}, { messageId: `<${unsafe}@example.org>` })).rejects.toThrow(TypeError);
      await expect(bytesOf({}, { boundary: unsafe })).rejects.toThrow(TypeError);
    });
  }

  test("refuses a message without recipient, or without content", async () => {
    await expect(bytesOf({ to: [] })).rejects.toThrow(TypeError);
    await expect(compose({ to: MESSAGE.to, subject: "x" }, IDENTITY)).rejects.toThrow(TypeError);
  });

  test("refuses addresses that would read as several, dates without four digits, and odd Message-IDs", async () => {
    for (const bad of ["a@example.org, b@example.org", "a@example.org>", "<a@example.org", "a", ""]) {
      await expect(bytesOf({ to: [{ name: "", address: bad }] })).rejects.toThrow(TypeError);
    }
    for (const bad of [Number.NaN, Date.UTC(-1, 0), Date.UTC(10_000, 0)]) {
      await expect(bytesOf({}, { date: new Date(bad) })).rejects.toThrow(TypeError);
    }
    for (const bad of ["1@example.org", "<1>", "<1@é>", "<1@a> <2@a>", `<${"1".repeat(1000)}@a>`]) {
      await expect(bytesOf({}, { messageId: bad })).rejects.toThrow(TypeError);
    }
  });
});

describe("compose() with fields of the message's own", () => {
  test("writes them after the usual ones, encoded where they have to be", async () => {
    const mail = await PostalMime.parse(
      await bytesOf({ headers: { "OTP-Token": "123456", "X-Note": "für dich" } }),
    );
    expect(mail.headers.filter(({ key }) => /^(otp|x)-/.test(key))).toMatchObject([
      { key: "otp-token", value: "123456" },
      { key: "x-note", value: expect.stringMatching(/^=\?UTF-8\?/) },
    ]);
  });

  for (const name of ["Bcc", "to", "Content-Type", "Resent-To", "DKIM-Signature", "X Note", "X:", "", "Ü"]) {
    test(`refuses ${JSON.stringify(name)}`, async () => {
      await expect(bytesOf({ headers: { [name]: "a@example.org" } })).rejects.toThrow(TypeError);
    });
  }

  test("refuses a line break in a value", async () => {
    await expect(bytesOf({ headers: { "X-Note": "a\r\nBcc: b@example.org" } })).rejects.toThrow(TypeError);
  });
});

describe("compose() for any message", () => {
  const message: fc.Arbitrary<Message> = fc.record(
    {
      to: fc.array(mailbox, { minLength: 1, maxLength: 5 }),
      replyTo: fc.array(mailbox, { maxLength: 2 }),
      subject: headerText,
      text: anyText,
      html: anyText,
    },
    { requiredKeys: ["to", "subject", "text"] },
  );

  test("emits the fields asked for and no other", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        const { headers } = await PostalMime.parse(await bytesOf(any, { from }));
        const asked = ["from", "to", "date", "message-id", "mime-version", "content-type"];
        if ((any.replyTo?.length ?? 0) > 0) asked.push("reply-to");
        if (any.subject !== "") asked.push("subject");
        const found = headers.map(({ key }) => key).filter((key) => key !== "content-transfer-encoding");
        expect(found.toSorted()).toEqual(asked.toSorted());
      }),
    );
  });

  test("gives subject, names and addresses back to a reader", async () => {
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

  test("gives text and HTML back to a reader", async () => {
    await fc.assert(
      fc.asyncProperty(message, async (any) => {
        const bytes = await bytesOf(any);
        for (const part of [any.text ?? "", any.html ?? ""]) {
          if (part === "") continue;
          const sent = part.toWellFormed().replace(/\r\n|\r|\n/g, "\r\n");
          const base64 = Buffer.from(sent)
            .toString("base64")
            .replace(/.{76}(?=.)/g, "$&\r\n");
          expect(new TextDecoder().decode(bytes)).toContain(`\r\n\r\n${base64}\r\n`);
        }
      }),
    );
  });

  test("emits ASCII lines of at most 998 octets, folded at 76 where there is a space, each ended by CRLF", async () => {
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

  test("gives the same bytes twice", async () => {
    await fc.assert(
      fc.asyncProperty(message, mailbox, async (any, from) => {
        expect(await bytesOf(any, { from })).toEqual(await bytesOf(any, { from }));
      }),
    );
  });

  test("refuses control characters, or none reaches the header", async () => {
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
