import { expect, test } from "bun:test";
import net from "node:net";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { SmtpConnection } from "../../src/transport/smtp/connection.ts";
import { DeliveryTimer } from "../../src/transport/smtp/delivery-timer.ts";
import { BYTES, makeTransport, never, sendTo, serverAt } from "./support.ts";

const AMPLE = { stepTimeoutMs: 2_000, totalTimeoutMs: 8_000, finalReplyTimeoutMs: 2_000 };
const OPTIONS = { pipelining: "off", mayUseBdat: false, survivesRejection: true } as const;
const to = (recipient: string) => ({
  from: "a@example.org",
  recipient,
  bytes: BYTES,
  eightBit: false,
  utf8Headers: false,
});

function connectTo(port: number): SmtpConnection {
  return new SmtpConnection(net.connect(port, "127.0.0.1"), {
    server: serverAt(port),
    accessToken: null,
    ehloName: "client.test",
    tlsOptions: {},
    readTls: () => {
      throw new Error("There is no TLS");
    },
    hidesTlsErrors: false,
    nowMs: () => performance.now(),
  });
}

/** Returns a timer whose bound has passed. */
async function stoppedTimer(signal = never): Promise<DeliveryTimer> {
  const timer = new DeliveryTimer({ ...AMPLE, totalTimeoutMs: 0 }, signal);
  await new Promise((resolve) => timer.onStop(resolve));
  return timer;
}

test("a message whose time is over when its connection is free does not get the result of the one before", async () => {
  await using server = await startSmtpServer();
  const connection = connectTo(server.port);
  using timer = new DeliveryTimer(AMPLE, never);
  expect(await connection.open(timer, { greetingMs: null })).toMatchObject({ successful: true });
  using first = new DeliveryTimer(AMPLE, never);
  expect(await connection.transact(to("first@example.net"), OPTIONS, first)).toMatchObject({
    successful: true,
  });
  using second = await stoppedTimer();
  expect(await connection.transact(to("second@example.net"), OPTIONS, second)).toMatchObject({
    successful: false,
    failure: { phase: "sender", code: "timeout", outcome: "not-sent" },
  });
  expect(server.messages.flatMap(({ recipients }) => recipients)).toEqual(["first@example.net"]);
});

test("a new connection whose time is over has a result", async () => {
  await using server = await startSmtpServer();
  using timer = await stoppedTimer();
  expect(await connectTo(server.port).open(timer, { greetingMs: null })).toMatchObject({
    successful: false,
    failure: { phase: "greeting", code: "timeout", outcome: "not-sent" },
  });
});

/** Starts a server that resets its connection after so many octets of a message. */
async function startResettingServer(octets: number): Promise<{ readonly port: number } & AsyncDisposable> {
  const server = net.createServer((socket) => {
    let received = -1;
    socket.on("error", () => undefined);
    socket.write("220 ready\r\n");
    socket.on("data", (chunk) => {
      if (received >= 0) received += chunk.length;
      else if (chunk.includes("EHLO")) socket.write("250-here\r\n250 PIPELINING\r\n");
      else {
        received = 0;
        socket.write("250 ok\r\n250 ok\r\n354 go\r\n");
      }
      if (received > octets && !socket.destroyed) socket.resetAndDestroy();
    });
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port");
  return { port: address.port, [Symbol.asyncDispose]: async () => void server.close() };
}

test("a message whose connection is reset before its end was written is not sent", async () => {
  await using server = await startResettingServer(2_000_000);
  await using transport = makeTransport();
  const line = `${"x".repeat(70)}\r\n`;
  const bytes = new TextEncoder().encode(`Subject: Large\r\n\r\n${line.repeat(100_000)}`);
  expect(await sendTo(transport, serverAt(server.port), { bytes })).toMatchObject({
    successful: false,
    failure: { phase: "data", outcome: "not-sent" },
  });
});

/** Sends as many messages through one connection as make a server that takes no more of them plausible. */
async function sendMany(transport: ReturnType<typeof makeTransport>, port: number): Promise<void> {
  for (let count = 0; count < 101; count++) await sendTo(transport, serverAt(port));
}

test("a message that is withdrawn leaves a connection with many messages open", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  await sendMany(transport, server.port);
  expect(await sendTo(transport, serverAt(server.port), { mayTransact: () => false })).toMatchObject({
    failure: { code: "cancelled" },
  });
  expect(server.connections).toHaveLength(1);
  expect(server.openSockets).toBe(1);
});

test("a caller that aborts while a connection is being closed takes no place of a bounded pool", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport({ pool: { maxConnectionsInAll: 2 } });
  await sendMany(transport, server.port);
  const abort = new AbortController();
  server.script("mail", mis.reply("450 4.3.0 Too many"));
  // The server does not reply to QUIT.
  server.script("quit", () => abort.abort(new Error("The caller has left")));
  await expect(sendTo(transport, serverAt(server.port), { signal: abort.signal })).rejects.toThrow(
    "The caller has left",
  );
  let isWaiting = 0;
  const both = Promise.withResolvers<void>();
  server.script("mail", async (_peer, accept) => {
    isWaiting++;
    if (isWaiting === 2) both.resolve();
    await both.promise;
    accept();
  });
  const receipts = await Promise.all(
    ["one", "other"].map((poolKey) => sendTo(transport, serverAt(server.port), { poolKey })),
  );
  expect(receipts.map(({ successful }) => successful)).toEqual([true, true]);
});
