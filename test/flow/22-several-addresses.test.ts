import { expect, setDefaultTimeout, test } from "bun:test";
import {
  type Misbehavior,
  replyAndClose,
  type SmtpTestServerOptions,
  stall,
  startSmtpServer,
} from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createSmtpTransport } from "../../src/transport/smtp/index.ts";
import { testInstance } from "../fixtures/instance.ts";

/** Upper bound on a busy machine. */
setDefaultTimeout(60_000);

const NAME = "mail.example.org";
/** Nothing listens on the first one. */
const ADDRESSES = [{ address: "::1" }, { address: "127.0.0.1" }];
const SENDER = "app@example.org";
const BUSY = "421 4.7.0 Too busy, try again in 10 minutes";

/** An instance for which the name of a server has two addresses, of which one is refused. */
async function createSubject(options: SmtpTestServerOptions) {
  const connect = createConnect({ egress: "private", ports: [], lookup: async () => ADDRESSES });
  const now = () => new Date();
  const transport = createSmtpTransport({ connect, ehloName: "sealpost.test", now });
  const instance = await testInstance({ transport });
  const server = await startSmtpServer(options);
  const fields = { server: `${NAME}:${server.port}`, sender: SENDER, timeout: 1, max_connections: 1 };
  await instance.request("POST", "/smtpserver/main", { json: fields });
  return {
    ...instance,
    server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await instance[Symbol.asyncDispose]();
    },
  };
}

test("a test reports the reply of the address that was reached", async () => {
  await using subject = await createSubject({ script: { greeting: replyAndClose(BUSY) } });
  const json = { recipient: "ann@example.net" };
  const { value, detail } = await subject.request("POST", "/smtpserver/main/send_test_email", { json });
  expect(value).toBe(false);
  expect(detail).toMatchObject({
    delivery: { phase: "greeting", code: "rate_limited", reply: { code: 421 }, outcome: "not-sent" },
    server: {
      addresses: [
        { address: "::1", result: expect.stringMatching(/^(refused|unreachable)$/) },
        { address: "127.0.0.1", result: "connected" },
      ],
    },
  });
});

test("a test reports that the address that was reached is silent", async () => {
  await using subject = await createSubject({ script: { greeting: stall() } });
  const json = { recipient: "ann@example.net" };
  const { detail } = await subject.request("POST", "/smtpserver/main/send_test_email", { json });
  expect(detail).toMatchObject({
    delivery: {
      phase: "greeting",
      code: "timeout",
      hint: "The server accepted the connection and sent nothing. Check port, or set timeout to a higher value.",
    },
  });
});

test("a queued message waits as long as that address asks for", async () => {
  await using subject = await createSubject({ script: { greeting: replyAndClose(BUSY) } });
  const to = [{ name: "", address: "ann@example.net" }];
  const result = await subject.services.submit(
    "main",
    { to, subject: "Hello", text: "Hello.\n" },
    { queue: true },
  );
  await subject.services.drain({
    signal: new AbortController().signal,
    endsMs: performance.now() + 30_000,
    messageTimeoutMs: 1_000,
  });
  const { value } = await subject.request("GET", `/mail/${"mailId" in result ? result.mailId : ""}`);
  const { state, next_try } = value as { state: string; next_try: string };
  expect(state).toBe("deferred");
  const seconds = (Date.parse(next_try) - subject.clock.now.getTime()) / 1_000;
  expect(seconds).toBeWithin(600, 765.001);
});

test("a MAIL without a reply, on a connection that works, is no failure of the server", async () => {
  let received = 0;
  // The commands of the second message leave with the first one.
  const mail: Misbehavior = (peer, proceed) =>
    ++received === 1 ? peer.after(100, proceed) : stall()(peer, proceed);
  await using subject = await createSubject({ script: { mail } });
  const { detail } = await subject.request("POST", "/mail/", {
    json: { server: "main", queue: false, subject: "Hello", text: "Hello.", to: ["a@b.org", "c@d.org"] },
  });
  expect(detail).toMatchObject({ delivery: { phase: "sender", code: "timeout", outcome: "not-sent" } });
  expect(subject.server.messages).toHaveLength(1);
  const stored = await subject.request("GET", "/smtpserver/main");
  expect(stored.detail).toMatchObject({ health: { failures: 0, last_failure: null } });
});
