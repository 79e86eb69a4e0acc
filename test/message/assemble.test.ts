import { describe, expect, test } from "bun:test";
import { assemble } from "../../src/message/assemble.ts";

const HEADERS = "Subject: x\r\n";
const entity = (text: string): Uint8Array => new TextEncoder().encode(text);
const assembled = (text: string): string => new TextDecoder().decode(assemble(HEADERS, entity(text)));

describe("assemble()", () => {
  test("joins header and entity unchanged", () => {
    expect(assembled("Content-Type: text/plain\r\n\r\nx\r\n")).toBe(
      "Subject: x\r\nContent-Type: text/plain\r\n\r\nx\r\n",
    );
  });

  test("ends with exactly one CRLF", () => {
    expect(assembled("\r\nx")).toBe("Subject: x\r\n\r\nx\r\n");
    expect(assembled("\r\n")).toBe("Subject: x\r\n\r\n");
  });

  for (const [name, text] of Object.entries({
    "a bare LF": "\r\na\nb\r\n",
    "a bare CR": "\r\na\rb\r\n",
    "a CR at the end": "\r\na\r",
    "an LF at the end": "\r\na\n",
    "CR CR LF": "\r\na\r\r\n",
    "a NUL": "\r\na\0b\r\n",
    "a line of 999 octets": `\r\n${"a".repeat(999)}\r\n`,
    "a last line of 999 octets": `\r\n${"a".repeat(999)}`,
  })) {
    test(`rejects ${name}`, () => expect(() => assembled(text)).toThrow(TypeError));
  }

  test("accepts a line of 998 octets", () => {
    expect(assembled(`\r\n${"a".repeat(998)}\r\n`)).toEndWith("aa\r\n");
  });
});
