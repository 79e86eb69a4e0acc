import { afterEach, describe, expect, mock, spyOn, test } from "bun:test";
import { CHECKPOINTS } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import { type Misbehavior, reply, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { connect } from "../../src/transport/worker-mailer/sockets.ts";
import { testTransport } from "../contract/transport.ts";
import { makeTlsMaterial, openssl } from "../fixtures/smtp/tls.ts";
import { BYTES, NOW, never, sendTo, serverAt } from "./support.ts";

// The build of the Worker does this. On Bun, observer, library and conversation are the same.
let platformConnect: (target: { readonly hostname: string }) => object = connect;
mock.module("cloudflare:sockets", () => ({
  connect: (target: { readonly hostname: string }) => platformConnect(target),
}));
const { Email, WorkerMailer } = await import("worker-mailer");
const { createWorkerMailerTransport } = await import("../../src/transport/worker-mailer/index.ts");

const material = openssl === null ? null : makeTlsMaterial();
const extraCa = material === null ? [] : [material.ca];
const open = () =>
  createWorkerMailerTransport({
    connect: createConnect({ egress: "private", ports: [], ca: extraCa }),
    ehloName: "client.test",
    now: () => NOW,
    extraCa,
  });

afterEach(() => {
  mock.restore();
  platformConnect = connect;
});

testTransport("worker-mailer", async () => {
  const server = await startSmtpServer();
  const transport = open();
  return {
    transport,
    server: serverAt(server.port),
    arrived: () => server.messages.map((message) => ({ ...message, recipient: message.recipients.join() })),
    rejectRecipients: () => server.script("rcpt", reply("550 5.1.1 No such user")),
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
});

test("worker-mailer is called as its documentation shows, with a host that does not exist", async () => {
  const connecting = spyOn(WorkerMailer, "connect");
  const sending = spyOn(WorkerMailer.prototype, "send");
  await using server = await startSmtpServer({ users: { "us€r": "pä€ss" } });
  await using transport = open();
  await sendTo(transport, serverAt(server.port, { username: "us€r", password: new Secret("pä€ss") }));
  const octets = (text: string) => Buffer.from(text).toString("latin1");
  expect(connecting.mock.calls[0]?.[0]).toMatchObject({
    host: "127.0.0.1.invalid",
    port: server.port,
    secure: false,
    startTls: false,
    credentials: { username: octets("us€r"), password: octets("pä€ss") },
    authType: "plain",
  });
  expect(sending.mock.calls[0]?.[0]).toMatchObject({ from: "a@example.org", to: "b@example.net" });
});

describe.skipIf(material === null)("a check that ends at", () => {
  const HELLO = ["EHLO client.test", "STARTTLS", "EHLO client.test"];
  const EXPECTED = {
    connect: ["EHLO client.test", "QUIT"],
    tls: [...HELLO, "QUIT"],
    auth: [...HELLO, "AUTH", "QUIT"],
    sender: [...HELLO, "AUTH", "MAIL", "RSET", "QUIT"],
    recipient: [...HELLO, "AUTH", "MAIL", "RCPT", "RSET", "QUIT"],
  } as const;

  test.each(CHECKPOINTS.filter((point) => point !== "oauth"))(
    "%s reaches it and sends nothing",
    async (until) => {
      await using server = await startSmtpServer({
        security: "starttls",
        users: { user: "a password" },
        ...(material !== null && { tls: material.good }),
      });
      await using transport = open();
      const login = { username: "user", password: new Secret("a password") };
      const target = serverAt(server.port, { security: "starttls", host: "localhost", ...login });
      const delivery = { server: target, poolKey: null, from: "a@example.org", recipient: "b@example.net" };
      const options = { signal: never, until };
      const receipt = await transport.send({ ...delivery, bytes: BYTES }, options);
      expect(receipt).toMatchObject({ successful: true, reached: until });
      await server.closed();
      const commands = server.connections[0]?.commands ?? [];
      const shortened = commands.map((line) => line.replace(/^(AUTH|MAIL|RCPT) .*/, "$1"));
      expect(shortened).toEqual([...EXPECTED[until]]);
      expect(server.messages).toEqual([]);
    },
  );
});

test("the next mechanism follows a rejected one, within one AUTH of the library", async () => {
  const users = { user: "a password" };
  const rejectsFirst: Misbehavior = (peer, answer) => {
    if (server.connections[0]?.commands.at(-1)?.startsWith("AUTH CRAM-MD5")) peer.write("504 5.5.4 No\r\n");
    else answer();
  };
  await using server = await startSmtpServer({ users, script: { auth: rejectsFirst } });
  await using transport = open();
  const target = serverAt(server.port, { username: "user", password: new Secret("a password") });
  expect((await sendTo(transport, target)).successful).toBe(true);
  expect(server.messages[0]?.isAuthenticated).toBe(true);
});

test.skipIf(material === null)("an access token replaces the credentials of the library", async () => {
  const verifyToken = (username: string, token: string) =>
    username === "box@example.org" && token === "a.token";
  const tls = material?.good ?? "valid";
  await using server = await startSmtpServer({ security: "starttls", tls, verifyToken });
  await using transport = open();
  const get = async () => ({ successful: true, accessToken: new Secret("a.token") }) as const;
  const login = { username: "box@example.org", tokens: { get } };
  const target = serverAt(server.port, { host: "localhost", security: "starttls", ...login });
  expect((await sendTo(transport, target)).successful).toBe(true);
  expect(server.logins).toMatchObject([{ mechanism: "XOAUTH2", isAccepted: true }]);
});

test("the library waits for no reply by a timer of its own", async () => {
  const slowly: Misbehavior = (_peer, answer) => void setTimeout(answer, 20);
  const steps = ["greeting", "ehlo", "mail", "rcpt", "data", "body"] as const;
  const script = Object.fromEntries(steps.map((step) => [step, slowly]));
  const connecting = WorkerMailer.connect;
  spyOn(WorkerMailer, "connect").mockImplementation((options) =>
    connecting({ ...options, socketTimeoutMs: 1 }),
  );
  await using server = await startSmtpServer({ script });
  await using transport = open();
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
});

test("a library with its own sockets connects nowhere, and send() throws TypeError", async () => {
  const opened: string[] = [];
  platformConnect = ({ hostname }) => {
    opened.push(hostname);
    const stream = { getReader: () => ({}), getWriter: () => ({}) };
    return { readable: stream, writable: stream, opened: Promise.reject(new Error("No such host")) };
  };
  await using server = await startSmtpServer();
  await using transport = open();
  const sending = sendTo(transport, serverAt(server.port));
  expect(await sending.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
  expect(opened).toEqual(["127.0.0.1.invalid"]);
  await server.closed();
});

test("connect() of sockets.ts opens only offered sockets", () => {
  expect(connect).toThrow(TypeError);
});

/** The library as a later version might be. */
interface Library {
  write(text: string): Promise<void>;
  readTimeout(): Promise<string>;
}

const untilNever = () => new Promise<void>(() => undefined);

/** Actions of a library instead of a step: the commands that leave, and the failure code. */
const MISBEHAVIORS = [
  ["another command", "rcpt", (library) => library.write("RSET\r\n"), ["MAIL"], "network"],
  ["a later command", "rcpt", (library) => library.write("DATA\r\n"), ["MAIL"], "network"],
  ["no command", "rcpt", untilNever, ["MAIL"], "timeout"],
  [
    "half a message",
    "body",
    (library) => library.write("Subject: -\r\n"),
    ["MAIL", "RCPT", "DATA"],
    "network",
  ],
  ["nothing, and calls it sent", "body", async () => undefined, ["MAIL", "RCPT", "DATA"], "network"],
] as const satisfies readonly (readonly [
  ...[what: string, step: string, act: (library: Library) => Promise<unknown>],
  ...[written: readonly string[], code: string],
])[];

describe("a library that writes", () => {
  /** Replaces a step of the library, for this test. */
  function replaceStep(step: string, act: (library: Library) => Promise<unknown>): Disposable {
    const original: unknown = Reflect.get(WorkerMailer.prototype, step);
    Reflect.set(WorkerMailer.prototype, step, async function (this: Library) {
      await act(this);
    });
    return { [Symbol.dispose]: () => void Reflect.set(WorkerMailer.prototype, step, original) };
  }
  const verbs = (commands: readonly string[] = []) => commands.slice(1).map((line) => line.slice(0, 4));

  for (const [what, step, act, written, code] of MISBEHAVIORS) {
    test(`${what} at ${step} sends nothing, and fails as ${code}`, async () => {
      using _replaced = replaceStep(step, act);
      await using server = await startSmtpServer();
      await using transport = open();
      const timeoutMs = code === "timeout" ? 100 : 2000;
      const receipt = await sendTo(transport, serverAt(server.port, { timeoutMs }));
      expect(receipt).toMatchObject({ successful: false, failure: { code, outcome: "not-sent" } });
      expect(verbs(server.connections[0]?.commands)).toEqual([...written]);
      expect(server.messages).toEqual([]);
    });
  }

  test("more than one command sends only the one that is due", async () => {
    using _replaced = replaceStep("mail", async (library) => {
      await library.write("MAIL FROM: <x>\r\nRCPT TO: <evil@example.org>\r\n");
      await library.readTimeout();
    });
    await using server = await startSmtpServer();
    await using transport = open();
    expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
    expect(server.messages).toMatchObject([{ from: "a@example.org", recipients: ["b@example.net"] }]);
  });

  test("nothing because it cannot compose its message sends nothing", async () => {
    spyOn(Email.prototype, "getEmailData").mockImplementation(() => {
      throw new Error("Not composed");
    });
    await using server = await startSmtpServer();
    await using transport = open();
    const receipt = await sendTo(transport, serverAt(server.port));
    expect(receipt).toMatchObject({ failure: { code: "network", outcome: "not-sent" } });
    expect(server.messages).toEqual([]);
  });

  test("the message and gives up leaves the outcome unknown", async () => {
    using _replaced = replaceStep("body", async (library) => {
      void library.write("-\r\n.\r\n");
      throw new Error("Given up");
    });
    await using server = await startSmtpServer({ script: { body: () => undefined } });
    await using transport = open();
    const receipt = await sendTo(transport, serverAt(server.port));
    expect(receipt).toMatchObject({ failure: { phase: "data", outcome: "unknown" } });
  });
});
