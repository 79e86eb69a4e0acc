import { expect, test } from "bun:test";
import net from "node:net";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { SmtpConnection } from "../../src/transport/smtp/connection.ts";
import { DeliveryTimer } from "../../src/transport/smtp/delivery-timer.ts";
import { BYTES, never, serverAt } from "./support.ts";

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
