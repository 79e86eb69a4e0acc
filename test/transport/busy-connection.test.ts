import { describe, expect, test } from "bun:test";
import type { Script } from "../../src/testing/smtp/index.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createTestClock } from "../fixtures/clock.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

/** Starts a server, and messages that wait for its only connection. */
async function createBusySubject(options: SmtpTestServerOptions = {}, connections = 1, timeoutMs = 5_000) {
  const server = await startSmtpServer(options);
  const clock = createTestClock();
  const transport = makeTransport({ clock, pool: { connections } });
  const target = serverAt(server.port, { timeoutMs });
  const send = (name: string, change: Parameters<typeof sendTo>[2] = {}) =>
    sendTo(transport, target, { recipient: `${name}@example.net`, ...change });
  return {
    server,
    clock,
    send,
    recipients: () => server.messages.flatMap((message) => message.recipients),
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

const NAMES = ["a", "b", "c", "d"];
const ADDRESSES = NAMES.map((name) => `${name}@example.net`);

describe("messages that wait for one connection", () => {
  test("take one round trip each from the second on: their commands leave with the previous message", async () => {
    await using subject = await createBusySubject({ holdMs: 15 });
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(receipts.map(({ successful, roundTrips }) => [successful, roundTrips])).toEqual([
      [true, 5],
      [true, 1],
      [true, 1],
      [true, 1],
    ]);
    expect(subject.recipients()).toEqual(ADDRESSES);
    // EHLO, the first commands, and each message with the next commands.
    expect(subject.server.connections.map(({ flights }) => flights)).toEqual([6]);
  });

  test("wait for each other if the server has no PIPELINING", async () => {
    await using subject = await createBusySubject({ extensions: [], holdMs: 5 });
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(receipts.map(({ roundTrips }) => roundTrips)).toEqual([7, 4, 4, 4]);
    expect(subject.recipients()).toEqual(ADDRESSES);
  });

  test("use another connection if the previous message is rejected", async () => {
    await using subject = await createBusySubject({
      script: { body: mis.times(1, mis.reply("554 5.7.1 No")) },
    });
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(receipts.map(({ successful }) => successful)).toEqual([false, true, true, true]);
    expect(receipts[0]).toMatchObject({ failure: { outcome: "not-sent", code: "content_rejected" } });
    expect(subject.recipients()).toEqual(ADDRESSES.slice(1));
    expect(subject.server.connections).toHaveLength(2);
  });

  test("arrive once if the server hangs up after the end of the first, which is unknown", async () => {
    await using subject = await createBusySubject({
      script: (index) => (index === 0 ? { body: mis.hangUp() } : {}),
    });
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(receipts[0]).toMatchObject({ failure: { outcome: "unknown", code: "closed" } });
    expect(receipts.slice(1).map(({ successful }) => successful)).toEqual([true, true, true]);
    expect(subject.recipients()).toEqual(ADDRESSES.slice(1));
  });

  test("arrive once if the server replies 421 to MAIL and closes", async () => {
    const script = (index: number): Script =>
      index === 0 ? { mail: mis.when(/FROM:<second/, mis.replyAndClose("421 4.7.0 Enough")) } : {};
    await using subject = await createBusySubject({ script });
    const receipts = await Promise.all([
      subject.send("a"),
      subject.send("b", { from: "second@example.org" }),
      subject.send("c"),
    ]);
    expect(receipts.map(({ successful }) => successful)).toEqual([true, true, true]);
    expect(subject.recipients()).toEqual(ADDRESSES.slice(0, 3));
  });

  test("have their own rejection, and the next ones continue", async () => {
    await using subject = await createBusySubject({
      script: { rcpt: mis.when(/TO:<b@/, mis.reply("550 5.1.1 No")) },
    });
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(receipts.map(({ successful }) => successful)).toEqual([true, false, true, true]);
    expect(receipts[1]).toMatchObject({ failure: { outcome: "not-sent", code: "recipient_rejected" } });
    expect(subject.recipients()).toEqual(["a", "c", "d"].map((name) => `${name}@example.net`));
  });

  test("are not sent after they are canceled, and the previous one has its own outcome", async () => {
    const cancel = new AbortController();
    // The reply to the first message comes after the second was canceled.
    const body: mis.Misbehavior = (peer, proceed) => {
      cancel.abort(new Error("Canceled"));
      peer.after(20, proceed);
    };
    await using subject = await createBusySubject({ script: { body: mis.times(1, body) } });
    const [a, b, c] = await Promise.allSettled([
      subject.send("a"),
      subject.send("b", { signal: cancel.signal }),
      subject.send("c"),
    ]);
    expect(a).toMatchObject({ status: "fulfilled", value: { successful: true } });
    expect(b).toMatchObject({ status: "rejected", reason: cancel.signal.reason });
    expect(c).toMatchObject({ status: "fulfilled", value: { successful: true } });
    expect(subject.recipients()).toEqual(["a@example.net", "c@example.net"]);
  });

  test("are not sent if they must not transact when the previous one is accepted", async () => {
    let asked = 0;
    await using subject = await createBusySubject();
    const receipts = await Promise.all([
      subject.send("a"),
      // Like a lease that is valid when the commands leave, but not when the message would.
      subject.send("b", { mayTransact: () => ++asked === 1 }),
      subject.send("c"),
    ]);
    expect(receipts.map(({ successful }) => successful)).toEqual([true, false, true]);
    expect(receipts[1]).toMatchObject({ failure: { outcome: "not-sent", code: "cancelled" } });
    expect(asked).toBe(2);
    expect(subject.recipients()).toEqual(["a@example.net", "c@example.net"]);
  });

  test("that are long leave in pieces, one after another", async () => {
    const bytes = new TextEncoder().encode("A line of a long message\r\n".repeat(8_000));
    await using subject = await createBusySubject();
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name, { bytes })));
    expect(receipts.every(({ successful }) => successful)).toBe(true);
    expect(subject.server.messages.map((message) => message.bytes)).toEqual(NAMES.map(() => bytes));
  });

  test("take a free connection if the promised one stays in use", async () => {
    const held = Promise.withResolvers<() => void>();
    const script = (index: number): Script =>
      index === 0 ? { body: mis.times(1, (_, proceed) => held.resolve(proceed)) } : {};
    await using subject = await createBusySubject({ script }, 2);
    const a = subject.send("a");
    const b = subject.send("b");
    const c = subject.send("c");
    const d = subject.send("d");
    const proceed = await held.promise;
    expect((await b).successful).toBe(true);
    expect((await d).successful).toBe(true);
    subject.clock.advance(1_000);
    expect((await c).successful).toBe(true);
    proceed();
    expect((await a).successful).toBe(true);
    expect(subject.recipients().toSorted()).toEqual(ADDRESSES);
  });

  test("take a new connection once the limit that the server has shown is a minute old", async () => {
    const held = (): [Promise<() => void>, mis.Misbehavior] => {
      const { promise, resolve } = Promise.withResolvers<() => void>();
      return [promise, (_, proceed) => resolve(proceed)];
    };
    const [[data, onData], [body, onBody], [rcpt, onRcpt]] = [held(), held(), held()];
    const full = mis.replyAndClose("421 4.3.2 Too many connections");
    const reject: mis.Misbehavior = (peer) => onRcpt(peer, () => peer.write("550 5.1.1 No such user\r\n"));
    const scripts: readonly Script[] = [{}, { greeting: full }, { rcpt: reject }];
    await using subject = await createBusySubject({ script: (index) => scripts[index] ?? {} }, 2);
    await Promise.all([subject.send("a"), subject.send("b")]);
    subject.clock.advance(61_000);
    subject.server.connections[0]?.script("data", onData);
    subject.server.connections[0]?.script("body", onBody);
    const [c, no] = [subject.send("c"), subject.send("no")];
    const [accept, refuse] = await Promise.all([data, rcpt]);
    const d = subject.send("d");
    accept();
    // Its connection is promised to the one that waits.
    const finish = await body;
    refuse();
    expect((await no).successful).toBe(false);
    subject.clock.advance(1_000);
    expect((await d).successful).toBe(true);
    finish();
    expect((await c).successful).toBe(true);
    expect(subject.recipients().toSorted()).toEqual(ADDRESSES);
  });

  test("use a new connection if the server rejects MAIL after a hundred messages", async () => {
    let received = 0;
    const mail: mis.Misbehavior = (peer, proceed) =>
      ++received > 100 ? peer.write("450 4.7.1 Too many messages in this session\r\n") : proceed();
    await using subject = await createBusySubject({ script: (index) => (index === 0 ? { mail } : {}) });
    const receipts = await Promise.all(Array.from({ length: 105 }, (_, index) => subject.send(`${index}`)));
    expect(receipts.filter(({ successful }) => !successful)).toEqual([]);
    expect(subject.server.messages).toHaveLength(105);
    expect(subject.server.connections.length).toBeGreaterThan(1);
  });

  test("are not prepared again if the server drops commands after the end of a message", async () => {
    // The first connection gets no reply after the first message.
    const deaf: mis.Misbehavior = (peer, proceed) => {
      proceed();
      peer.deafen();
    };
    const script = (index: number): Script => (index === 0 ? { body: mis.times(1, deaf) } : {});
    await using subject = await createBusySubject({ script, holdMs: 5 }, 1, 1_500);
    const receipts = await Promise.all(NAMES.map((name) => subject.send(name)));
    // The second one waited for half of its timeout, and was then sent on a new connection.
    expect(receipts.map(({ successful, roundTrips }) => [successful, roundTrips])).toEqual([
      [true, 5],
      [true, 1 + 5],
      [true, 2],
      [true, 2],
    ]);
    expect(subject.recipients()).toEqual(ADDRESSES);
    const later = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(later.map(({ roundTrips }) => roundTrips)).toEqual([2, 2, 2, 2]);
    subject.clock.advance(3_600_000);
    const afterAnHour = await Promise.all(NAMES.map((name) => subject.send(name)));
    expect(afterAnHour.map(({ roundTrips }) => roundTrips).slice(1)).toEqual([1, 1, 1]);
  });

  test("are all sent if each connection drops commands after the end of its first message", async () => {
    const deaf: mis.Misbehavior = (peer, proceed) => {
      proceed();
      peer.deafen();
    };
    const script = (index: number): Script => (index < 3 ? { body: mis.times(1, deaf) } : {});
    await using subject = await createBusySubject({ script, holdMs: 5 }, 3, 1_500);
    const names = Array.from({ length: 12 }, (_, index) => `user${index}`);
    const receipts = await Promise.all(names.map((name) => subject.send(name)));
    expect(receipts.filter(({ successful }) => !successful)).toEqual([]);
    expect(subject.recipients().toSorted()).toEqual(names.map((name) => `${name}@example.net`).toSorted());
  });

  for (const [step, line, connections] of [
    ["mail", /second@/, 2],
    ["rcpt", /second@/, 1],
    ["body", /./, 1],
  ] as const) {
    test(`arrive once if the server is slow at ${step}, on ${connections} connections`, async () => {
      const script = { [step]: mis.when(line, mis.delay(1_200)) };
      await using subject = await createBusySubject({ script }, 1, 2_000);
      const receipts = await Promise.all([
        subject.send("a"),
        subject.send("second", { from: "second@example.org" }),
      ]);
      expect(receipts.map(({ successful }) => successful)).toEqual([true, true]);
      expect(subject.recipients()).toEqual(["a@example.net", "second@example.net"]);
      expect(subject.server.connections).toHaveLength(connections);
    });
  }

  test("wait for a slow server on its only connection, once it has replied to prepared commands", async () => {
    const script = (index: number): Script =>
      index === 0
        ? { mail: mis.when(/slow@/, mis.delay(1_200)) }
        : { greeting: mis.replyAndClose("421 4.7.0 Too many concurrent connections") };
    await using subject = await createBusySubject({ script }, 1, 2_000);
    const slow = { from: "slow@example.org" };
    const sent = NAMES.map((name, index) => subject.send(name, index < 2 ? {} : slow));
    const receipts = await Promise.all(sent);
    expect(receipts.map(({ successful, roundTrips }) => [successful, roundTrips])).toEqual([
      [true, 5],
      [true, 1],
      // The reply to MAIL does not arrive with that to the message before.
      [true, 2],
      [true, 2],
    ]);
    expect(subject.recipients()).toEqual(ADDRESSES);
    expect(subject.server.connections).toHaveLength(1);
  });

  test("are bounded again after a server that replied to prepared commands drops them", async () => {
    let isDeaf = false;
    const body: mis.Misbehavior = (peer, proceed) => {
      proceed();
      if (isDeaf) peer.deafen();
    };
    const script = (index: number): Script => (index % 2 === 0 ? { body } : {});
    await using subject = await createBusySubject({ script, holdMs: 5 }, 1, 1_000);
    const sendAll = () => Promise.all(NAMES.map((name) => subject.send(name)));
    const outcomes = async () => (await sendAll()).map(({ successful }) => successful);
    expect(await outcomes()).toEqual([true, true, true, true]);
    isDeaf = true;
    // The second message waits for its whole timeout.
    expect(await outcomes()).toEqual([true, false, true, true]);
    expect(subject.server.connections).toHaveLength(2);
    subject.clock.advance(3_600_000);
    expect(await outcomes()).toEqual([true, true, true, true]);
    expect(subject.server.connections).toHaveLength(4);
  });

  test("are sent again if the server replies to a part of the dropped commands", async () => {
    const mail = mis.when(/FROM:<second/, mis.times(1, mis.reply("500 5.5.2 What")));
    await using subject = await createBusySubject({ script: { mail } });
    const receipts = await Promise.all([
      subject.send("a"),
      subject.send("b", { from: "second@example.org" }),
      subject.send("c"),
    ]);
    expect(receipts.map(({ successful }) => successful)).toEqual([true, true, true]);
    expect(subject.recipients().toSorted()).toEqual(ADDRESSES.slice(0, 3));
  });
});
