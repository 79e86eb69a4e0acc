import { describe, expect, test } from "bun:test";
import type { MessageIdentity, NormalizedMessage } from "../../src/domain/message.ts";
import { protectHeaders } from "../../src/message/assemble.ts";
import { compose } from "../../src/message/compose.ts";

const IDENTITY: MessageIdentity = {
  from: { name: "Jörg", address: "otp@example.org" },
  date: new Date("2026-06-01T12:00:00Z"),
  messageId: "<1@example.org>",
  boundary: "abc123",
};
const MESSAGE: NormalizedMessage = {
  to: [{ name: "", address: "user@example.net" }],
  replyTo: [{ name: "", address: "help@example.org" }],
  subject: "Schön, und so lang, dass das Feld gefaltet werden muss, und noch etwas länger",
  text: "x",
};

async function headerOf(message: NormalizedMessage): Promise<string> {
  const text = new TextDecoder().decode(protectHeaders(await compose(message, IDENTITY)));
  return text.slice(0, text.indexOf("\r\n\r\n"));
}

describe("protectHeaders()", () => {
  test("repeats every routing field except MIME-Version, with the same folding", async () => {
    const { headers } = await compose(MESSAGE, IDENTITY);
    const repeated = headers.replace("MIME-Version: 1.0\r\n", "");
    expect(await headerOf(MESSAGE)).toStartWith(`${repeated}Content-`);
    for (const name of ["From", "To", "Subject", "Date", "Message-ID", "Reply-To"]) {
      expect(repeated).toContain(`${name}: `);
    }
  });

  test('marks a single part with hp="clear"', async () => {
    expect(await headerOf(MESSAGE)).toContain('\r\nContent-Type: text/plain; charset=utf-8; hp="clear"');
  });

  test('marks the root of a multipart with hp="clear", and only the root', async () => {
    const composed = await compose({ ...MESSAGE, html: "<b>x</b>" }, IDENTITY);
    const text = new TextDecoder().decode(protectHeaders(composed));
    expect(text.match(/hp="clear"/g)).toHaveLength(1);
    expect(text).toContain(
      'Content-Type: multipart/alternative; boundary="=_-abc123-Part_1"; hp="clear"\r\n',
    );
  });

  test("folds a Content-Type that grows too long", async () => {
    const composed = await compose(
      { ...MESSAGE, html: "<b>x</b>" },
      { ...IDENTITY, boundary: "a".repeat(48) },
    );
    const lines = new TextDecoder().decode(protectHeaders(composed)).split("\r\n");
    expect(lines.filter((line) => line.length > 76 && line.trim().slice(0, -1).includes(" "))).toEqual([]);
  });

  test("leaves the body unchanged", async () => {
    const composed = await compose(MESSAGE, IDENTITY);
    const bodyOf = (bytes: Uint8Array) => {
      const text = new TextDecoder().decode(bytes);
      return text.slice(text.indexOf("\r\n\r\n"));
    };
    expect(bodyOf(protectHeaders(composed))).toBe(bodyOf(composed.entity));
  });

  test("rejects an entity without header or Content-Type", () => {
    const encode = (text: string) => new TextEncoder().encode(text);
    expect(() => protectHeaders({ headers: "", entity: encode("x") })).toThrow(TypeError);
    expect(() => protectHeaders({ headers: "", entity: encode("X: y\r\n\r\nz") })).toThrow(TypeError);
  });
});
