import { expect, test } from "bun:test";
import {
  type ServerLimits,
  type SmtpTestServerOptions,
  startSmtpServer,
} from "../../../src/testing/smtp/index.ts";
import { RawClient } from "./client.ts";

const PLAIN = `AUTH PLAIN ${Buffer.from("\0user\0a password").toString("base64")}`;
const withLimits = (limits: ServerLimits, options: SmtpTestServerOptions = {}) =>
  startSmtpServer({ limits, users: { user: "a password" }, ...options });
const MESSAGE = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\nDATA\r\n";

/** Sends a message in lockstep with the body. @returns the replies to MAIL and, if reached, to the end. */
async function send(client: RawClient): Promise<string> {
  const [mail = "", , data = ""] = await client.flight(MESSAGE, 3);
  if (!data.startsWith("354")) return mail;
  return client.ask("Hello\r\n.");
}

test("a surplus connection gets 421 at the greeting, and is admitted after another has closed", async () => {
  await using server = await withLimits({ maxConnections: 1 });
  using first = await RawClient.greet(server);
  using second = await RawClient.connect(server);
  expect(await second.readAll()).toBe("421 4.3.2 Too many connections\r\n");
  expect(server.connections.map(({ isRejected }) => isRejected)).toEqual([false, true]);
  expect(await first.ask("QUIT")).toStartWith("221 ");
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  await server.closed();
  using third = await RawClient.connect(server);
  expect(await third.read()).toStartWith("220 ");
});

test("a surplus login gets 432 if the limit is at AUTH", async () => {
  await using server = await withLimits({ maxConnections: 1, connectionsAt: "auth" });
  using first = await RawClient.greet(server);
  using second = await RawClient.greet(server);
  expect(await first.ask(PLAIN)).toStartWith("235 ");
  expect(await second.ask(PLAIN)).toStartWith("432 4.3.2 ");
  first[Symbol.dispose]();
  while (server.openSockets > 1) await new Promise(setImmediate);
  expect(await second.ask(PLAIN)).toStartWith("235 ");
});

test("the message after the last one of a connection gets 421, and the connection is closed", async () => {
  await using server = await withLimits({ maxMessagesPerConnection: 2 });
  using client = await RawClient.greet(server);
  expect(await send(client)).toStartWith("250 ");
  expect(await send(client)).toStartWith("250 ");
  expect(await client.ask("MAIL FROM:<a@client.test>")).toStartWith("421 4.7.0 ");
  expect(await client.readAll()).toBe("");
  using other = await RawClient.greet(server);
  expect(await send(other)).toStartWith("250 ");
});

test("messages above the limit of a minute get 450 until the minute ends", async () => {
  let now = new Date("2030-01-01T00:00:00Z");
  await using server = await withLimits({ maxMessagesPerMinute: 2 }, { now: () => now });
  using client = await RawClient.greet(server);
  await send(client);
  now = new Date("2030-01-01T00:00:30Z");
  await send(client);
  expect(await send(client)).toStartWith("450 4.7.1 ");
  now = new Date("2030-01-01T00:01:01Z");
  expect(await send(client)).toStartWith("250 ");
  expect(await send(client)).toStartWith("450 4.7.1 ");
});

test("a large message gets 552 at MAIL if it declares its size, otherwise at its end", async () => {
  const extensions = ["SIZE 1000000", "CHUNKING"];
  await using server = await withLimits({ maxMessageBytes: 10 }, { extensions });
  using client = await RawClient.connect(server);
  await client.read();
  expect(await client.ask("EHLO client.test")).toMatch(/\n250[ -]SIZE 10\r\n/);
  expect(await client.ask("MAIL FROM:<a@client.test> SIZE=11")).toStartWith("552 5.3.4 ");
  expect(await client.ask("MAIL FROM:<a@client.test> SIZE=10")).toStartWith("250 ");
  await client.flight("RCPT TO:<b@mx.test>\r\nDATA\r\n", 2);
  expect(await client.ask("More than ten\r\n.")).toStartWith("552 5.3.4 ");
  const chunk = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@mx.test>\r\nBDAT 11 LAST\r\nElevenBytes";
  expect((await client.flight(chunk, 3)).at(-1)).toStartWith("552 5.3.4 ");
  expect([server.messages.length, server.unaccepted.length]).toEqual([0, 2]);
});

test.each([
  [{ idleMs: 20 }, "421 4.4.2 Idle for too long\r\n"],
  [{ idleMs: 20, idleReply: "" }, ""],
] as const)("an idle connection is closed: %j", async (limits, expected) => {
  await using server = await withLimits(limits);
  using client = await RawClient.greet(server);
  expect(await client.readAll()).toBe(expected);
  await server.closed();
});

test("greylisting rejects each client, sender and recipient once", async () => {
  await using server = await startSmtpServer({ greylist: true });
  using client = await RawClient.greet(server);
  await client.ask("MAIL FROM:<a@client.test>");
  expect(await client.ask("RCPT TO:<b@mx.test>")).toStartWith("451 4.7.1 ");
  expect(await client.ask("RCPT TO:<c@mx.test>")).toStartWith("451 4.7.1 ");
  expect(await client.ask("RCPT TO:<b@mx.test>")).toStartWith("250 ");
  await client.ask("RSET");
  await client.ask("MAIL FROM:<other@client.test>");
  expect(await client.ask("RCPT TO:<b@mx.test>")).toStartWith("451 4.7.1 ");
});
