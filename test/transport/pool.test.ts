import { expect, test } from "bun:test";
import { createServer } from "node:net";
import * as mis from "../../src/testing/smtp/index.ts";
import { type SmtpTestServer, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

/** A step that waits until the test continues it. */
function gate(): { readonly how: mis.Misbehavior; readonly reached: Promise<void>; open(): void } {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  return {
    how: (_peer, answer) => {
      reached.resolve();
      void opened.promise.then(answer);
    },
    reached: reached.promise,
    open: opened.resolve,
  };
}

test("at most five connections are open for a key, and waiting messages go in order of arrival", async () => {
  const { how, open, reached } = gate();
  await using server = await startSmtpServer({ script: { body: how } });
  await using transport = makeTransport();
  const order: number[] = [];
  const sendings = Array.from({ length: 12 }, async (_, at) => {
    const receipt = await sendTo(transport, serverAt(server.port), { recipient: `u${at}@example.net` });
    order.push(at);
    return receipt.successful;
  });
  await reached;
  open();
  expect(await Promise.all(sendings)).toEqual(sendings.map(() => true));
  expect(server.connections).toHaveLength(5);
  const arrived = server.messages
    .slice(5)
    .map(({ recipients }) => Number(/\d+/.exec(recipients[0] ?? "")?.[0]));
  expect(arrived).toEqual([5, 6, 7, 8, 9, 10, 11]);
});

test("keys do not share connections", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  for (const poolKey of ["a", "b", "a", "b"]) await sendTo(transport, serverAt(server.port), { poolKey });
  expect(server.connections).toHaveLength(2);
});

test("a null key keeps no connection, and ends it with QUIT", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  for (let mail = 0; mail < 2; mail++) await sendTo(transport, serverAt(server.port), { poolKey: null });
  await server.closed();
  expect(server.connections.map(({ commands }) => commands.at(-1))).toEqual(["QUIT", "QUIT"]);
});

test("a connection is closed after its last message", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport({ pool: { messagesPerConnection: 2 } });
  for (let mail = 0; mail < 5; mail++) await sendTo(transport, serverAt(server.port));
  expect(server.connections).toHaveLength(3);
});

test("an idle connection is closed with QUIT after its time, and idle time 0 keeps none", async () => {
  for (const idleMs of [20, 0]) {
    await using server = await startSmtpServer();
    await using transport = makeTransport({ pool: { idleMs } });
    await sendTo(transport, serverAt(server.port));
    await server.closed();
    expect(server.connections[0]?.commands.at(-1)).toBe("QUIT");
  }
});

for (const step of ["mail", "rcpt", "data", "body"] as const) {
  test(`a connection is not used again after a rejection at ${step}`, async () => {
    await using server = await startSmtpServer({ script: { [step]: mis.reply("451 Later") } });
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    server.script(step, undefined);
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
    expect(server.connections).toHaveLength(2);
  });
}

for (const [what, how] of [
  ["closed it", (server: SmtpTestServer) => server.connections[0]?.destroy()],
  ["sent 421", (server: SmtpTestServer) => server.connections[0]?.write("421 4.4.2 Idle too long\r\n")],
  ["sent any reply", (server: SmtpTestServer) => server.connections[0]?.write("250 Hello?\r\n")],
] as const) {
  test(`an idle connection is not used if the server ${what}`, async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    how(server);
    await server.closed();
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
    expect(server.connections).toHaveLength(2);
    expect(server.connections[0]?.commands.filter((line) => line.startsWith("MAIL"))).toHaveLength(1);
  });
}

for (const [what, how] of [
  ["closes", mis.close()],
  ["replies 421", mis.replyAndClose("421 4.4.2 Idle too long")],
] as const) {
  test(`a server that ${what} at the MAIL of an idle connection gets the message on a new one`, async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    const once: mis.Misbehavior = (peer, answer) => {
      server.script("mail", undefined);
      how(peer, answer);
    };
    server.script("mail", once);
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
    expect(server.messages).toHaveLength(2);
    expect(server.connections).toHaveLength(2);
  });

  test(`a server that ${what} at every MAIL gets at most two attempts`, async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    server.script("mail", how);
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({ failure: { phase: "sender" } });
    expect(server.connections).toHaveLength(2);
  });
}

for (const step of ["rcpt", "data"] as const) {
  test(`a message is sent again, once, after an idle connection closes at ${step}`, async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    server.script(step, mis.times(1, mis.close()));
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
    server.script(step, mis.close());
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({
      failure: { code: "closed", outcome: "not-sent" },
    });
    expect(server.connections).toHaveLength(3);
    expect(server.messages).toHaveLength(2);
  });
}

test("a message is not sent again after an idle connection closes at its end", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  await sendTo(transport, serverAt(server.port));
  server.script("body", mis.close());
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(false);
  expect(server.connections).toHaveLength(1);
});

test("a long message is sent again after an idle connection closes in its middle", async () => {
  const bytes = new TextEncoder().encode("A line of a long message\r\n".repeat(40_000));
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  await sendTo(transport, serverAt(server.port));
  // The 354, and then nothing that the client writes is read.
  server.script("data", mis.times(1, mis.then(mis.close())));
  expect((await sendTo(transport, serverAt(server.port), { bytes })).successful).toBe(true);
  expect(server.messages.at(-1)?.bytes).toEqual(bytes);
  expect(server.connections).toHaveLength(2);
});

test("the wait for a connection is bounded by four times the step, and can be aborted", async () => {
  await using server = await startSmtpServer({ script: { body: mis.stall() } });
  await using transport = makeTransport({ pool: { connections: 1 } });
  const first = sendTo(transport, serverAt(server.port), { finalReplyTimeoutMs: 3000 });
  const controller = new AbortController();
  const reason = new Error("No longer");
  const aborted = sendTo(transport, serverAt(server.port), { signal: controller.signal }).catch(String);
  const { result, elapsedMs } = await timed(() => {
    const waiting = sendTo(transport, serverAt(server.port, { timeoutMs: 50 }));
    controller.abort(reason);
    return waiting;
  });
  expect(result).toMatchObject({ failure: { code: "timeout", outcome: "not-sent", retryable: true } });
  expect(elapsedMs).toBeGreaterThan(195);
  expect(elapsedMs).toBeLessThan(1000);
  expect(await aborted).toBe("Error: No longer");
  await server[Symbol.asyncDispose]();
  expect(await first).toMatchObject({ failure: { outcome: "unknown" } });
});

test("the wait for the final reply has a bound of its own, beyond that of the delivery", async () => {
  const { how, open, reached } = gate();
  await using server = await startSmtpServer({ script: { body: how } });
  await using transport = makeTransport();
  const { result, elapsedMs } = await timed(async () => {
    const slow = serverAt(server.port, { timeoutMs: 50 });
    const sending = sendTo(transport, slow, { finalReplyTimeoutMs: 5000 });
    await reached;
    setTimeout(open, 300);
    return sending;
  });
  expect(result.successful).toBe(true);
  expect(elapsedMs).toBeGreaterThan(250);
});

test("dispose closes idle connections with QUIT immediately, busy ones after their message", async () => {
  await using server = await startSmtpServer();
  const transport = makeTransport();
  await sendTo(transport, serverAt(server.port), { poolKey: "idle" });
  const { how, open, reached } = gate();
  server.script("body", how);
  const busy = sendTo(transport, serverAt(server.port), { poolKey: "busy" });
  await reached;
  const disposed = transport[Symbol.asyncDispose]();
  open();
  expect((await busy).successful).toBe(true);
  await disposed;
  await server.closed();
  expect(server.connections.map(({ commands }) => commands.at(-1))).toEqual(["QUIT", "QUIT"]);
});

for (const [what, sendBefore] of [
  ["an idle", async (send: () => Promise<unknown>) => void (await send())],
  ["a new", async () => undefined],
] as const) {
  test(`dispose waits for a message that is just taking ${what} connection`, async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    await sendBefore(() => sendTo(transport, serverAt(server.port)));
    let isSettled = false;
    const sending = sendTo(transport, serverAt(server.port)).finally(() => {
      isSettled = true;
    });
    await transport[Symbol.asyncDispose]();
    expect(isSettled).toBe(true);
    expect((await sending).successful).toBe(true);
    await server.closed();
    expect(server.connections.map(({ commands }) => commands.at(-1))).toEqual(["QUIT"]);
  });
}

test("dispose waits at most a second for the reply to QUIT", async () => {
  await using server = await startSmtpServer({ script: { quit: mis.stall() } });
  const transport = makeTransport();
  await sendTo(transport, serverAt(server.port));
  const { elapsedMs } = await timed(() => transport[Symbol.asyncDispose]());
  expect(elapsedMs).toBeLessThan(1500);
  await server.closed();
});

test("an idle connection does not keep the process alive", async () => {
  await using server = await startSmtpServer();
  const script = `
    import { makeTransport, sendTo, serverAt } from ${JSON.stringify(`${import.meta.dir}/support.ts`)};
    const { successful } = await sendTo(makeTransport(), serverAt(${server.port}));
    console.log(successful);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const { result, elapsedMs } = await timed(() => child.exited);
  expect(result).toBe(0);
  expect(await new Response(child.stdout).text()).toBe("true\n");
  // The idle time is 30 s.
  expect(elapsedMs).toBeLessThan(4000);
});

test("a closed port fails as refused, even while others wait", async () => {
  const placeholder = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => placeholder.once("listening", resolve));
  const address = placeholder.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await new Promise((resolve) => placeholder.close(resolve));
  await using transport = makeTransport({
    connect: createConnect({ egress: "private", ports: [] }),
    pool: { connections: 1 },
  });
  const receipts = await Promise.all([1, 2, 3].map(() => sendTo(transport, serverAt(port))));
  for (const receipt of receipts) {
    expect(receipt).toMatchObject({ failure: { phase: "connect", code: "refused", retryable: true } });
  }
});
