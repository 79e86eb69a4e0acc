import { expect, test } from "bun:test";
import { connect } from "node:net";
import type { Connect } from "../../src/contracts/transport.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Misbehavior, type ServerStep, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

const reason = new Error("No longer wanted");

/** Aborts when the server reaches a step, to which it does not reply. */
function abortAt(controller: AbortController): Misbehavior {
  return (peer) => {
    peer.deafen();
    controller.abort(reason);
  };
}

for (const step of [
  "greeting",
  "ehlo",
  "auth",
  "mail",
  "rcpt",
  "data",
] as const satisfies readonly ServerStep[]) {
  for (const extensions of [[], ["PIPELINING"]]) {
    test(`aborting at ${step} rejects with the reason and closes the socket (${extensions.join()})`, async () => {
      const controller = new AbortController();
      const script = { [step]: abortAt(controller) };
      await using server = await startSmtpServer({ extensions, script, users: { user: "a password" } });
      await using transport = makeTransport();
      const target = serverAt(server.port, { username: "user", password: new Secret("a password") });
      const sending = sendTo(transport, target, { signal: controller.signal });
      expect(await sending.catch((error: unknown) => error)).toBe(reason);
      await server.closed();
      expect(server.messages).toEqual([]);
    });
  }
}

test("an abort after the start of the body resolves with the receipt", async () => {
  const controller = new AbortController();
  const how: Misbehavior = (_peer, answer) => {
    controller.abort(reason);
    setImmediate(answer);
  };
  await using server = await startSmtpServer({ script: { body: how } });
  await using transport = makeTransport();
  const receipt = await sendTo(transport, serverAt(server.port), { signal: controller.signal });
  expect(receipt.successful).toBe(true);
});

test("an abort after the body, without any reply, is unknown after the timeout", async () => {
  const controller = new AbortController();
  await using server = await startSmtpServer({ script: { body: abortAt(controller) } });
  await using transport = makeTransport();
  const { result, elapsedMs } = await timed(() =>
    sendTo(transport, serverAt(server.port, { timeoutMs: 150 }), { signal: controller.signal }),
  );
  const failure = { phase: "data", code: "timeout", outcome: "unknown", retryable: false, reply: null };
  expect(result).toMatchObject({ successful: false, failure });
  expect(elapsedMs).toBeGreaterThan(145);
});

test("an abort while the socket opens rejects, and a late socket is destroyed", async () => {
  await using server = await startSmtpServer();
  const late = Promise.withResolvers<Awaited<ReturnType<Connect>>>();
  const asked = Promise.withResolvers<void>();
  await using transport = makeTransport({
    connect: () => {
      asked.resolve();
      return late.promise;
    },
  });
  const controller = new AbortController();
  const sending = sendTo(transport, serverAt(server.port), { signal: controller.signal }).catch(String);
  await asked.promise;
  controller.abort(reason);
  expect(await sending).toBe("Error: No longer wanted");
  const socket = connect(server.port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.once("connect", () => late.resolve(socket));
  await closed;
  expect(socket.destroyed).toBe(true);
});

test("an aborted signal rejects before a socket is opened", async () => {
  await using transport = makeTransport({ connect: () => new Promise(() => undefined) });
  const controller = new AbortController();
  const sending = sendTo(transport, serverAt(1), { signal: controller.signal }).catch(String);
  controller.abort(reason);
  expect(await sending).toBe("Error: No longer wanted");
});

test("a connect that ignores its signal is bounded as well", async () => {
  await using transport = makeTransport({ connect: () => new Promise(() => undefined) });
  const receipt = await sendTo(transport, serverAt(1, { timeoutMs: 50 }));
  expect(receipt).toMatchObject({ failure: { phase: "connect", code: "timeout", outcome: "not-sent" } });
});

test("a delivery that must not transact is canceled before MAIL, and its connection stays open", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  const canceled = await sendTo(transport, serverAt(server.port), { mayTransact: () => false });
  expect(canceled).toMatchObject({ failure: { phase: "sender", code: "cancelled", outcome: "not-sent" } });
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
  expect(server.connections).toHaveLength(1);
  expect(server.messages).toHaveLength(1);
});
