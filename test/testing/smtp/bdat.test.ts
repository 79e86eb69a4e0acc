import { describe, expect, test } from "bun:test";
import {
  type BdatMode,
  close,
  hangUp,
  reply,
  type SmtpTestServerOptions,
  startSmtpServer,
} from "../../../src/testing/smtp/index.ts";
import { RawClient } from "./client.ts";

const CHUNKING = ["PIPELINING", "CHUNKING", "8BITMIME"];
const MESSAGE = "Message-ID: <one@client.test>\r\n\r\nHello\r\n";
const REJECT = reply("550 5.1.1 No such user");

const start = (options: SmtpTestServerOptions = {}) =>
  startSmtpServer({ extensions: CHUNKING, holdMs: 5, ...options });
const bdat = (text: string, last = true) => `BDAT ${text.length}${last ? " LAST" : ""}\r\n${text}`;
const MAIL = "MAIL FROM:<a@client.test>\r\n";
const RCPT = "RCPT TO:<b@mx.test>\r\n";
const codes = (replies: readonly string[]) => replies.map((line) => Number(line.slice(0, 3)));

describe("BDAT (RFC 3030)", () => {
  test("accepts a message in one flight, and records it", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(MAIL + RCPT + bdat(MESSAGE), 3))).toEqual([250, 250, 250]);
    expect(server.messages).toMatchObject([
      { from: "a@client.test", recipients: ["b@mx.test"], via: "BDAT", flights: 1 },
    ]);
    expect(server.messages[0]?.messageId).toBe("<one@client.test>");
    expect(server.connections[0]?.commands.at(-1)).toBe(`BDAT ${MESSAGE.length} LAST`);
  });

  test("keeps every octet of the chunks: lines with dots, bare LF, NUL, no final CRLF", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    const parts = ["\r\n.\r\n..x\n.\n", "", "QUIT\r\n\0\xff\x80", "end"];
    const chunks = parts.map((part, index) => bdat(part, index === parts.length - 1)).join("");
    expect(codes(await client.flight(MAIL + RCPT + chunks, 6))).toEqual([250, 250, 250, 250, 250, 250]);
    expect(Buffer.from(server.messages[0]?.bytes ?? []).toString("latin1")).toBe(parts.join(""));
  });

  test("reads a chunk in any segments", async () => {
    await using server = await start({ holdMs: 0 });
    using client = await RawClient.greet(server);
    await client.flight(MAIL + RCPT, 2);
    const text = bdat(MESSAGE);
    for (const octet of text) client.write(octet);
    expect(await client.read()).toStartWith("250 ");
    expect(Buffer.from(server.messages[0]?.bytes ?? []).toString()).toBe(MESSAGE);
  });

  test("accepts `BDAT 0 LAST` as the end of a message", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    await client.flight(MAIL + RCPT + bdat(MESSAGE, false) + bdat(""), 4);
    expect(server.messages).toHaveLength(1);
  });

  test("counts two flights of DATA", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    await client.flight(`${MAIL}${RCPT}DATA\r\n`, 3);
    expect(await client.ask(`${MESSAGE}.`)).toStartWith("250 ");
    expect(server.messages).toMatchObject([{ via: "DATA", flights: 2 }]);
  });

  test("is an unknown command, and its chunk is run, unless CHUNKING is listed", async () => {
    await using server = await start({ extensions: ["PIPELINING"] });
    using client = await RawClient.greet(server);
    const replies = await client.flight(MAIL + RCPT + bdat("NOOP\r\n"), 4);
    expect(codes(replies)).toEqual([250, 250, 500, 250]);
    expect(server.connections[0]?.commands.at(-1)).toBe("NOOP");
  });

  test.each(["BDAT", "BDAT x", "BDAT 1 FIRST", "BDAT -1"])("rejects the syntax of %j", async (line) => {
    await using server = await start();
    using client = await RawClient.greet(server);
    expect(await client.ask(line)).toStartWith("501 ");
  });

  test("and DATA exclude each other in one transaction", async () => {
    await using server = await start();
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(`${MAIL}${RCPT}${bdat("x", false)}DATA\r\n`, 4))).toEqual([
      250, 250, 250, 503,
    ]);
  });
});

describe("BDAT without an accepted recipient", () => {
  const cases: readonly (readonly [BdatMode, readonly number[], string])[] = [
    ["discard", [250, 550, 503, 250, 250, 250], "new@client.test"],
    ["keep-sender", [250, 550, 503, 503, 250, 250], "a@client.test"],
    ["accept", [250, 550, 250, 250, 250, 250], "new@client.test"],
  ];
  test.each(cases)("%s: the next flight without RSET", async (mode, expected, sender) => {
    await using server = await start({ bdat: mode, script: { rcpt: REJECT } });
    using client = await RawClient.greet(server);
    const first = await client.flight(MAIL + RCPT + bdat(MESSAGE), 3);
    server.script("rcpt", undefined);
    const next = `MAIL FROM:<new@client.test>\r\n${RCPT}${bdat(MESSAGE)}`;
    expect(codes([...first, ...(await client.flight(next, 3))])).toEqual([...expected]);
    expect(server.messages.map(({ from }) => from)).toEqual([sender]);
    expect(server.unaccepted).toEqual([]);
  });

  test("keep-sender: RSET drops the sender", async () => {
    await using server = await start({ bdat: "keep-sender", script: { rcpt: REJECT } });
    using client = await RawClient.greet(server);
    await client.flight(MAIL + RCPT + bdat(MESSAGE), 3);
    expect(codes(await client.flight(`RSET\r\n${MAIL}`, 2))).toEqual([250, 250]);
  });

  test("execute: the chunk is run as commands", async () => {
    await using server = await start({ bdat: "execute", script: { rcpt: REJECT } });
    using client = await RawClient.greet(server);
    const chunk = bdat("NOOP\r\nHello there\r\n");
    expect(codes(await client.flight(MAIL + RCPT + chunk, 5))).toEqual([250, 550, 503, 250, 500]);
    expect(server.connections[0]?.commands.slice(-2)).toEqual(["NOOP", "Hello there"]);
  });

  test("execute: a chunk after an accepted recipient is a message", async () => {
    await using server = await start({ bdat: "execute" });
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(MAIL + RCPT + bdat(MESSAGE), 3))).toEqual([250, 250, 250]);
    expect(server.messages).toHaveLength(1);
  });
});

describe("a server that misbehaves at BDAT", () => {
  test.each([500, 502, 503])("replies %d although the recipient was accepted", async (code) => {
    await using server = await start({ script: { bdat: reply(`${code} 5.5.1 No`) } });
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(MAIL + RCPT + bdat(MESSAGE), 3))).toEqual([250, 250, code]);
    expect([server.messages.length, server.unaccepted.length]).toEqual([0, 1]);
    expect(codes(await client.flight(MAIL, 1))).toEqual([250]);
  });

  test("rejects the rest of a message after a rejected chunk", async () => {
    await using server = await start({ script: { bdat: reply("452 4.3.1 Full") } });
    using client = await RawClient.greet(server);
    client.write(MAIL + RCPT + bdat("one", false));
    expect(codes([await client.read(), await client.read(), await client.read()])).toEqual([250, 250, 452]);
    server.script("bdat", undefined);
    expect(codes(await client.flight(bdat("two"), 1))).toEqual([503]);
  });

  test("hangs up after the flight, and none of its replies arrives", async () => {
    await using server = await start({ script: { body: hangUp() } });
    using client = await RawClient.greet(server);
    client.write(MAIL + RCPT + bdat(MESSAGE));
    expect(await client.readAll()).toBe("");
    expect([server.messages.length, server.unaccepted.length]).toEqual([0, 1]);
  });

  test("closes after the flight, and the earlier replies arrive", async () => {
    await using server = await start({ script: { body: close() } });
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(MAIL + RCPT + bdat(MESSAGE), 3))).toEqual([250, 250, 0]);
  });

  test("rejects the end of the message at the same step as for DATA", async () => {
    await using server = await start({ script: { body: reply("554 5.7.1 No") } });
    using client = await RawClient.greet(server);
    expect(codes(await client.flight(MAIL + RCPT + bdat(MESSAGE), 3))).toEqual([250, 250, 554]);
  });

  test("accepts the message if the script replies 250", async () => {
    await using server = await start({ script: { bdat: reply("250 2.0.0 Queued as 4711") } });
    using client = await RawClient.greet(server);
    await client.flight(MAIL + RCPT + bdat(MESSAGE), 3);
    expect(server.messages).toHaveLength(1);
  });
});
