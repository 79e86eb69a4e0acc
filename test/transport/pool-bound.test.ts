import { describe, expect, test } from "bun:test";
import type { Transport } from "../../src/contracts/transport.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { makeTransport, never, sendTo, serverAt } from "./support.ts";

const POOL = { maxConnectionsInAll: 5 };
const letters = (text: string): string[] => text.split("");

/** Records how many sockets are open whenever one more is. */
function countSockets(server: SmtpTestServer): { readonly max: number } {
  const counts = { max: 0 };
  server.script("connect", (_peer, accept) => {
    counts.max = Math.max(counts.max, server.openSockets);
    accept();
  });
  return counts;
}

/** A step that waits until the test continues it. */
function gate(): { readonly how: mis.Misbehavior; open(): void } {
  const opened = Promise.withResolvers<void>();
  return { how: (_peer, accept) => void opened.promise.then(accept), open: opened.resolve };
}

const commandsOf = (server: SmtpTestServer, index: number): string | undefined =>
  server.connections[index]?.commands.at(-1);

test("one message through each of ten definitions leaves five connections, those used last", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  await using transport = makeTransport({ pool: POOL });
  for (const poolKey of letters("abcdefghij")) await sendTo(transport, serverAt(server.port), { poolKey });
  expect([server.messages.length, server.openSockets, sockets.max]).toEqual([10, 5, 5]);
  expect([...(transport.openConnections?.().keys() ?? [])]).toEqual(letters("fghij"));
  for (const poolKey of letters("fghij")) await sendTo(transport, serverAt(server.port), { poolKey });
  expect(server.connections).toHaveLength(10);
});

test("the connection that is idle longest is closed with QUIT for the next key", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport({ pool: POOL });
  for (const poolKey of letters("abcdeaf")) await sendTo(transport, serverAt(server.port), { poolKey });
  expect([0, 1].map((index) => commandsOf(server, index))).toEqual([
    expect.not.stringMatching("QUIT"),
    "QUIT",
  ]);
  expect(server.connections).toHaveLength(6);
});

test("twenty messages at a time through three definitions arrive once each on five connections", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  await using transport = makeTransport({ pool: POOL });
  const recipients = Array.from({ length: 20 }, (_, index) => `user${index}@example.net`);
  const sendings = recipients.map((recipient, index) =>
    sendTo(transport, serverAt(server.port), { recipient, poolKey: letters("abc")[index % 3] ?? "" }),
  );
  const receipts = await Promise.all(sendings);
  expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
  expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(recipients.toSorted());
  expect(sockets.max).toBe(5);
});

test("a definition without a connection gets one of a definition that has several and still has messages", async () => {
  const { how, open } = gate();
  const fromThird = (): mis.Misbehavior => {
    let count = 0;
    return (peer, accept) => (++count > 2 ? how(peer, accept) : accept());
  };
  const other: mis.Misbehavior = (_peer, accept) => {
    accept();
    open();
  };
  await using server = await startSmtpServer({
    script: (index) => ({ body: index < 5 ? fromThird() : other }),
  });
  await using transport = makeTransport({ pool: POOL });
  // The third body of each of the first five connections waits for the sixth connection.
  const sendings = [...letters("a".repeat(20)), "b"].map((poolKey) =>
    sendTo(transport, serverAt(server.port), { poolKey }),
  );
  const receipts = await Promise.all(sendings);
  expect(receipts.every(({ successful }) => successful)).toBe(true);
  expect(server.messages).toHaveLength(21);
});

test("more definitions than connections send in order of arrival", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport({ pool: { maxConnectionsInAll: 1 } });
  const order: string[] = [];
  await Promise.all(
    letters("abcabc").map(async (poolKey) => {
      await sendTo(transport, serverAt(server.port), { poolKey });
      order.push(poolKey);
    }),
  );
  expect(order).toEqual(letters("abcabc"));
});

test("checks, and messages of unsaved definitions, wait for one of the connections as well", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  await using transport = makeTransport({ pool: POOL });
  const target = serverAt(server.port);
  for (const poolKey of letters("abcde")) await sendTo(transport, target, { poolKey });
  const delivery = { server: target, poolKey: null, from: "a@example.org", recipient: "b@example.net" };
  const { signal } = new AbortController();
  const receipts = await Promise.all([
    ...Array.from({ length: 4 }, () => sendTo(transport, target, { poolKey: null })),
    ...Array.from({ length: 4 }, () =>
      transport.send({ ...delivery, bytes: new Uint8Array() }, { signal, until: "recipient" }),
    ),
  ]);
  expect(receipts.every(({ successful }) => successful)).toBe(true);
  expect([server.messages.length, sockets.max]).toEqual([9, 5]);
});

test("the wait for another definition's connection is bounded, and can be aborted", async () => {
  await using server = await startSmtpServer({ script: { body: mis.stall() } });
  const transport = makeTransport({ pool: { maxConnectionsInAll: 1 } });
  const busy = sendTo(transport, serverAt(server.port), { poolKey: "busy", finalReplyTimeoutMs: 30_000 });
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = sendTo(transport, serverAt(server.port), { poolKey: "aborted", signal }).catch(String);
  controller.abort(new Error("No longer"));
  const late = await sendTo(transport, serverAt(server.port, { timeoutMs: 50 }), { poolKey: "late" });
  expect(late).toMatchObject({
    failure: { phase: "connect", code: "timeout", outcome: "not-sent", retryable: true, wasWaiting: true },
  });
  expect(await aborted).toBe("Error: No longer");
  expect([...(transport.openConnections?.().keys() ?? [])]).toEqual(["busy"]);
  await server[Symbol.asyncDispose]();
  expect(await busy).toMatchObject({ failure: { outcome: "unknown" } });
  await transport[Symbol.asyncDispose]();
});

test("a check that waits has not started until another definition's connection is closed", async () => {
  const { how, open } = gate();
  await using server = await startSmtpServer({ script: { body: how } });
  await using transport = makeTransport({ pool: { maxConnectionsInAll: 1 } });
  const order: string[] = [];
  const busy = sendTo(transport, serverAt(server.port), { poolKey: "busy" }).then(() => order.push("sent"));
  const delivery = { server: serverAt(server.port), poolKey: null, from: "", recipient: "postmaster" };
  const check = transport.send(
    { ...delivery, bytes: new Uint8Array() },
    { signal: new AbortController().signal, until: "auth", onStarted: () => order.push("started") },
  );
  open();
  await busy;
  expect((await check).successful).toBe(true);
  expect(order).toEqual(["sent", "started"]);
});

test("an idle connection that the server has closed makes room", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  await using transport = makeTransport({ pool: { maxConnectionsInAll: 2 } });
  for (const poolKey of letters("ab")) await sendTo(transport, serverAt(server.port), { poolKey });
  server.connections[0]?.destroy();
  const receipts = await Promise.all(
    letters("abc").map((poolKey) => sendTo(transport, serverAt(server.port), { poolKey })),
  );
  expect(receipts.every(({ successful }) => successful)).toBe(true);
  expect([server.messages.length, sockets.max]).toEqual([5, 2]);
});

test("a server that takes one connection fewer gets all messages", async () => {
  await using server = await startSmtpServer({ limits: { maxConnections: 3 } });
  await using transport = makeTransport({ pool: POOL });
  const sendings = letters("aaaaaaaaaaaa").map((poolKey) =>
    sendTo(transport, serverAt(server.port), { poolKey }),
  );
  const receipts = await Promise.all(sendings);
  expect(receipts.every(({ successful }) => successful)).toBe(true);
  expect(server.messages).toHaveLength(12);
});

test("dispose rejects what waits for another definition's connection", async () => {
  const { how, open } = gate();
  await using server = await startSmtpServer({ script: { body: how } });
  const transport = makeTransport({ pool: { maxConnectionsInAll: 1 } });
  const busy = sendTo(transport, serverAt(server.port), { poolKey: "busy" });
  const waiting = sendTo(transport, serverAt(server.port), { poolKey: "waiting" }).catch(String);
  const disposed = transport[Symbol.asyncDispose]();
  expect(await waiting).toBe("Error: The transport is closed");
  open();
  expect((await busy).successful).toBe(true);
  await disposed;
  await server.closed();
});

describe("tests and checks", () => {
  const BOUNDS = { ...POOL, connections: 4, maxConnections: 4 };
  const ENVELOPE = { from: "a@example.org", recipient: "b@example.net", bytes: new Uint8Array() };
  const check = (transport: Transport, port: number, poolKey: string | null) =>
    transport.send({ ...ENVELOPE, server: serverAt(port), poolKey }, { signal: never, until: "recipient" });

  test("of unsaved definitions leave a connection to the messages of a definition", async () => {
    const { how, open } = gate();
    await using silent = await startSmtpServer({ script: { connect: how } });
    await using server = await startSmtpServer();
    await using transport = makeTransport({ pool: BOUNDS });
    const tests = Array.from({ length: 6 }, () =>
      sendTo(transport, serverAt(silent.port), { poolKey: null }),
    );
    const checks = Array.from({ length: 2 }, () => check(transport, silent.port, null));
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({ successful: true });
    expect(silent.openSockets).toBe(4);
    open();
    const receipts = await Promise.all([...tests, ...checks]);
    expect(receipts.every(({ successful }) => successful)).toBe(true);
    expect(silent.messages).toHaveLength(6);
  });

  test("of a definition count among its connections", async () => {
    const { how, open } = gate();
    await using silent = await startSmtpServer({ script: { connect: how } });
    await using server = await startSmtpServer();
    await using transport = makeTransport({ pool: BOUNDS });
    const checks = Array.from({ length: 3 }, () => check(transport, silent.port, "silent"));
    const messages = Array.from({ length: 3 }, () =>
      sendTo(transport, serverAt(silent.port), { poolKey: "silent" }),
    );
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({ successful: true });
    expect(silent.openSockets).toBe(4);
    open();
    const receipts = await Promise.all([...checks, ...messages]);
    expect(receipts.every(({ successful }) => successful)).toBe(true);
    expect(silent.messages).toHaveLength(3);
  });

  test("of unsaved definitions close no more idle connections than they use", async () => {
    const { how, open } = gate();
    await using silent = await startSmtpServer({ script: { connect: how } });
    await using server = await startSmtpServer();
    await using transport = makeTransport({ pool: BOUNDS });
    for (const poolKey of letters("abcde")) await sendTo(transport, serverAt(server.port), { poolKey });
    const tests = Array.from({ length: 8 }, () =>
      sendTo(transport, serverAt(silent.port), { poolKey: null }),
    );
    await sendTo(transport, serverAt(server.port), { poolKey: "e" });
    expect([server.connections.length, silent.openSockets]).toEqual([5, 4]);
    open();
    await Promise.all(tests);
    expect([...(transport.openConnections?.().keys() ?? [])]).toEqual(["e"]);
  });

  test("open connections of their own, and leave that of their definition if there is room", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport({ pool: { ...BOUNDS, maxConnectionsInAll: 2 } });
    const target = serverAt(server.port);
    await sendTo(transport, target);
    expect(await check(transport, server.port, "key")).toMatchObject({ successful: true });
    await sendTo(transport, target);
    expect(server.connections.map(({ commands }) => commands.includes("QUIT"))).toEqual([false, true]);
  });

  test.each([{ maxConnectionsInAll: 1 }, { maxConnections: 1 }])(
    "take the place of an idle connection of their definition with the bound %p",
    async (bound) => {
      await using server = await startSmtpServer();
      const sockets = countSockets(server);
      await using transport = makeTransport({ pool: { ...BOUNDS, ...bound } });
      await sendTo(transport, serverAt(server.port));
      expect(await check(transport, server.port, "key")).toMatchObject({ successful: true });
      expect([server.connections.length, sockets.max]).toEqual([2, 1]);
    },
  );
});
