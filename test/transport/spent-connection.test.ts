import { describe, expect, test } from "bun:test";
import * as mis from "../../src/testing/smtp/index.ts";
import { startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createFlightSubject } from "./fixtures/flight.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

/** Messages that a connection carries until the server wants another one. */
const MESSAGES = 3;
const LIMIT = "451 4.4.5 Maximum number of messages per session exceeded.";

/** Rejects from the first step after the last message of a connection on. */
function scriptOf(step: mis.ServerStep, how: mis.Misbehavior): () => mis.Script {
  return () => {
    let accepted = 0;
    const spent: mis.Misbehavior = (peer, proceed) => (accepted < MESSAGES ? proceed() : how(peer, proceed));
    const body: mis.Misbehavior = (peer, proceed) => {
      if (step === "body" && accepted >= MESSAGES) how(peer, proceed);
      else {
        accepted++;
        proceed();
      }
    };
    return { [step]: spent, body };
  };
}

const recipientsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `user${index}@example.net`);

const ROWS: readonly (readonly [mis.ServerStep, string])[] = [
  ["mail", "452 4.4.5 Enough"],
  ["mail", "451 4.4.2 Timeout waiting for data from client."],
  ["mail", "550 5.7.0 Too many messages in this session"],
  ["mail", "450 4.7.1 Too many messages in session"],
  ["rcpt", "421 4.4.5 Maximum message count reached"],
  ["rcpt", "452 4.5.3 Too many recipients per session"],
  ["data", LIMIT],
  ["data", "421 4.4.5 Maximum message count reached"],
  ["data", "450 Too many messages per connection"],
  ["body", LIMIT],
  ["body", "421 4.4.2 Timeout"],
];

describe("a connection on which the server takes no more messages is replaced, and the message sent again, if it", () => {
  for (const extensions of [["8BITMIME"], ["8BITMIME", "PIPELINING"]]) {
    for (const [step, line] of ROWS) {
      test(`replies "${line}" at ${step} (${extensions.join(" ")})`, async () => {
        const how = line.startsWith("421") ? mis.replyAndClose(line) : mis.reply(line);
        await using server = await startSmtpServer({ extensions, script: scriptOf(step, how) });
        await using transport = makeTransport();
        const recipients = recipientsOf(3 * MESSAGES);
        for (const recipient of recipients) {
          expect(await sendTo(transport, serverAt(server.port), { recipient })).toMatchObject({
            successful: true,
          });
        }
        expect(server.messages.flatMap((message) => message.recipients)).toEqual(recipients);
        expect(server.connections).toHaveLength(3);
      });
    }
  }

  test("replies so to a flight by BDAT, also after it has shown that it resets", async () => {
    const noUser = mis.when(/TO:<no/, mis.reply("550 5.1.1 No such user"));
    const scripts = scriptOf("body", mis.reply(LIMIT));
    await using subject = await createFlightSubject({ script: () => ({ rcpt: noUser, ...scripts() }) });
    const { server, send } = subject;
    const send3 = async (): Promise<void> => {
      for (let message = 0; message < MESSAGES; message++)
        expect(await send()).toMatchObject({ successful: true });
    };
    await send();
    expect((await send({ recipient: "no@example.net" })).successful).toBe(false);
    for (let round = 0; round < 3; round++) await send3();
    expect(server.messages).toHaveLength(10);
    expect(server.messages.every(({ via }) => via === "BDAT")).toBe(true);
    expect(server.connections).toHaveLength(4);
  });

  test("replies so to a message that was prepared", async () => {
    await using server = await startSmtpServer({ script: scriptOf("data", mis.reply(LIMIT)) });
    await using transport = makeTransport({ pool: { connections: 1 } });
    const recipients = recipientsOf(3 * MESSAGES);
    const receipts = await Promise.all(
      recipients.map((recipient) => sendTo(transport, serverAt(server.port), { recipient })),
    );
    expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
    expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(recipients);
    expect(server.connections).toHaveLength(3);
  });
});

describe("a message is sent again", () => {
  test("once, also if the new connection is no better", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    server.script("rcpt", mis.replyAndClose("421 4.7.0 Too many connections"));
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({
      failure: { phase: "recipient", code: "rate_limited", outcome: "not-sent" },
    });
    expect(server.connections).toHaveLength(2);
  });

  test("within the connections that the server allows", async () => {
    const limits = { maxConnections: 2 };
    await using server = await startSmtpServer({ limits, script: scriptOf("data", mis.reply(LIMIT)) });
    await using transport = makeTransport();
    const recipients = recipientsOf(30);
    const receipts = await Promise.all(
      recipients.map((recipient) => sendTo(transport, serverAt(server.port), { recipient })),
    );
    expect(receipts.map(({ successful }) => successful)).toEqual(recipients.map(() => true));
    expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(
      recipients.toSorted(),
    );
  });

  for (const maxConnections of [1, 2]) {
    test(`within ${maxConnections} that it allows, if it rejects a message with prepared ones behind it`, async () => {
      const limits = { maxConnections };
      await using server = await startSmtpServer({ limits, script: scriptOf("body", mis.reply(LIMIT)) });
      await using transport = makeTransport();
      const recipients = recipientsOf(12);
      const receipts = await Promise.all(
        recipients.map((recipient) =>
          sendTo(transport, serverAt(server.port, { timeoutMs: 10_000 }), { recipient }),
        ),
      );
      expect(receipts.filter(({ successful }) => !successful)).toEqual([]);
      expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(
        recipients.toSorted(),
      );
    });
  }

  test("if it waits for a connection instead of the refused new one, and gets another spent one", async () => {
    const accepts: (() => void)[] = [];
    let isSpent = false;
    const mail: mis.Misbehavior = (peer, proceed) =>
      isSpent ? peer.write("452 4.4.5 Enough\r\n") : proceed();
    const both = Promise.withResolvers<void>();
    const body: mis.Misbehavior = (_, proceed) => {
      if (accepts.push(proceed) === 2) both.resolve();
    };
    const script = (index: number): mis.Script => (index < 2 ? { mail, body, quit: mis.delay(100) } : {});
    await using server = await startSmtpServer({ limits: { maxConnections: 2 }, script });
    await using transport = makeTransport();
    const target = serverAt(server.port, { timeoutMs: 5_000 });
    const warm = [sendTo(transport, target), sendTo(transport, target)];
    await both.promise;
    for (const accept of accepts) accept();
    await Promise.all(warm);
    isSpent = true;
    expect(await sendTo(transport, target)).toMatchObject({ successful: true });
    expect(server.messages).toHaveLength(3);
  });

  test("only if the server rejected it for the session", async () => {
    for (const line of [
      "451 4.3.0 Later",
      "450 4.2.0 Greylisted",
      "550 5.4.5 Daily limit",
      "550 5.7.1 In connection with spam",
      "452 4.2.2 Full",
    ]) {
      await using server = await startSmtpServer();
      await using transport = makeTransport();
      await sendTo(transport, serverAt(server.port));
      server.script("rcpt", mis.reply(line));
      expect((await sendTo(transport, serverAt(server.port))).successful).toBe(false);
      expect(server.connections).toHaveLength(1);
    }
  });

  // It has carried nothing, so the server defers the message or the client (Postfix and nodemailer open no other one, either).
  for (const [step, line] of [
    ["data", LIMIT],
    ["rcpt", "421 4.7.0 Unusual rate, try again later"],
    ["data", "421 4.3.2 Shutting down"],
    ["body", "421 4.7.0 Temporarily deferred"],
  ] as const) {
    test(`not if the connection is new (${line.slice(0, 9)} at ${step})`, async () => {
      const how = line.startsWith("421") ? mis.replyAndClose(line) : mis.reply(line);
      await using server = await startSmtpServer({ script: { [step]: how } });
      await using transport = makeTransport();
      expect(await sendTo(transport, serverAt(server.port))).toMatchObject({
        failure: { code: "rate_limited", outcome: "not-sent", fault: "server", retryable: true },
      });
      expect(server.connections).toHaveLength(1);
    });
  }
});

/** Bound of each phase. A whole delivery has four of them, without the wait for the last reply. */
const STEP_MS = 250;
const LATE_MS = 5 * STEP_MS;
const lateReply =
  (line: string): mis.Misbehavior =>
  (peer) =>
    peer.after(LATE_MS, () => peer.write(`${line}\r\n`));

describe("a message that cannot be sent again keeps the reply that rejected it, if", () => {
  test("the reply came too late for another connection", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    const target = serverAt(server.port, { timeoutMs: STEP_MS });
    await sendTo(transport, target);
    server.script("body", lateReply(LIMIT));
    expect(await sendTo(transport, target, { finalReplyTimeoutMs: 10_000 })).toMatchObject({
      failure: { phase: "data", code: "rate_limited", reply: { code: 451, enhanced: "4.4.5" } },
    });
    expect(server.connections).toHaveLength(1);
  });

  test("a 432 came too late to wait for another connection", async () => {
    const line = "432 4.3.2 Concurrent connections limit exceeded";
    const held = Promise.withResolvers<() => void>();
    const hold: mis.Misbehavior = (_, proceed) => held.resolve(proceed);
    const script = (index: number): mis.Script => ({ body: index === 0 ? hold : lateReply(line) });
    await using server = await startSmtpServer({ script });
    await using transport = makeTransport();
    const target = serverAt(server.port, { timeoutMs: STEP_MS });
    const first = sendTo(transport, target, { finalReplyTimeoutMs: 10_000 });
    const accept = await held.promise;
    expect(await sendTo(transport, target, { finalReplyTimeoutMs: 10_000 })).toMatchObject({
      failure: { phase: "data", code: "rate_limited", reply: { code: 432 } },
    });
    accept();
    expect((await first).successful).toBe(true);
  });

  test("the new connection has no reply", async () => {
    const script = (index: number): mis.Script => (index === 0 ? {} : { greeting: mis.hangUp() });
    await using server = await startSmtpServer({ script });
    await using transport = makeTransport();
    await sendTo(transport, serverAt(server.port));
    server.connections[0]?.script("rcpt", mis.replyAndClose("421 4.3.2 Shutting down"));
    expect(await sendTo(transport, serverAt(server.port))).toMatchObject({
      failure: { phase: "recipient", code: "rate_limited", reply: { code: 421 } },
    });
    expect(server.connections).toHaveLength(2);
  });
});
