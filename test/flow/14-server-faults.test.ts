import { describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  reply,
  replyAndClose,
  type SmtpTestServer,
  type SmtpTestServerOptions,
  startSmtpServer,
  testCertificates,
} from "../../src/testing/smtp/index.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createSmtpTransport } from "../../src/transport/smtp/index.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";

/** Upper bound on a busy machine. */
setDefaultTimeout(60_000);

const MESSAGES = 12;
const USERNAME = "app@example.org";
const NAME = "mail.example.org";
const LOGIN = { username: USERNAME, password: "right" };

interface ServerFault {
  readonly what: string;
  /** The options of the server while it is at fault, and afterwards. */
  readonly bad: SmtpTestServerOptions;
  readonly good: SmtpTestServerOptions;
  readonly definition?: object;
  /** Whether the name of the server does not resolve in the meantime. */
  readonly isNameGone?: boolean;
  /** Upper bound, in seconds, of the time from the end of the fault until every message arrives. */
  readonly arrivesWithin: number;
}

/** Probes of a server that rejects the login are at most 15 minutes apart. */
const LOGIN_SECONDS = 15 * 60 + 1;
/** The longest backoff of a message that reaches MAIL. */
const BACKOFF_SECONDS = 3_601;
const PROBED_SECONDS = 40;

const FAULTS: readonly ServerFault[] = [
  {
    what: "rejects the login",
    bad: { users: { [USERNAME]: "another" } },
    good: { users: { [USERNAME]: LOGIN.password } },
    definition: LOGIN,
    arrivesWithin: LOGIN_SECONDS,
  },
  {
    what: "replies to MAIL with 530",
    bad: { script: { mail: reply("530 5.7.0 Must issue a STARTTLS command first") } },
    good: {},
    arrivesWithin: BACKOFF_SECONDS,
  },
  {
    what: "greets with 554",
    bad: { script: { greeting: replyAndClose("554 5.7.1 Service unavailable") } },
    good: {},
    arrivesWithin: PROBED_SECONDS,
  },
  {
    what: "offers no STARTTLS",
    bad: {},
    good: { security: "starttls" },
    definition: { tls: true },
    arrivesWithin: PROBED_SECONDS,
  },
  {
    what: "lists no known mechanism",
    bad: { users: { [USERNAME]: LOGIN.password }, mechanisms: ["XOAUTH2"] },
    good: { users: { [USERNAME]: LOGIN.password } },
    definition: LOGIN,
    arrivesWithin: PROBED_SECONDS,
  },
  {
    what: "shows an untrusted certificate",
    bad: { security: "starttls", tls: "untrusted" },
    good: { security: "starttls" },
    definition: { tls: true },
    arrivesWithin: PROBED_SECONDS,
  },
  ...(
    [
      ["rcpt", "503 5.5.1 Error: need MAIL command"],
      ["rcpt", "553 5.7.1 app@example.org not allowed to send from this address"],
      ["data", "554 5.5.0 Error: SMTP protocol synchronization"],
      ["body", "554 5.3.5 Local configuration error"],
      ["body", "552 5.7.1 Too many messages today"],
    ] as const
  ).map(([step, text]) => ({
    what: `replies to ${step} with ${text}`,
    bad: { script: { [step]: reply(text) } },
    good: {},
    arrivesWithin: BACKOFF_SECONDS,
  })),
  {
    what: "rejects a login in clear text with 535",
    bad: {
      users: { [USERNAME]: LOGIN.password },
      script: {
        auth: reply("535 5.7.8 Plaintext authentication disallowed on non-secure connections (SSL)"),
      },
    },
    good: { users: { [USERNAME]: LOGIN.password } },
    definition: LOGIN,
    arrivesWithin: PROBED_SECONDS,
  },
  { what: "does not resolve", bad: {}, good: {}, isNameGone: true, arrivesWithin: PROBED_SECONDS },
];

/** An instance with the test's clock and real sockets. Every name resolves to this machine, or not at all. */
async function faultyInstance() {
  const { ca } = await testCertificates();
  const names = { isGone: false };
  const lookup = async () => {
    if (names.isGone) throw Object.assign(new Error("Not found"), { code: "ENOTFOUND" });
    return [{ address: "127.0.0.1" }];
  };
  const connect = createConnect({ egress: "private", ports: [], lookup });
  const now = () => new Date();
  const transport = createSmtpTransport({ connect, ehloName: "sealpost.test", extraCa: [ca], now });
  const instance = await testInstance({ transport, tokenSeconds: 7 * 86_400 });
  return { ...instance, names };
}

type FaultyInstance = Awaited<ReturnType<typeof faultyInstance>>;

const drain = ({ services }: Pick<TestInstance, "services">) =>
  services.drain({
    signal: new AbortController().signal,
    endsMs: performance.now() + 30_000,
    messageTimeoutMs: 1_000,
  });

/** Counts queued messages by state. */
async function states({ request }: TestInstance): Promise<Record<string, number>> {
  const { value } = await request("GET", "/mail/", { query: { page_size: "100" } });
  const counts: Record<string, number> = {};
  for (const { state } of (value as { mails: { state: string }[] }).mails)
    counts[state] = (counts[state] ?? 0) + 1;
  return counts;
}

/** Advances the clock until every message has arrived. @returns the seconds that took. */
async function untilArrived(instance: FaultyInstance, server: SmtpTestServer, step: number): Promise<number> {
  for (let seconds = 0; ; seconds += step) {
    await drain(instance);
    if (server.messages.length >= MESSAGES || seconds > 2 * BACKOFF_SECONDS) return seconds;
    instance.clock.advance(step);
  }
}

const recipients = Array.from({ length: MESSAGES }, (_, number) => `r${number}@example.net`);
const arrived = ({ messages }: SmtpTestServer) =>
  messages.map((message) => message.recipients.join()).toSorted();

/** The fault lasts for 22 hours, and no message may fail by it. */
async function suffer(instance: FaultyInstance): Promise<void> {
  for (const seconds of [0, 5, 30, 30, 3_600, 21 * 3_600]) {
    instance.clock.advance(seconds);
    await drain(instance);
  }
  const { queued = 0, deferred = 0, ...others } = await states(instance);
  expect([queued + deferred, others]).toEqual([MESSAGES, {}]);
}

describe.each(FAULTS)(
  "queued mail of a server that $what",
  ({ bad, good, definition, isNameGone, arrivesWithin }) => {
    test("waits, and arrives after the fault", async () => {
      await using instance = await faultyInstance();
      const faulty = await startSmtpServer(bad);
      instance.names.isGone = isNameGone ?? false;
      const { host: _, port } = faulty;
      const json = { server: NAME, port, sender: USERNAME, ...definition };
      const server = definition && "tls" in definition ? "localhost" : NAME;
      expect((await instance.request("POST", "/smtpserver/main", { json: { ...json, server } })).status).toBe(
        200,
      );
      for (const address of recipients) {
        const message = { to: [{ name: "", address }], subject: "Hello", text: "Hello.\n" };
        expect((await instance.services.submit("main", message, { queue: true })).state).toBe("queued");
      }
      await suffer(instance);
      await faulty[Symbol.asyncDispose]();
      instance.names.isGone = false;
      await using mended = await startSmtpServer({ ...good, port });
      const step = arrivesWithin > PROBED_SECONDS ? arrivesWithin / 60 : 1;
      expect(await untilArrived(instance, mended, step)).toBeLessThanOrEqual(arrivesWithin);
      expect(arrived(mended)).toEqual(recipients.toSorted());
      expect(await states(instance)).toEqual({ sent: MESSAGES });
    });

    test("waits with an unsaved definition", async () => {
      await using instance = await faultyInstance();
      const faulty = await startSmtpServer(bad);
      instance.names.isGone = isNameGone ?? false;
      const { port } = faulty;
      const server = definition && "tls" in definition ? "localhost" : NAME;
      for (const recipient of recipients) {
        const json = { server, port, sender: USERNAME, ...definition, recipient, enqueue_job: true };
        expect((await instance.request("POST", "/smtpserver/send_test_email", { json })).value).toBe(true);
      }
      await suffer(instance);
      await faulty[Symbol.asyncDispose]();
      instance.names.isGone = false;
      await using mended = await startSmtpServer({ ...good, port });
      expect(await untilArrived(instance, mended, 60)).toBeLessThanOrEqual(BACKOFF_SECONDS);
      expect(arrived(mended)).toEqual(recipients.toSorted());
    });
  },
);

test("a changed password immediately sends the messages that a rejected login delayed", async () => {
  await using instance = await faultyInstance();
  await using server = await startSmtpServer({ users: { [USERNAME]: "new" } });
  const json = { server: NAME, port: server.port, sender: USERNAME, username: USERNAME, password: "old" };
  await instance.request("POST", "/smtpserver/main", { json });
  for (const address of recipients) {
    const message = { to: [{ name: "", address }], subject: "Hello", text: "Hello.\n" };
    await instance.services.submit("main", message, { queue: true });
  }
  await suffer(instance);
  await instance.request("POST", "/smtpserver/main", { json: { ...json, password: "new" } });
  await drain(instance);
  expect(arrived(server)).toEqual(recipients.toSorted());
});

describe("a delay named by the server", () => {
  test.each([
    ["450 4.7.1 You have sent 200 messages in 24 hours, please try again in 1 minute", 60, 90],
    ["451 4.7.1 100 mails in 10 minutes; try again in 30 seconds", 30, 52.5],
    ["450 4.2.0 Greylisted, retry in 4m59s", 299, 388.75],
    ["451 4.3.0 No route for 2 hosts", 0, 5],
    ["450 4.7.1 Try again in 1 day", 86_400 - 60, 86_400 - 1],
  ] as const)("%s: the next attempt is %d to %d s later", async (text, least, most) => {
    await using instance = await faultyInstance();
    await using server = await startSmtpServer({ script: { rcpt: reply(text) } });
    await instance.request("POST", "/smtpserver/main", {
      json: { server: NAME, port: server.port, sender: USERNAME },
    });
    const message = { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hello.\n" };
    const result = await instance.services.submit("main", message, { queue: true });
    await drain(instance);
    const { value } = await instance.request("GET", `/mail/${"mailId" in result ? result.mailId : ""}`);
    const { state, next_try } = value as { state: string; next_try: string };
    const seconds = (Date.parse(next_try) - instance.clock.now.getTime()) / 1_000;
    expect(state).toBe("deferred");
    expect(seconds).toBeWithin(least, most + 0.001);
    instance.clock.advance(seconds);
    await drain(instance);
    expect(
      server.connections.flatMap(({ commands }) => commands.filter((line) => line.startsWith("RCPT"))),
    ).toHaveLength(2);
  });

  test.each(["greeting", "mail", "body"] as const)("counts at %s", async (step) => {
    await using instance = await faultyInstance();
    await using server = await startSmtpServer({
      script: { [step]: reply("421 4.7.0 Try again in 10 minutes") },
    });
    await instance.request("POST", "/smtpserver/main", {
      json: { server: NAME, port: server.port, sender: USERNAME },
    });
    const message = { to: [{ name: "", address: "ann@example.net" }], subject: "Hello", text: "Hello.\n" };
    const result = await instance.services.submit("main", message, { queue: true });
    await drain(instance);
    const { value } = await instance.request("GET", `/mail/${"mailId" in result ? result.mailId : ""}`);
    const seconds =
      (Date.parse((value as { next_try: string }).next_try) - instance.clock.now.getTime()) / 1_000;
    expect(seconds).toBeWithin(600, 765.001);
  });
});
