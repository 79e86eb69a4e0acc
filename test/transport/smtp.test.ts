import { expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { testTransport } from "../contract/transport.ts";
import { makeTransport, sendTo, serverAt, timed } from "./support.ts";

/** The buffers of the two sockets take a part of it immediately. */
const LARGE_OCTETS = 20 * 1024 * 1024;
const SLOW_OCTETS_PER_MS = 16 * 1024;

const HARNESSES = {
  "smtp, pipelined": ["PIPELINING", "8BITMIME", "SMTPUTF8"],
  "smtp, in lockstep": ["8BITMIME", "SMTPUTF8"],
} as const;

for (const [name, extensions] of Object.entries(HARNESSES)) {
  testTransport(name, async () => {
    const server = await startSmtpServer({ extensions });
    const transport = makeTransport();
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
}

test("a message through an idle connection takes two round trips with PIPELINING", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  await sendTo(transport, serverAt(server.port));
  const [connection] = server.connections;
  const before = connection?.flights ?? 0;
  for (let mail = 1; mail <= 5; mail++) {
    await sendTo(transport, serverAt(server.port));
    expect(connection?.flights).toBe(before + 2 * mail);
  }
  expect(server.connections).toHaveLength(1);
  expect(server.messages).toHaveLength(6);
});

test("a message goes in lockstep if the server does not offer PIPELINING", async () => {
  await using server = await startSmtpServer({ extensions: [] });
  await using transport = makeTransport();
  await sendTo(transport, serverAt(server.port));
  const before = server.connections[0]?.flights ?? 0;
  await sendTo(transport, serverAt(server.port));
  expect(server.connections[0]?.flights).toBe(before + 4);
});

test("security none never sends STARTTLS, even if it is offered", async () => {
  await using server = await startSmtpServer({ security: "starttls" });
  await using transport = makeTransport();
  expect(await sendTo(transport, serverAt(server.port))).toMatchObject({ successful: true, tls: null });
  expect(server.connections[0]?.commands).not.toContain("STARTTLS");
});

test("EHLO has the configured name, and a server without EHLO gets HELO", async () => {
  await using server = await startSmtpServer({ script: { ehlo: reply("500 5.5.1 What") } });
  await using transport = makeTransport();
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
  expect(server.connections[0]?.commands.slice(0, 2)).toEqual(["EHLO client.test", "HELO client.test"]);
});

test("the receipt has the time of each phase reached, and the final reply", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  const first = await sendTo(transport, serverAt(server.port));
  const phases = ["connect", "data", "dns", "ehlo", "greeting", "recipient", "sender"];
  expect(Object.keys(first.timingMs).toSorted()).toEqual(phases);
  expect(first).toMatchObject({ reply: { code: 250, enhanced: "2.0.0", text: "Queued" } });
  const second = await sendTo(transport, serverAt(server.port));
  expect(Object.keys(second.timingMs).toSorted()).toEqual(["data", "recipient", "sender"]);
});

const UNSUPPORTED = {
  sender: { from: "grüße@example.org" },
  recipient: { recipient: "grüße@example.net" },
  data: { bytes: new TextEncoder().encode("Grüße\r\n") },
} as const;

for (const [phase, change] of Object.entries(UNSUPPORTED)) {
  test(`a message that needs a missing extension fails in phase ${phase} and is not sent`, async () => {
    await using server = await startSmtpServer({ extensions: ["PIPELINING"] });
    await using transport = makeTransport();
    const receipt = await sendTo(transport, serverAt(server.port), change);
    const failure = { phase, code: "unsupported_here", outcome: "not-sent", retryable: false, reply: null };
    expect(receipt).toMatchObject({ successful: false, failure });
    expect(server.connections[0]?.commands).toEqual(["EHLO client.test"]);
  });
}

test("a header field in UTF-8 needs SMTPUTF8 for every recipient, a body in UTF-8 does not", async () => {
  const header = new TextEncoder().encode("To: grüße@example.net\r\n\r\nHello\r\n");
  const body = new TextEncoder().encode("To: a@example.net\r\n\r\nGrüße\r\n");
  await using able = await startSmtpServer();
  await using transport = makeTransport();
  for (const bytes of [header, body]) await sendTo(transport, serverAt(able.port), { bytes });
  const lines = able.connections[0]?.commands.filter((line) => line.startsWith("MAIL"));
  expect(lines?.map((line) => line.includes(" SMTPUTF8"))).toEqual([true, false]);
  await using unable = await startSmtpServer({ extensions: ["8BITMIME"] });
  const failure = { phase: "data", code: "unsupported_here" };
  expect(await sendTo(transport, serverAt(unable.port), { bytes: header, poolKey: "b" })).toMatchObject({
    failure,
  });
  expect((await sendTo(transport, serverAt(unable.port), { bytes: body, poolKey: "b" })).successful).toBe(
    true,
  );
});

test("an internationalized address is sent with SMTPUTF8", async () => {
  await using server = await startSmtpServer();
  await using transport = makeTransport();
  await sendTo(transport, serverAt(server.port), { recipient: "grüße@example.net" });
  expect(server.messages[0]?.recipients).toEqual(["grüße@example.net"]);
  expect(server.connections[0]?.commands[1]).toContain(" SMTPUTF8");
});

test("a message larger than SIZE is not sent", async () => {
  await using server = await startSmtpServer({ extensions: ["SIZE 10"] });
  await using transport = makeTransport();
  const receipt = await sendTo(transport, serverAt(server.port));
  expect(receipt).toMatchObject({ failure: { phase: "sender", code: "too_large", outcome: "not-sent" } });
  expect(server.messages).toEqual([]);
});

test("createSmtpTransport() throws TypeError for an EHLO name that is more than one word", () => {
  for (const ehloName of ["", "a b", "a\r\nQUIT", "grüße"]) {
    expect(() => makeTransport({ ehloName })).toThrow(TypeError);
  }
});

test("a large message arrives although the server takes longer than a step to read it", async () => {
  const server = createServer((socket) => {
    let isData = false;
    let end = "";
    socket.on("error", () => undefined).write("220 mx.test\r\n");
    socket.on("data", (octets: Buffer) => {
      end = `${end}${octets.toString("latin1")}`.slice(-5);
      if (end.endsWith(isData ? "\r\n.\r\n" : "\r\n")) {
        const isStart = !isData && octets.includes("DATA\r\n");
        socket.write(isStart ? "354 Go on\r\n" : "250 Ok\r\n");
        isData = isStart;
      } else {
        socket.pause();
        setTimeout(() => socket.resume(), octets.length / SLOW_OCTETS_PER_MS);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await using transport = makeTransport();
  const { port } = server.address() as AddressInfo;
  const bytes = Buffer.alloc(LARGE_OCTETS, `${"x".repeat(62)}\r\n`);
  const { result, elapsedMs } = await timed(() =>
    sendTo(transport, serverAt(port, { timeoutMs: 1_000 }), { bytes, finalReplyTimeoutMs: 5_000 }),
  );
  server.close();
  expect(result).toMatchObject({ successful: true });
  expect(elapsedMs).toBeGreaterThan(1_000);
});
