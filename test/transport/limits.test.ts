import { describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import type { Clock } from "../../src/transport/smtp/pool-limits.ts";
import { createTestClock } from "../fixtures/clock.ts";
import { BYTES, makeTransport, never, sendTo, serverAt, timed } from "./support.ts";

const TIMEOUT_MS = 3_000;
/** Starts a server that is slow with each message, so that several are in flight at the same time. */
const SLOW: mis.Misbehavior = (_peer, answer) => void setTimeout(answer, 60);
const USERS = { user: "a password" };
const LOGIN = { username: "user", password: new Secret("a password") };

for (const connectionsAt of ["greeting", "auth"] as const) {
  for (const maxConnections of [1, 2, 4]) {
    test(`six messages arrive once each with ${maxConnections} connections allowed, rejected at ${connectionsAt}`, async () => {
      await using server = await startSmtpServer({
        users: USERS,
        limits: { maxConnections, connectionsAt },
        script: { body: SLOW },
      });
      await using transport = makeTransport();
      const target = serverAt(server.port, { ...LOGIN, timeoutMs: TIMEOUT_MS });
      const recipients = Array.from({ length: 6 }, (_, index) => `user${index}@example.net`);
      const { result: receipts, elapsedMs } = await timed(() =>
        Promise.all(recipients.map((recipient) => sendTo(transport, target, { recipient }))),
      );
      expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
      expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(recipients);
      expect(elapsedMs).toBeLessThan(4 * TIMEOUT_MS);
    });
  }
}

for (const allowed of [1, 2]) {
  for (const maxConnections of [1, 2, 5]) {
    test(`messages wait for a connection that is being closed, with ${allowed} of ${maxConnections} connections allowed`, async () => {
      const rcpt = mis.when(/<no/, mis.reply("550 5.1.1 No such user"));
      await using server = await startSmtpServer({
        limits: { maxConnections: allowed },
        script: { rcpt, quit: mis.delay(30) },
      });
      await using transport = makeTransport();
      const target = serverAt(server.port, { timeoutMs: TIMEOUT_MS, maxConnections });
      const names = ["a", "no1", "b", "no2", "c", "d"];
      const receipts = await Promise.all(
        names.map((name) => sendTo(transport, target, { recipient: `${name}@example.net` })),
      );
      expect(receipts.map((one) => (one.successful ? "sent" : one.failure.code))).toEqual(
        names.map((name) => (name.startsWith("no") ? "recipient_rejected" : "sent")),
      );
      expect(server.messages).toHaveLength(4);
    });
  }
}

for (const [what, script] of [
  ["at MAIL with 421", { mail: mis.replyAndClose("421 4.3.2 Too many connections") }],
  ["at MAIL with 432", { mail: mis.reply("432 4.3.2 Concurrent connections limit exceeded") }],
  ["at RCPT with 432", { rcpt: mis.reply("432 4.3.2 Concurrent connections limit exceeded") }],
  ["at DATA with 432", { data: mis.reply("432 4.3.2 Concurrent connections limit exceeded") }],
  ["after DATA with 432", { body: mis.reply("432 4.3.2 Concurrent connections limit exceeded") }],
  ["at AUTH with 454", { auth: mis.reply("454 4.7.0 Too many connections") }],
  ["at AUTH with 454 4.3.2", { auth: mis.reply("454 4.3.2 Come back later") }],
  ["at AUTH with 454 and words", { auth: mis.reply("454 4.7.0 Concurrent connections limit exceeded") }],
  ["at the greeting with 450", { greeting: mis.replyAndClose("450 4.3.2 Too many connections") }],
  ["at the greeting with 554", { greeting: mis.replyAndClose("554 5.7.0 Too many connections") }],
  ["behind the greeting", { greeting: mis.then(mis.replyAndClose("421 4.3.2 Too many connections")) }],
] as const) {
  test(`messages wait for the one connection that works if others are rejected ${what}`, async () => {
    await using server = await startSmtpServer({
      users: USERS,
      script: (index) => (index === 0 ? { body: SLOW } : script),
    });
    await using transport = makeTransport();
    const target = serverAt(server.port, { ...LOGIN, timeoutMs: TIMEOUT_MS });
    const recipients = Array.from({ length: 10 }, (_, index) => `user${index}@example.net`);
    const receipts = await Promise.all(
      recipients.map((recipient) => sendTo(transport, target, { recipient })),
    );
    expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
    expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(recipients);
    expect(server.connections).toHaveLength(5);
  });
}

for (const step of ["rcpt", "body"] as const) {
  for (const allowed of [1, 2, 4]) {
    test(`six messages arrive once each if ${allowed} at a time are allowed, and 432 rejects others at ${step}`, async () => {
      let running = 0;
      const limit: mis.Misbehavior = (peer, proceed) => {
        if (running >= allowed) peer.write("432 4.3.2 Concurrent connections limit exceeded\r\n");
        else {
          running++;
          if (step === "rcpt") proceed();
          else finish(peer, proceed);
        }
      };
      const finish: mis.Misbehavior = (_peer, proceed) =>
        void setTimeout(() => {
          running--;
          proceed();
        }, 60);
      await using server = await startSmtpServer({ script: { body: finish, [step]: limit } });
      await using transport = makeTransport();
      for (const round of ["cold", "warm"]) {
        const recipients = Array.from({ length: 6 }, (_, index) => `${round}${index}@example.net`);
        const receipts = await Promise.all(
          recipients.map((recipient) => sendTo(transport, serverAt(server.port), { recipient })),
        );
        expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
        const arrived = server.messages.slice(-6).flatMap((message) => message.recipients);
        expect(arrived.toSorted()).toEqual(recipients);
      }
    });
  }
}

test("a 432 at RCPT without another connection is the failure of its message", async () => {
  const script = { rcpt: mis.reply("432 4.3.2 Concurrent connections limit exceeded") };
  await using server = await startSmtpServer({ script });
  await using transport = makeTransport();
  expect(await sendTo(transport, serverAt(server.port))).toMatchObject({
    failure: { phase: "recipient", code: "rate_limited", outcome: "not-sent" },
  });
  expect(server.connections).toHaveLength(1);
  const receipts = await Promise.all([1, 2, 3, 4, 5, 6].map(() => sendTo(transport, serverAt(server.port))));
  for (const receipt of receipts) expect(receipt).toMatchObject({ failure: { code: "rate_limited" } });
  expect(server.connections.length).toBeLessThan(1 + 2 * 6);
});

test("a sender that is rejected on each connection is the failure of its message", async () => {
  const script = { mail: mis.reply("450 4.1.8 Sender address rejected") };
  await using server = await startSmtpServer({ script });
  await using transport = makeTransport();
  const receipts = await Promise.all([1, 2, 3].map(() => sendTo(transport, serverAt(server.port))));
  for (const receipt of receipts) expect(receipt).toMatchObject({ failure: { code: "sender_rejected" } });
  expect(server.connections).toHaveLength(3);
});

test("every message to a server that takes no connection is rate_limited", async () => {
  await using server = await startSmtpServer({ script: { greeting: mis.replyAndClose("421 4.3.2 Full") } });
  await using transport = makeTransport();
  const receipts = await Promise.all(
    [1, 2, 3, 4, 5, 6, 7].map(() => sendTo(transport, serverAt(server.port))),
  );
  for (const receipt of receipts) {
    expect(receipt).toMatchObject({ failure: { phase: "greeting", code: "rate_limited", retryable: true } });
  }
});

for (const connectionsAt of ["greeting", "auth"] as const) {
  describe(`an idle connection is the only one that the server allows, rejected at ${connectionsAt}`, () => {
    async function createIdleSubject() {
      const server = await startSmtpServer({ users: USERS, limits: { maxConnections: 1, connectionsAt } });
      const transport = makeTransport();
      const target = serverAt(server.port, { ...LOGIN, timeoutMs: TIMEOUT_MS });
      expect((await sendTo(transport, target)).successful).toBe(true);
      return {
        server,
        transport,
        target,
        async [Symbol.asyncDispose]() {
          await transport[Symbol.asyncDispose]();
          await server[Symbol.asyncDispose]();
        },
      };
    }

    for (const poolKey of ["other", null]) {
      test(`it is closed for a message of the key ${poolKey}`, async () => {
        await using subject = await createIdleSubject();
        const { server, transport, target } = subject;
        expect(await sendTo(transport, target, { poolKey })).toMatchObject({ successful: true });
        expect(server.messages).toHaveLength(2);
        expect(server.connections[0]?.commands.at(-1)).toBe("QUIT");
        expect(server.connections).toHaveLength(3);
      });
    }

    test("it stays open for a check", async () => {
      await using subject = await createIdleSubject();
      const { server, transport, target } = subject;
      const delivery = { server: target, poolKey: null, from: "a@example.org", recipient: "", bytes: BYTES };
      const receipt = await transport.send(delivery, { signal: never, until: "sender" });
      expect(receipt).toMatchObject({ failure: { phase: connectionsAt, code: "rate_limited" } });
      expect([server.connections.length, server.connections[0]?.isClosed]).toEqual([2, false]);
    });

    test("the receipt of the message that it is closed for has each address once", async () => {
      await using subject = await createIdleSubject();
      const { transport, target } = subject;
      const { seen } = await sendTo(transport, target, { poolKey: "other" });
      expect(seen.addresses).toHaveLength(1);
    });
  });
}

/** Keeps a connection of the key "key" idle, and sends a message of another key, whose connections have this script. */
async function sendBesideIdle(script: mis.Script) {
  await using server = await startSmtpServer({
    users: USERS,
    script: (index) => (index === 0 ? {} : script),
  });
  await using transport = makeTransport();
  const target = serverAt(server.port, { ...LOGIN, timeoutMs: TIMEOUT_MS });
  expect((await sendTo(transport, target)).successful).toBe(true);
  const receipt = await sendTo(transport, target, { poolKey: "other" });
  return {
    receipt,
    connections: server.connections.length,
    isIdle: server.connections[0]?.isClosed === false,
  };
}

describe("an idle connection of another definition", () => {
  for (const [step, reply] of [
    ["auth", "421 4.7.0 Too many authentication failures"],
    ["auth", "421 4.3.2 Try again later"],
    ["auth", "454 4.7.0 Too many connections"],
    ["auth", "454 4.3.2 Concurrent connections limit exceeded"],
    ["ehlo", "450 4.7.1 Helo command rejected: Host not found"],
    ["greeting", "421 4.7.0 Try again later"],
    ["greeting", "421 mail.test: your IP is blocked"],
    ["greeting", "421 Too many failed logins"],
    ["greeting", `421 Not now. ${"Our policy is public. ".repeat(25)}Your IP is blocked`],
    ["greeting", "451 4.3.0 Try again later"],
  ] as const) {
    test(`stays open if the server replies ${reply.replace(/( Our policy is public\.)+/, " …")} at ${step}`, async () => {
      const { receipt, connections, isIdle } = await sendBesideIdle({ [step]: mis.replyAndClose(reply) });
      expect(receipt).toMatchObject({ successful: false, failure: { phase: step } });
      expect([connections, isIdle]).toEqual([2, true]);
    });
  }

  for (const [step, reply] of [
    ["auth", "432 4.3.2 Concurrent connections limit exceeded"],
    ["greeting", "421 mail.test Service not available"],
    ["greeting", "421 4.7.0 mail.test Error: too many connections from 192.0.2.1"],
  ] as const) {
    test(`is closed if the server replies ${reply} at ${step}`, async () => {
      const { connections, isIdle } = await sendBesideIdle({ [step]: mis.replyAndClose(reply) });
      expect([connections, isIdle]).toEqual([3, false]);
    });
  }
});

test("a message that is canceled does not wait for the reply to the QUIT of an idle connection", async () => {
  await using server = await startSmtpServer({
    limits: { maxConnections: 1 },
    script: { quit: mis.delay(500) },
  });
  await using transport = makeTransport();
  const target = serverAt(server.port, { timeoutMs: TIMEOUT_MS });
  expect((await sendTo(transport, target)).successful).toBe(true);
  const cancel = new AbortController();
  const sending = sendTo(transport, target, { poolKey: "other", signal: cancel.signal });
  while (server.connections[0]?.commands.at(-1) !== "QUIT") await Bun.sleep(1);
  cancel.abort(new Error("Canceled"));
  await expect(sending).rejects.toThrow("Canceled");
  expect(server.connections[0]?.isClosed).toBe(false);
});

test("an idle connection to another server stays open", async () => {
  await using server = await startSmtpServer({ script: { greeting: mis.replyAndClose("421 4.3.2 Full") } });
  await using other = await startSmtpServer();
  await using transport = makeTransport();
  expect((await sendTo(transport, serverAt(other.port))).successful).toBe(true);
  expect((await sendTo(transport, serverAt(server.port), { poolKey: "other" })).successful).toBe(false);
  expect(server.connections).toHaveLength(1);
  expect(other.connections[0]?.isClosed).toBe(false);
});

test("two bursts of one definition share the connections that the server allows", async () => {
  await using server = await startSmtpServer({ limits: { maxConnections: 2 }, script: { body: SLOW } });
  await using transport = makeTransport();
  const burst = () => Promise.all([1, 2, 3, 4].map(() => sendTo(transport, serverAt(server.port))));
  const receipts = (await Promise.all([burst(), burst()])).flat();
  expect(receipts.every(({ successful }) => successful)).toBe(true);
  expect(server.messages).toHaveLength(8);
});

test("connections close before the idle time that the server has shown", async () => {
  const idleMs = 6_250;
  let nowMs = 0;
  const timers: { readonly atMs: number; readonly call: () => void }[] = [];
  const clock = {
    nowMs: () => nowMs,
    after(ms: number, call: () => void) {
      const timer = { atMs: nowMs + ms, call };
      timers.push(timer);
      return () => void (timers.includes(timer) && timers.splice(timers.indexOf(timer), 1));
    },
  };
  await using server = await startSmtpServer();
  await using transport = makeTransport({ clock });
  await sendTo(transport, serverAt(server.port));
  expect(timers.map(({ atMs }) => atMs)).toEqual([270_000]);
  nowMs = idleMs;
  server.connections[0]?.destroy();
  await server.closed();
  await sendTo(transport, serverAt(server.port));
  expect(server.connections).toHaveLength(2);
  // 0.8 of the time that the server allowed.
  expect(timers.map(({ atMs }) => atMs - nowMs)).toEqual([5_000]);
  // After an hour without use it is forgotten.
  timers.shift()?.call();
  nowMs += 3_600_000;
  await sendTo(transport, serverAt(server.port));
  expect(timers.map(({ atMs }) => atMs - nowMs)).toEqual([270_000]);
});

test("a connection that was closed while this process was busy is not written to", async () => {
  await using server = await startSmtpServer({
    security: "starttls",
    extensions: ["PIPELINING", "CHUNKING"],
  });
  await using transport = makeTransport({ extraCa: [server.ca ?? ""] });
  const target = serverAt(server.port, { security: "starttls", host: "localhost" });
  expect((await sendTo(transport, target)).successful).toBe(true);
  server.connections[0]?.destroy();
  // No tick of the event loop between the close and the next message.
  expect(await sendTo(transport, target)).toMatchObject({ successful: true });
  expect(server.messages).toHaveLength(2);
});

// On Node, a timer may fire a fraction of a millisecond early.
for (const earlyMs of [0, 0.75]) {
  test(`a message waits half a minute for a connection that no longer replies, with timers ${earlyMs} ms early`, async () => {
    const held: (() => void)[] = [];
    const full = mis.replyAndClose("421 4.3.2 Too many connections");
    const hold: mis.Misbehavior = (_peer, answer) => void held.push(answer);
    const scripts: readonly mis.Script[] = [{ body: hold }, { greeting: full }];
    await using server = await startSmtpServer({ script: (index) => scripts[index] ?? {} });
    const clock = createTestClock();
    const after: Clock["after"] = (ms, call) => clock.after(ms - earlyMs, call);
    await using transport = makeTransport({ clock: { ...clock, after } });
    const send = (name: string) =>
      sendTo(transport, serverAt(server.port), { recipient: `${name}@example.net` });
    const a = send("a");
    while (held.length === 0) await Bun.sleep(1);
    const b = send("b");
    while (!server.connections[1]?.isClosed) await Bun.sleep(1);
    clock.advance(30_000 - earlyMs);
    expect((await b).successful).toBe(true);
    for (const answer of held) answer();
    expect((await a).successful).toBe(true);
  });
}

test("a message waits for a connection that works as long as the whole delivery may take", async () => {
  const TOO_MANY = mis.replyAndClose("421 4.3.2 Too many connections");
  const slow: mis.Misbehavior = (_peer, answer) => void setTimeout(answer, 700);
  await using server = await startSmtpServer({
    script: (index) => (index === 0 ? { body: slow } : { greeting: TOO_MANY }),
  });
  await using transport = makeTransport();
  const target = serverAt(server.port, { timeoutMs: 1_000 });
  const recipients = ["a@example.net", "b@example.net", "c@example.net", "d@example.net"];
  const receipts = await Promise.all(recipients.map((recipient) => sendTo(transport, target, { recipient })));
  expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
  expect(server.messages.flatMap((message) => message.recipients)).toEqual(recipients);
});
