import { describe, expect, test } from "bun:test";
import {
  delay,
  hangUp,
  type Misbehavior,
  reply,
  stall,
  startSmtpServer,
  then,
  times,
  twice,
  when,
} from "../../../src/testing/smtp/index.ts";
import { RawClient } from "./client.ts";

const MAIL = "MAIL FROM:<a@client.test>\r\n";
const MESSAGE = `${MAIL}RCPT TO:<b@mx.test>\r\nDATA\r\n`;

test("a quoted local part may hold an angle bracket", async () => {
  await using server = await startSmtpServer();
  using client = await RawClient.greet(server);
  await client.ask('MAIL FROM:<"a>b \\" c"@client.test> SIZE=9');
  await client.flight('RCPT TO:<"d>"@mx.test>\r\nDATA\r\n', 2);
  await client.ask("\r\n.");
  expect(server.messages).toMatchObject([{ from: '"a>b \\" c"@client.test', recipients: ['"d>"@mx.test'] }]);
});

describe("a script", () => {
  test("applies a given number of times", async () => {
    await using server = await startSmtpServer({ script: { noop: times(2, reply("451 Later")) } });
    using client = await RawClient.greet(server);
    const replies = [await client.ask("NOOP"), await client.ask("NOOP"), await client.ask("NOOP")];
    expect(replies.map((text) => text.slice(0, 3))).toEqual(["451", "451", "250"]);
  });

  test("applies to matching lines", async () => {
    await using server = await startSmtpServer({
      script: { rcpt: when(/<bob@/, reply("550 No such user")) },
    });
    using client = await RawClient.greet(server);
    await client.ask("MAIL FROM:<a@client.test>");
    expect(await client.ask("RCPT TO:<bob@mx.test>")).toStartWith("550 ");
    expect(await client.ask("RCPT TO:<ann@mx.test>")).toStartWith("250 ");
  });

  test("applies to each matching line, whatever the flags of the pattern", async () => {
    await using server = await startSmtpServer({
      script: { rcpt: when(/<bob@/g, reply("550 No such user")) },
    });
    using client = await RawClient.greet(server);
    await client.ask("MAIL FROM:<a@client.test>");
    for (let i = 0; i < 3; i++) expect(await client.ask("RCPT TO:<bob@mx.test>")).toStartWith("550 ");
  });

  test("can differ by connection", async () => {
    const script = (connection: number) => (connection === 0 ? { greeting: reply("554 No") } : {});
    await using server = await startSmtpServer({ script });
    using first = await RawClient.connect(server);
    expect(await first.read()).toBe("554 No");
    using second = await RawClient.connect(server);
    expect(await second.read()).toStartWith("220 ");
  });

  test("of one connection takes precedence until that of the server changes", async () => {
    await using server = await startSmtpServer({ script: { noop: reply("451 All") } });
    using first = await RawClient.greet(server);
    using second = await RawClient.greet(server);
    server.connections[0]?.script("noop", reply("451 One"));
    expect([await first.ask("NOOP"), await second.ask("NOOP")]).toEqual(["451 One", "451 All"]);
    server.connections[0]?.script("noop", undefined);
    expect(await first.ask("NOOP")).toStartWith("250 ");
    server.script("noop", reply("452 All"));
    expect([await first.ask("NOOP"), await second.ask("NOOP")]).toEqual(["452 All", "452 All"]);
  });

  test("that replies late keeps the order of replies", async () => {
    await using server = await startSmtpServer({ script: { mail: delay(20), rcpt: delay(5) } });
    using client = await RawClient.greet(server);
    const replies = await client.flight(MESSAGE, 3);
    expect(replies.map((line) => line.slice(0, 9))).toEqual(["250 2.1.0", "250 2.1.5", "354 End w"]);
  });

  test("has the effect of its code", async () => {
    const script = { mail: reply("250 Fine"), rcpt: reply("251 Forwarded"), data: reply("354 Go") };
    await using server = await startSmtpServer({ script: { ...script, body: reply("250 Queued as 1") } });
    using client = await RawClient.greet(server);
    await client.flight(MESSAGE, 3);
    expect(await client.ask("Hello\r\n.")).toBe("250 Queued as 1");
    expect(server.messages).toMatchObject([{ from: "a@client.test", recipients: ["b@mx.test"] }]);
  });

  test("may write a reply in pieces, and later commands wait for the rest", async () => {
    const inPieces =
      (...pieces: readonly string[]): Misbehavior =>
      (peer) =>
        pieces.forEach((piece, index) => void peer.after(5 * index, () => peer.write(piece)));
    const script = {
      mail: inPieces("2", "50 2.1.0 Fi", "ne\r\n"),
      rcpt: inPieces("250-One\r\n", "250 Two", "\r", "\n"),
      body: inPieces("25", "0 Queued as 1\r\n"),
    };
    await using server = await startSmtpServer({ script });
    using client = await RawClient.greet(server);
    expect(await client.flight(MESSAGE, 3)).toEqual(["250 2.1.0 Fine", "250 Two", "354 End with ."]);
    expect(await client.ask("Hello\r\n.")).toBe("250 Queued as 1");
    expect(server.messages).toMatchObject([{ from: "a@client.test", recipients: ["b@mx.test"] }]);
  });

  test("that rejects MAIL leaves no transaction", async () => {
    await using server = await startSmtpServer({ script: { mail: times(1, reply("451 Later")) } });
    using client = await RawClient.greet(server);
    const replies = await client.flight(MESSAGE, 3);
    expect(replies.map((line) => line.slice(0, 3))).toEqual(["451", "503", "554"]);
  });
});

describe("the record", () => {
  const bodies: readonly (readonly [string, Misbehavior, number, number])[] = [
    ["accepted, although the reply is lost", then(hangUp()), 1, 0],
    ["accepted once, if the reply comes twice", twice(), 1, 0],
    ["not accepted after a 4xx", reply("451 Later"), 0, 1],
    ["not accepted without a reply", stall(), 0, 1],
    ["not accepted by half a reply", (peer) => peer.close("250 Que"), 0, 1],
    ["not accepted by lines of different codes", reply("250-Yes", "550 No"), 0, 1],
    ["not accepted by the first lines of a reply", reply("250-Yes"), 0, 1],
  ];
  test.each(bodies)("a message is %s", async (_, body, accepted, unaccepted) => {
    await using server = await startSmtpServer({ script: { body } });
    using client = await RawClient.greet(server);
    await client.flight(MESSAGE, 3);
    client.write("Message-ID:\r\n <1@client.test>\r\n\r\n.\r\n");
    while (server.messages.length + server.unaccepted.length === 0) await new Promise(setImmediate);
    expect([server.messages.length, server.unaccepted.length]).toEqual([accepted, unaccepted]);
    expect([...server.messages, ...server.unaccepted][0]?.messageId).toBe("<1@client.test>");
  });

  test("untilAccepted() waits for the given number of messages", async () => {
    await using server = await startSmtpServer();
    using client = await RawClient.greet(server);
    const two = server.untilAccepted(2);
    for (let count = 0; count < 2; count++) {
      await client.flight(MESSAGE, 3);
      await client.ask("..Hello\r\n.");
    }
    await two;
    await server.untilAccepted(1);
    expect(server.messages.map(({ bytes }) => new TextDecoder().decode(bytes))).toEqual(
      Array(2).fill(".Hello\r\n"),
    );
  });
});

describe("replies", () => {
  test("are held until the client is silent, so that flights are round trips", async () => {
    await using server = await startSmtpServer({ holdMs: 20 });
    using client = await RawClient.greet(server);
    const before = server.connections[0]?.flights ?? 0;
    for (const octet of MESSAGE) client.write(octet);
    await client.flight("", 3);
    expect(server.connections[0]?.flights).toBe(before + 1);
  });

  test.each([{ replyDelayMs: 15 }, { octetDelayMs: 1 }])("can be slow: %j", async (pace) => {
    await using server = await startSmtpServer(pace);
    using client = await RawClient.connect(server);
    const startMs = performance.now();
    expect(await client.read()).toBe("220 mx.test ESMTP");
    expect(performance.now() - startMs).toBeGreaterThan(10);
    expect(await client.ask("QUIT")).toStartWith("221 ");
    expect(await client.readAll()).toBe("");
  });
});

describe("startSmtpServer()", () => {
  test("listens on the given host and port", async () => {
    await using server = await startSmtpServer({ host: "127.0.0.2" });
    using client = await RawClient.connect(server);
    expect([server.host, await client.read()]).toEqual(["127.0.0.2", "220 mx.test ESMTP"]);
    // The port is in use, because the first server got it.
    await expect(startSmtpServer({ host: "127.0.0.2", port: server.port })).rejects.toThrow();
  });

  test("rejects unknown commands, and a second MAIL (RFC 5321 4.1.4)", async () => {
    await using server = await startSmtpServer();
    using client = await RawClient.greet(server);
    expect(await client.ask("toString")).toStartWith("500 ");
    expect(await client.ask("mail from:<a@client.test>")).toStartWith("250 ");
    expect(await client.ask("MAIL FROM:<b@client.test>")).toStartWith("503 ");
    expect(await client.ask("RSET")).toStartWith("250 ");
    expect(await client.ask("HELO client.test")).toStartWith("250 ");
  });
});
