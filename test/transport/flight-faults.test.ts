import { describe, expect, test } from "bun:test";
import type { Receipt } from "../../src/domain/delivery.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { createFlightSubject } from "./fixtures/flight.ts";

const NO_USER = mis.reply("550 5.1.1 No such user");
const HOUR_MS = 3_600_000;
/** Longer than the server holds its replies. */
const PART_MS = 30;

type Subject = Awaited<ReturnType<typeof createFlightSubject>>;

/** `sent`, or outcome and code of the failure. */
function shortOf(receipt: Receipt): string {
  return receipt.successful ? "sent" : `${receipt.failure.outcome} ${receipt.failure.code}`;
}

/** Sends one message that is accepted, so that the next flight uses a warm connection. */
async function warmUp({ send }: Subject): Promise<void> {
  expect(shortOf(await send())).toBe("sent");
}

/** Lets a server show that it supports BDAT and RSET: it accepts one message and rejects one. */
async function prove({ server, send }: Subject): Promise<void> {
  expect(shortOf(await send())).toBe("sent");
  server.script("rcpt", NO_USER);
  expect(shortOf(await send())).toBe("not-sent recipient_rejected");
  server.script("rcpt", undefined);
  expect(shortOf(await send())).toBe("sent");
}

/** Writes the first part after a delay, and the second part in a segment of its own. Then closes. */
function writeInParts([first, second]: readonly [string, string], delayMs: number): mis.Misbehavior {
  return (peer) => {
    const write = (): void => {
      peer.write(first);
      peer.after(PART_MS, () => peer.end(second));
    };
    if (delayMs === 0) write();
    else peer.after(delayMs, write);
  };
}

describe("after a rejected recipient", () => {
  test("the connection to an unknown server is closed with RSET and QUIT", async () => {
    await using subject = await createFlightSubject();
    const { server, send } = subject;
    await prove(subject);
    expect(server.connections).toHaveLength(2);
    expect(server.connections[0]?.commands.slice(-2)).toEqual(["RSET", "QUIT"]);
    expect((await send()).roundTrips).toBe(1);
  });

  test("the connection to a server that accepts BDAT and RSET stays, and RSET precedes the next flight", async () => {
    await using subject = await createFlightSubject();
    const { server, send } = subject;
    await prove(subject);
    server.script("rcpt", NO_USER);
    expect(shortOf(await send())).toBe("not-sent recipient_rejected");
    server.script("rcpt", undefined);
    const receipt = await send({ from: "second@example.org" });
    expect([shortOf(receipt), receipt.roundTrips]).toEqual(["sent", 1]);
    expect(server.connections).toHaveLength(2);
    expect(server.connections[1]?.commands.slice(-4)).toMatchObject([
      "RSET",
      expect.stringMatching("MAIL FROM:<second@example.org>"),
      expect.stringMatching("RCPT"),
      expect.stringMatching("BDAT"),
    ]);
    expect(server.messages.at(-1)?.from).toBe("second@example.org");
  });

  test("a server that keeps the rejected sender, as Exim does, delivers no message with it", async () => {
    await using subject = await createFlightSubject({ bdat: "keep-sender" });
    const { server, send } = subject;
    await prove(subject);
    for (const round of [1, 2, 3]) {
      server.script("rcpt", NO_USER);
      expect(shortOf(await send({ from: `rejected${round}@example.org` }))).toBe(
        "not-sent recipient_rejected",
      );
      server.script("rcpt", undefined);
      expect(shortOf(await send({ from: `good${round}@example.org` }))).toBe("sent");
    }
    const senders = server.messages.map(({ from }) => from);
    expect(senders).toEqual([
      "a@example.org",
      "a@example.org",
      ...[1, 2, 3].map((n) => `good${n}@example.org`),
    ]);
  });

  test("if such a server rejects RSET, its 503 to MAIL makes the outcome unknown", async () => {
    await using subject = await createFlightSubject({ bdat: "keep-sender" });
    const { server, send } = subject;
    await prove(subject);
    server.script("rcpt", NO_USER);
    await send({ from: "rejected@example.org" });
    server.script("rcpt", undefined);
    server.script("rset", mis.reply("502 5.5.1 What"));
    expect(shortOf(await send({ from: "second@example.org" }))).toBe("unknown protocol");
    expect(server.messages.at(-1)?.from).toBe("rejected@example.org");
    expect(shortOf(await send({ from: "third@example.org" }))).toBe("sent");
    expect(server.connections).toHaveLength(3);
  });

  test("a server that runs the chunk as commands does not confuse the messages that follow", async () => {
    await using subject = await createFlightSubject({ bdat: "execute" });
    const { server, send } = subject;
    const bytes = new TextEncoder().encode("NOOP\r\nRSET\r\nHELP\r\nNOOP\r\n");
    for (const round of [1, 2, 3, 4]) {
      expect(shortOf(await send({ from: `good${round}@example.org`, bytes }))).toBe("sent");
      server.script("rcpt", NO_USER);
      expect(shortOf(await send({ bytes }))).toMatch(/^(not-sent recipient_rejected|unknown protocol)$/);
      server.script("rcpt", undefined);
    }
    expect(server.messages.map(({ from }) => from)).toEqual([1, 2, 3, 4].map((n) => `good${n}@example.org`));
  });

  test("no outcome is unknown if the server hangs up after ten rejections in a row, as Postfix and Exim do", async () => {
    const script = (): mis.Script => {
      const rejection = mis.times(10, NO_USER);
      return { rcpt: mis.when(/<no@/, (peer) => rejection(peer, () => peer.hangUp())) };
    };
    await using subject = await createFlightSubject({ script });
    const { server, send } = subject;
    // The third message proves that the server supports BDAT and RSET, and every twelfth one after it is accepted.
    for (let message = 0; message < 27; message++) {
      const isAccepted = message % 12 === 0 || message === 2;
      const receipt = await send({ recipient: isAccepted ? "yes@example.net" : "no@example.net" });
      expect(shortOf(receipt)).toBe(isAccepted ? "sent" : "not-sent recipient_rejected");
    }
    const runs = server.connections.flatMap(({ commands }) =>
      commands
        .filter((line) => line.startsWith("RCPT"))
        .join("")
        .split(/RCPT TO:<yes@/),
    );
    expect(Math.max(...runs.map((run) => run.split("<no@").length - 1))).toBe(4);
  });

  test("a 250 to BDAT makes the outcome unknown, and the connection is not used again", async () => {
    await using subject = await createFlightSubject({ bdat: "accept" });
    const { server, send } = subject;
    await warmUp(subject);
    server.script("rcpt", NO_USER);
    expect(shortOf(await send())).toBe("unknown protocol");
    server.script("rcpt", undefined);
    expect(shortOf(await send())).toBe("sent");
    expect(server.connections).toHaveLength(2);
  });
});

describe("a server that hangs up after a flight", () => {
  for (const [what, script, expected] of [
    ["without a reply", { body: mis.hangUp() }, "unknown closed"],
    ["after replies to MAIL and RCPT", { body: mis.close() }, "unknown closed"],
    ["after it rejected RCPT", { rcpt: NO_USER, bdat: mis.close() }, "not-sent recipient_rejected"],
    [
      "after it rejected MAIL",
      { mail: mis.reply("550 5.7.1 No"), bdat: mis.close() },
      "not-sent sender_rejected",
    ],
    [
      "after a 503 to MAIL alone",
      { mail: mis.reply("503 5.5.1 Again"), rcpt: mis.reply("250 Ok"), bdat: mis.close() },
      "unknown closed",
    ],
    ["after a 421 to RCPT", { rcpt: mis.replyAndClose("421 4.3.2 Bye") }, "not-sent rate_limited"],
    ["after a 421 to BDAT", { body: mis.replyAndClose("421 4.3.2 Bye") }, "not-sent rate_limited"],
  ] as const) {
    test(`${what} leaves the outcome "${expected}"`, async () => {
      await using subject = await createFlightSubject();
      const { server, send } = subject;
      await warmUp(subject);
      for (const [step, how] of Object.entries(script)) server.script(step as mis.ServerStep, how);
      expect(shortOf(await send())).toBe(expected);
      expect(server.messages).toHaveLength(1);
    });
  }

  for (const [what, how] of [
    ["closes", mis.halfClose()],
    ["hangs up", mis.close()],
  ] as const) {
    test(`gets the next message that waits on a new connection if it ${what} after each one`, async () => {
      await using subject = await createFlightSubject({ holdMs: 0, script: { body: mis.then(how) } });
      const { server, send } = subject;
      const receipts = await Promise.all(Array.from({ length: 20 }, () => send()));
      expect(receipts.map(shortOf)).toEqual(receipts.map(() => "sent"));
      expect(server.messages.map(({ via }) => via)).toEqual(receipts.map(() => "BDAT"));
    });
  }

  test("after a 250 and a 421, in one segment, has accepted the message", async () => {
    await using subject = await createFlightSubject();
    const { server, send } = subject;
    await warmUp(subject);
    server.script("body", mis.then(mis.replyAndClose("421 4.3.2 Bye")));
    expect(shortOf(await send())).toBe("sent");
    server.script("body", undefined);
    expect(shortOf(await send())).toBe("sent");
    expect(server.messages.map(({ via }) => via)).toEqual(["BDAT", "BDAT", "BDAT"]);
  });

  for (const parts of [
    ["4", "21 4.3.2 Bye\r\n"],
    ["421 4.3.2", " Bye\r\n"],
    ["421-4.3.2 Shutting\r\n", "421 Bye\r\n"],
  ] as const) {
    for (const [when, delayMs] of [
      ["behind a 250", 0],
      ["on an idle connection", 40],
    ] as const) {
      test(`after a 421 in two segments ("${parts[0].trim()}" first) ${when} still gets BDAT`, async () => {
        await using subject = await createFlightSubject();
        const { server, send } = subject;
        await warmUp(subject);
        server.script("body", mis.then(writeInParts(parts, delayMs)));
        expect(shortOf(await send())).toBe("sent");
        server.script("body", undefined);
        await server.closed();
        expect(shortOf(await send())).toBe("sent");
        expect(server.messages.map(({ via }) => via)).toEqual(["BDAT", "BDAT", "BDAT"]);
        expect(server.connections).toHaveLength(2);
      });
    }

    test(`after a 421 in two segments ("${parts[0].trim()}" first) in place of a message still gets BDAT`, async () => {
      await using subject = await createFlightSubject();
      const { server, send } = subject;
      server.script("data", mis.then(writeInParts(parts, 0)));
      const bytes = new TextEncoder().encode("A line of a long message\r\n".repeat(8_000));
      expect(shortOf(await send({ bytes }))).toBe("not-sent closed");
      server.script("data", undefined);
      await server.closed();
      expect(shortOf(await send())).toBe("sent");
      expect(server.messages.map(({ via }) => via)).toEqual(["BDAT"]);
    });
  }

  test("after the start of another reply gets DATA for an hour", async () => {
    await using subject = await createFlightSubject();
    const { server, send } = subject;
    await warmUp(subject);
    server.script("body", mis.then(writeInParts(["45", "1 4.3.0 Later\r\n"], 40)));
    expect(shortOf(await send())).toBe("sent");
    server.script("body", undefined);
    await server.closed();
    expect(shortOf(await send())).toBe("sent");
    expect(server.messages.map(({ via }) => via)).toEqual(["BDAT", "BDAT", "DATA"]);
  });

  test("gets DATA for an hour", async () => {
    await using subject = await createFlightSubject();
    const { server, clock, send } = subject;
    server.script("body", mis.hangUp());
    expect(shortOf(await send())).toBe("unknown closed");
    server.script("body", undefined);
    await send();
    clock.advance(HOUR_MS - 1);
    await send();
    clock.advance(1);
    await send();
    expect(server.messages.map(({ via }) => via)).toEqual(["DATA", "DATA", "BDAT"]);
  });
});

describe("a server that replies twice to a command of a flight", () => {
  const later =
    (line: string): mis.Misbehavior =>
    (peer) =>
      peer.after(30, () => peer.write(`${line}\r\n`));

  for (const [what, body, expected] of [
    ["and accepts the message later", mis.delay(30), "sent"],
    ["and rejects the message later", later("554 5.7.1 No"), "unknown protocol"],
  ] as const) {
    test(`${what} leaves the outcome "${expected}", and gets DATA for an hour`, async () => {
      const script = { mail: mis.twice(), rcpt: mis.twice(), body };
      await using subject = await createFlightSubject({ script });
      const { server, clock, send } = subject;
      expect(shortOf(await send())).toBe(expected);
      for (const step of ["mail", "rcpt", "body"] as const) server.script(step, undefined);
      const before = server.messages.length;
      await send();
      clock.advance(HOUR_MS - 1);
      await send();
      clock.advance(1);
      await send();
      expect(server.messages.slice(before).map(({ via }) => via)).toEqual(["DATA", "DATA", "BDAT"]);
    });
  }

  test("of which the last comes after the outcome gets DATA on another connection for an hour", async () => {
    await using subject = await createFlightSubject({ script: { mail: mis.twice(), body: mis.delay(30) } });
    const { server, send } = subject;
    expect(shortOf(await send())).toBe("sent");
    server.script("mail", undefined);
    server.script("body", undefined);
    await server.closed();
    expect(shortOf(await send())).toBe("sent");
    expect(server.messages.map(({ via }) => via)).toEqual(["BDAT", "DATA"]);
    expect(server.connections).toHaveLength(2);
  });
});

describe("a server that lists CHUNKING and does not support BDAT", () => {
  for (const code of [500, 501, 502, 503, 504, 555]) {
    for (const bdat of ["discard", "execute"] as const) {
      test(`and rejects it with ${code} (${bdat}) gets the same message by DATA immediately`, async () => {
        const script = { bdat: mis.reply(`${code} 5.5.1 What`) };
        await using subject = await createFlightSubject({ script, bdat });
        const { server, clock, send } = subject;
        expect(shortOf(await send())).toBe("sent");
        expect(shortOf(await send())).toBe("sent");
        const commands = server.connections.flatMap((connection) => connection.commands);
        expect(commands.filter((line) => line.startsWith("BDAT"))).toHaveLength(1);
        server.script("bdat", undefined);
        clock.advance(HOUR_MS - 60_000);
        await send();
        clock.advance(60_000);
        // The first one uses DATA because the connection was idle for too long.
        for (let message = 0; message < 2; message++) await send();
        expect(server.messages.map(({ via }) => via)).toEqual(["DATA", "DATA", "DATA", "DATA", "BDAT"]);
      });
    }
  }

  test("and rejects it with 552 has rejected the message", async () => {
    await using subject = await createFlightSubject({ script: { bdat: mis.reply("552 5.3.4 Too big") } });
    expect(shortOf(await subject.send())).toBe("not-sent too_large");
    expect(subject.server.connections).toHaveLength(1);
  });
});
