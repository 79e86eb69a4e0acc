import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { presentReply, ReplyReader } from "../../src/smtp/replies.ts";

const asItIs = (text: string): string => text;
const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

describe("presentReply()", () => {
  test("removes the enhanced code from each line and joins the lines", () => {
    const raw = { code: 550, lines: ["5.1.1 No such", "5.1.1 user"] };
    expect(presentReply(raw, asItIs)).toEqual({ code: 550, enhanced: "5.1.1", text: "No such user" });
  });

  test.each<[lines: string[], enhanced: string | null, text: string]>([
    [["#5.1.8 Domain of sender"], "5.1.8", "Domain of sender"],
    [["[5.1.8] Domain of sender"], "5.1.8", "Domain of sender"],
    [["(#5.1.8) Domain of sender"], "5.1.8", "Domain of sender"],
    [[" 5.1.8 Domain of sender"], "5.1.8", "Domain of sender"],
    [["5.1.8: Domain of sender"], "5.1.8", "Domain of sender"],
    [["5.1.8\tDomain of sender"], "5.1.8", "Domain of sender"],
    [["5.1.8"], "5.1.8", ""],
    [["sorry, bad sender (#5.1.8)"], "5.1.8", "sorry, bad sender"],
    [["Not taken:", "5.1.8 Domain of sender"], "5.1.8", "Not taken: Domain of sender"],
    [["5.1.8 Not taken:", "5.7.1 Domain of sender"], "5.1.8", "Not taken: Domain of sender"],
    [["5.1.8.2 is blocked"], null, "5.1.8.2 is blocked"],
    [["[5.1.8.2] is blocked"], null, "[5.1.8.2] is blocked"],
    [["5.1.8-rc1 does not relay"], null, "5.1.8-rc1 does not relay"],
    [["5.1.8beta does not relay"], null, "5.1.8beta does not relay"],
    [["mx 5.1.8 does not relay"], null, "mx 5.1.8 does not relay"],
    [["5.1234.8 No"], null, "5.1234.8 No"],
    [["4.1.8 No"], null, "4.1.8 No"],
    [["2.1.8 No", "5.1.8 Yes"], "5.1.8", "2.1.8 No Yes"],
  ])("reads the enhanced code of %j as %p", (lines, enhanced, text) => {
    expect(presentReply({ code: 553, lines }, asItIs)).toEqual({ code: 553, enhanced, text });
  });

  test("has at most 500 characters and no control character", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 900, unit: "binary" })), (lines) => {
        const { text } = presentReply({ code: 250, lines }, asItIs);
        expect(Array.from(text).length).toBeLessThanOrEqual(500);
        expect(text).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
      }),
    );
  });

  test("hides secrets before it truncates", () => {
    const raw = { code: 550, lines: [`${"x".repeat(495)} hunter22`] };
    expect(presentReply(raw, (text) => text.replace("hunter22", "[secret]")).text).not.toContain("hunt");
  });
});

describe("ReplyReader", () => {
  for (const line of ["334", "334 ", "250", "250 "]) {
    test(`reads ${JSON.stringify(line)} as a whole reply without text (RFC 5321 4.2)`, () => {
      const code = Number(line.slice(0, 3));
      const reply = { replies: [{ code, lines: [""] }], isSmtp: true };
      expect(new ReplyReader().push(bytes(`${line}\r\n`))).toEqual(reply);
    });
  }

  test.each(["250\tOk", "269 Ok", "299", "571 No", "599 No"])(
    "reads %j, because the first digit decides",
    (line) => {
      const reply = { code: Number(line.slice(0, 3)), lines: [line.slice(4)] };
      expect(new ReplyReader().push(bytes(`${line}\r\n`))).toEqual({ replies: [reply], isSmtp: true });
    },
  );

  test("reads the same replies from any chunks", () => {
    const stream = "220 mx\r\n250-a\r\n250-é\r\n250 b\n354\r\n550 5.1.1 Grüße\r\n";
    const whole = Buffer.from(stream, "utf8");
    const all = new ReplyReader().push(whole).replies;
    expect(all.map(({ code }) => code)).toEqual([220, 250, 354, 550]);
    expect(all[1]?.lines).toEqual(["a", "é", "b"]);
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length)), (cuts) => {
        const reader = new ReplyReader();
        const borders = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
        const chunks = borders.slice(1).map((end, at) => whole.subarray(borders[at], end));
        expect(chunks.flatMap((chunk) => reader.push(chunk).replies)).toEqual([...all]);
        expect(reader.isPartial).toBe(false);
      }),
    );
  });

  for (const [what, text] of [
    ["no code", "hello\r\n"],
    ["an empty line", "\r\n"],
    ["a code of four digits", "2500 x\r\n"],
    ["a code below 200", "199 x\r\n"],
    ["a code above 599", "600 x\r\n"],
    ["different codes in one reply", "250-x\r\n251 y\r\n"],
    ["a line of 64 KiB", `250 ${"x".repeat(65_536)}`],
    ["a reply of 64 KiB", "250-xxxxxxxxxxxxxxxx\r\n".repeat(4000)],
  ] as const) {
    test(`rejects ${what}`, () => {
      expect(new ReplyReader().push(bytes(text)).isSmtp).toBe(false);
    });
  }

  test("returns the replies before the bytes that it rejects", () => {
    const { replies, isSmtp } = new ReplyReader().push(bytes("250 ok\r\nnonsense\r\n"));
    expect(isSmtp).toBe(false);
    expect(replies).toEqual([{ code: 250, lines: ["ok"] }]);
  });
});
