import { describe, expect, test } from "bun:test";
import type { Message } from "../../src/domain/message.ts";
import { normalizeMessage } from "../../src/mail/normalize-message.ts";

const MESSAGE: Message = { to: "ann@example.org", subject: "s", text: "t" };
const ANN = { name: "Ann", address: "ann@example.org" };
const BOB = { name: "", address: "bob@xn--bcher-kva.example" };

/** The input of a caller without types. */
const normalize = (changes: object) => normalizeMessage({ ...MESSAGE, ...changes });
const errorOf = (changes: object): unknown => {
  try {
    return normalize(changes);
  } catch (error) {
    return error;
  }
};

describe("normalizeMessage()", () => {
  test.each([
    ["a text", "Ann <ann@example.org>", [ANN]],
    ["a mailbox", ANN, [ANN]],
    ["a mailbox with blanks", { name: " Ann ", address: " ann@EXAMPLE.org " }, [ANN]],
    ["a list of both", [ANN, "bob@bücher.example"], [ANN, BOB]],
    ["a mailbox without a name", { address: "bob@BÜCHER。example" }, [BOB]],
    ["a mailbox whose name is null", { name: null, address: "bob@bücher.example" }, [BOB]],
  ])("accepts %s in every mailbox field", (_, given, expected) => {
    const all = normalize({ to: given, cc: given, bcc: given, replyTo: given });
    for (const field of ["to", "cc", "bcc", "replyTo"] as const) expect(all[field]).toEqual(expected);
  });

  test("accepts one mailbox as from", () => {
    expect(normalize({ from: "Bob <bob@bücher.example>" }).from).toEqual({ ...BOB, name: "Bob" });
    expect(normalize({ from: ANN }).from).toEqual(ANN);
  });

  test.each([
    [{ to: "a@example.org, b@example.org" }, "to"],
    [{ to: ["ann@example.org", "ann"] }, "to"],
    [{ to: [[ANN]] }, "to"],
    [{ to: { name: "a\r\nBcc: x", address: "ann@example.org" } }, "to"],
    [{ to: { name: "Ann", address: "Ann <ann@example.org>" } }, "to"],
    [{ to: 7 }, "to"],
    [{ cc: "ann@" }, "cc"],
    [{ bcc: ["ann@example.org\r\nx"] }, "bcc"],
    [{ from: [ANN] }, "from"],
    [{ from: "" }, "from"],
    [{ replyTo: "x" }, "replyTo"],
    [{ subject: "a\nb" }, "subject"],
    [{ subject: undefined }, "subject"],
    [{ text: 1 }, "text"],
    [{ html: {} }, "html"],
    [{ language: "en_US" }, "language"],
    [{ language: 'en"><script>' }, "language"],
    [{ headers: { Bcc: "a@example.org" } }, "headers.Bcc"],
    [{ headers: { "X-A": 1 } }, "headers.X-A"],
    [{ headers: { References: "<1@example.org>", references: "<2@example.org>" } }, "headers.references"],
    [{ attachments: {} }, "attachments"],
    [{ attachments: [{ content: [1, 2] }] }, "attachments.0.content"],
    [{ attachments: [{ content: "a", filename: "a\r\nb" }] }, "attachments.0.filename"],
    [
      { attachments: [{ content: "a" }, { content: "a", filename: "x".repeat(256) }] },
      "attachments.1.filename",
    ],
    [{ attachments: [{ content: "a", filename: "a\0" }] }, "attachments.0.filename"],
    [{ attachments: [{ content: "a", contentType: "text" }] }, "attachments.0.contentType"],
    [{ attachments: [{ content: "a", contentType: "a/b\r\nX: y" }] }, "attachments.0.contentType"],
    [{ attachments: [{ content: "a", contentType: "message/rfc822" }] }, "attachments.0.contentType"],
    [
      { attachments: [{ content: "a", contentType: "multipart/mixed; boundary=x" }] },
      "attachments.0.contentType",
    ],
    [{ attachments: [{ content: "a", contentId: "a b" }] }, "attachments.0.contentId"],
    [{ attachments: [{ content: "a", contentId: "a>\r\nX: y" }] }, "attachments.0.contentId"],
    [{ attachments: Array.from({ length: 101 }, () => ({ content: "" })) }, "attachments"],
  ])("rejects %j and names the field", (changes, parameter) => {
    expect(errorOf(changes)).toMatchObject({
      ...{ code: "invalid_parameter", parameter },
      message: expect.stringContaining(`ERR905: Invalid parameter: ${parameter}: expected `),
    });
  });

  test("repeats no part of a malformed address", () => {
    expect(String(errorOf({ to: "secret@" }))).not.toContain("secret");
  });

  test("requires recipients and a text", () => {
    expect(errorOf({ to: [] })).toMatchObject({ code: "missing_parameter", parameter: "to" });
    expect(errorOf({ to: undefined })).toMatchObject({ code: "missing_parameter", parameter: "to" });
    expect(errorOf({ text: undefined })).toMatchObject({ code: "missing_parameter", parameter: "text" });
    expect(normalize({ to: [], bcc: "ann@example.org" }).to).toEqual([]);
  });

  test("treats null and undefined as absent", () => {
    const none = { cc: null, bcc: undefined, from: null, replyTo: null, html: null, language: null };
    expect(normalize({ ...none, attachments: null, headers: null })).toEqual({
      ...{ to: [{ name: "", address: "ann@example.org" }], subject: "s", text: "t" },
    });
  });

  test("completes attachments with bytes, a name and a type", () => {
    const bytes = new Uint8Array([1]);
    const { attachments } = normalize({
      attachments: [
        { content: "ü", filename: "a.csv" },
        { content: "ü" },
        { content: bytes, filename: "Report.PDF" },
        { content: bytes, filename: "notes.txt" },
        { content: bytes, contentType: "image/png", contentId: "<logo@example.org>" },
        { content: "<svg/>", filename: "a.svg", contentType: "image/svg+xml" },
        { content: "ü", filename: "a.ics", contentType: "text/calendar; method=REQUEST" },
        { content: Buffer.from("ü", "latin1"), contentType: "text/plain; charset=iso-8859-1" },
        { content: "ü", contentType: "text/csv; charset=iso-8859-1; header=present" },
        { content: "ü", contentType: 'text/csv; name="a; charset=b.csv"' },
        { content: "ü", contentType: 'text/csv; charset="a;b"' },
        { content: "ü", contentType: 'application/xml ;Charset=a; x-charset=b; charset="c"' },
      ],
    });
    expect(attachments?.map(({ filename, contentType }) => [filename, contentType])).toEqual([
      ["a.csv", "text/csv; charset=utf-8"],
      ["attachment-2.txt", "text/plain; charset=utf-8"],
      ["Report.PDF", "application/pdf"],
      ["notes.txt", "text/plain"],
      ["attachment-5.png", "image/png"],
      ["a.svg", "image/svg+xml"],
      ["a.ics", "text/calendar; method=REQUEST; charset=utf-8"],
      ["attachment-8.txt", "text/plain; charset=iso-8859-1"],
      ["attachment-9.csv", "text/csv; header=present; charset=utf-8"],
      ["attachment-10.csv", 'text/csv; name="a; charset=b.csv"; charset=utf-8'],
      ["attachment-11.csv", "text/csv; charset=utf-8"],
      ["attachment-12.xml", "application/xml; x-charset=b; charset=utf-8"],
    ]);
    expect(attachments?.[0]?.content).toEqual(new TextEncoder().encode("ü"));
    expect(attachments?.[4]?.contentId).toBe("logo@example.org");
  });

  test("limits the text of a header field to 100,000 characters", () => {
    const long = "a ".repeat(50_000);
    for (const [parameter, withText] of [
      ["subject", (text: string) => ({ subject: text })],
      ["to", (name: string) => ({ to: { ...ANN, name } })],
      ["headers.X-A", (text: string) => ({ headers: { "X-A": text } })],
    ] as const) {
      expect(normalize(withText(long))).toMatchObject({ text: "t" });
      expect(errorOf(withText(`${long}a`))).toMatchObject({ code: "invalid_parameter", parameter });
    }
  });

  test("limits text and attachments together to 15 MiB", () => {
    const file = (octets: number) => ({ content: new Uint8Array(octets) });
    const limit = 15 * 1024 * 1024;
    expect(normalize({ attachments: [file(limit - 8), file(7)] }).attachments).toHaveLength(2);
    for (const changes of [
      { attachments: [file(limit - 8), file(8)] },
      { html: "x".repeat(limit) },
      { html: "漢".repeat(limit / 3) },
    ]) {
      expect(errorOf(changes)).toMatchObject({
        code: "too_large",
        message: expect.stringContaining("15 MiB"),
      });
    }
  });
});
