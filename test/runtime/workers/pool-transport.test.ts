import { expect, test } from "bun:test";
import { reply, stall, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { testAccessTokens } from "../../contract/access-token.ts";
import { testHostileServers } from "../../contract/hostile.ts";
import { testTransport } from "../../contract/transport.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { sendTo, serverAt } from "../../transport/support.ts";
import { WORKERD_DEVIATIONS } from "./fixtures/deviations.ts";
import { serveTransports } from "./fixtures/remote-transport.ts";

const NAME = "smtp through an object";
const material = openssl === null ? null : makeTlsMaterial();
const workers = await serveTransports(material === null ? [] : [material.ca]);
const makeTransport = () => workers.open("pool");

testTransport(NAME, async () => {
  const server = await startSmtpServer();
  const transport = await makeTransport();
  return {
    transport,
    server: serverAt(server.port),
    arrived: () => server.messages.map((mail) => ({ ...mail, recipient: mail.recipients.join() })),
    rejectRecipients: () => server.script("rcpt", reply("550 5.1.1 No such user")),
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

testAccessTokens(NAME, { makeTransport, material });

testHostileServers(NAME, {
  ...{ makeTransport, material, timeoutMs: 3_000, deviations: WORKERD_DEVIATIONS },
  modes: ["bdat"],
  isWarm: true,
});

test("aborting while the server is silent rejects with the reason and closes the socket", async () => {
  const controller = new AbortController();
  const reason = new Error("No longer wanted");
  await using server = await startSmtpServer({
    script: {
      ehlo: (peer, accept) => {
        stall()(peer, accept);
        controller.abort(reason);
      },
    },
  });
  await using transport = await makeTransport();
  const sending = sendTo(transport, serverAt(server.port), { signal: controller.signal });
  expect(await sending.catch((error: unknown) => error)).toBe(reason);
  await server.closed();
});

test("when the caller's time is over, only a message whose end was written is unknown", async () => {
  await using busy = await startSmtpServer({ script: { body: stall() } });
  await using silent = await startSmtpServer({ script: { ehlo: stall() } });
  await using transport = await workers.open("pool-briefly");
  const change = { timeoutMs: 60_000, maxConnections: 1 };
  const sendings = [busy, busy, silent].map(({ port }) =>
    sendTo(transport, serverAt(port, change), { poolKey: `${port}` }),
  );
  expect(
    (await Promise.all(sendings)).map((receipt) => !receipt.successful && receipt.failure),
  ).toMatchObject([
    { phase: "data", code: "timeout", outcome: "unknown" },
    { phase: "connect", code: "timeout", outcome: "not-sent", retryable: true, wasWaiting: true },
    { phase: "ehlo", code: "timeout", outcome: "not-sent", retryable: true },
  ]);
  expect(busy.connections).toHaveLength(1);
});
