import { beforeAll, describe, expect, test } from "bun:test";
import { Secret } from "../../src/domain/secret.ts";
import * as mis from "../../src/testing/smtp/index.ts";
import { type SmtpTestServerOptions, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { makeTlsMaterial, openssl, type TlsMaterial } from "../fixtures/smtp/tls.ts";
import { makeTransport, sendTo, serverAt } from "./support.ts";

const USERS = { "jürgen@example.org": "paß w€rd" };
const LOGIN = { username: "jürgen@example.org", password: new Secret("paß w€rd") } as const;

/** Returns the first AUTH line of a sent message. `null` without one. */
async function mechanismUsed(
  options: SmtpTestServerOptions,
  extraCa: readonly string[],
): Promise<string | null> {
  await using server = await startSmtpServer({ users: USERS, ...options });
  await using transport = makeTransport({ extraCa });
  const security = options.security ?? "none";
  const receipt = await sendTo(transport, serverAt(server.port, { ...LOGIN, security, host: "localhost" }));
  expect(receipt.successful).toBe(true);
  expect(server.messages[0]?.isAuthenticated).toBe(true);
  const line = server.connections[0]?.commands.find((command) => command.startsWith("AUTH"));
  return line?.split(" ")[1] ?? null;
}

describe.skipIf(openssl === null)("AUTH under TLS", () => {
  let material: TlsMaterial;
  beforeAll(() => {
    material = makeTlsMaterial();
  });
  for (const [mechanisms, used] of [
    [["CRAM-MD5", "LOGIN", "PLAIN"], "PLAIN"],
    [["CRAM-MD5", "LOGIN"], "LOGIN"],
    [["GSSAPI", "CRAM-MD5"], "CRAM-MD5"],
  ] as const) {
    test(`takes ${used} of ${mechanisms.join(", ")}`, async () => {
      const options = { mechanisms, security: "starttls", tls: material.good } as const;
      expect(await mechanismUsed(options, [material.ca])).toBe(used);
    });
  }
});

for (const [mechanisms, used] of [
  [["PLAIN", "LOGIN", "CRAM-MD5"], "CRAM-MD5"],
  [["LOGIN", "PLAIN"], "PLAIN"],
  [["LOGIN"], "LOGIN"],
] as const) {
  test(`AUTH in clear takes ${used} of ${mechanisms.join(", ")}`, async () => {
    expect(await mechanismUsed({ mechanisms }, [])).toBe(used);
  });
}

for (const [what, options] of [
  ["no AUTH", {}],
  ["only unsupported mechanisms", { users: USERS, mechanisms: ["GSSAPI", "XOAUTH2"] }],
  ["only HELO", { users: USERS, script: { ehlo: mis.reply("502 What") } }],
] as const) {
  test(`a username and ${what} offered fails as auth_not_offered on every attempt, and nothing is sent`, async () => {
    await using server = await startSmtpServer(options);
    await using transport = makeTransport();
    for (let tries = 1; tries <= 2; tries++) {
      const receipt = await sendTo(transport, serverAt(server.port, LOGIN));
      const failure = { phase: "auth", code: "auth_not_offered", outcome: "not-sent", retryable: false };
      expect(receipt).toMatchObject({ successful: false, failure });
      // An unauthenticated connection is not kept.
      expect(server.connections).toHaveLength(tries);
    }
    const said = server.connections.flatMap(({ commands }) => commands);
    expect(said.filter((line) => !/^(EHLO|HELO|QUIT)/.test(line))).toEqual([]);
  });
}

test("a wrong password fails as auth_rejected with the server's reply", async () => {
  await using server = await startSmtpServer({ users: USERS });
  await using transport = makeTransport();
  const target = serverAt(server.port, { ...LOGIN, password: new Secret("wrong one") });
  expect(await sendTo(transport, target)).toMatchObject({
    failure: {
      phase: "auth",
      code: "auth_rejected",
      retryable: false,
      reply: { code: 535, enhanced: "5.7.8" },
    },
  });
  expect(server.messages).toEqual([]);
});

test("an empty password fails as auth_rejected and is never sent", async () => {
  await using server = await startSmtpServer({ users: USERS });
  await using transport = makeTransport();
  const target = serverAt(server.port, { ...LOGIN, password: Secret.EMPTY });
  expect(await sendTo(transport, target)).toMatchObject({
    failure: { phase: "auth", code: "auth_rejected" },
  });
  expect(server.messages).toEqual([]);
});

test("without a username, AUTH is not sent although it is offered", async () => {
  await using server = await startSmtpServer({ users: USERS });
  await using transport = makeTransport();
  expect((await sendTo(transport, serverAt(server.port))).successful).toBe(true);
  expect(server.connections[0]?.commands.some((line) => line.startsWith("AUTH"))).toBe(false);
});

test("endless challenges in AUTH fail as protocol", async () => {
  const script = { auth: mis.reply("334 "), credentials: mis.reply("334 ") };
  await using server = await startSmtpServer({ users: USERS, mechanisms: ["PLAIN"], script });
  await using transport = makeTransport();
  expect(await sendTo(transport, serverAt(server.port, LOGIN))).toMatchObject({
    failure: { phase: "auth", code: "protocol", outcome: "not-sent" },
  });
});

test("a password that the server repeats is hidden in the receipt", async () => {
  const plain = Buffer.from("\0jürgen@example.org\0paß w€rd").toString("base64");
  const told = Buffer.from(`535 5.7.8 No: AUTH PLAIN ${plain} (paß w€rd)`).toString("latin1");
  await using server = await startSmtpServer({ users: USERS, script: { auth: mis.reply(told) } });
  await using transport = makeTransport();
  expect(await sendTo(transport, serverAt(server.port, LOGIN))).toMatchObject({
    failure: { reply: { text: "No: AUTH PLAIN [secret] ([secret])" } },
  });
});

test("a password that the server lists as a mechanism is hidden in the report", async () => {
  const listed = Buffer.from("paß w€rd").toString("base64");
  await using server = await startSmtpServer({ users: USERS, mechanisms: [listed, "plain"] });
  await using transport = makeTransport();
  const { seen } = await sendTo(transport, serverAt(server.port, LOGIN));
  expect(seen.mechanisms).toEqual(["[SECRET]", "PLAIN"]);
  expect(seen.extensions.clear).toContain("AUTH [secret] plain");
});

describe("no part of a password that a server repeats reaches the receipt", () => {
  const password = 'Zx9!uniq&Secret+"q';
  const login = Buffer.from(`\0u\0${password}`).toString("base64");
  for (const [form, lines] of Object.entries({
    "base64, cut": [`535 5.7.8 bad ${login.slice(0, -2)}`],
    percent: [`535 5.7.8 bad ${encodeURIComponent(password)}`],
    hex: [`535 5.7.8 bad ${Buffer.from(password).toString("hex")}`],
    JSON: [`535 5.7.8 bad ${JSON.stringify(password)}`],
    HTML: ["535 5.7.8 bad Zx9!uniq&amp;Secret+&quot;q"],
    "quoted-printable": ["535 5.7.8 bad Zx9=21uniq=26Secret=2B=22q"],
    "two lines": [`535-5.7.8 bad ${password.slice(0, 9)}`, `535 5.7.8 ${password.slice(9)}`],
    "two lines of base64": [`535-5.7.8 bad ${login.slice(0, 11)}`, `535 5.7.8 ${login.slice(11)}`],
  })) {
    test(form, async () => {
      await using server = await startSmtpServer({ users: USERS, script: { auth: mis.reply(...lines) } });
      await using transport = makeTransport();
      const options = { username: "u", password: new Secret(password) };
      const { reply } = Object(await sendTo(transport, serverAt(server.port, options))).failure;
      expect(reply.text.replaceAll("[secret]", "").replaceAll(/[ "]/g, "")).toBe("bad");
    });
  }
});

test("a delay is read from a reply whose text is withheld because it has a short username", async () => {
  const later = mis.reply("450 4.7.1 User app: 100 messages in 1 hour, try again in 10 minutes");
  await using server = await startSmtpServer({ users: { app: "a password" }, script: { rcpt: later } });
  await using transport = makeTransport();
  const target = serverAt(server.port, { username: "app", password: new Secret("a password") });
  expect(await sendTo(transport, target)).toMatchObject({
    failure: { reply: { code: 450, text: "[secret]" }, retryAfterMs: 600_000 },
  });
});

describe("a rejection that has the words of a username or password", () => {
  test.each([
    [
      "app",
      "rcpt",
      "553 5.7.1 <a@example.org>: Sender address rejected: not owned by user app",
      "sender_rejected",
    ],
    ["mail", "rcpt", "550 5.5.0 Requested action not taken: mailbox unavailable", "recipient_rejected"],
    ["sender", "rcpt", "553 5.7.1 Sender address is not allowed", "sender_rejected"],
    ["limit", "body", "554 5.7.0 Your hourly limit is reached", "rate_limited"],
    ["tls", "mail", "550 5.7.1 Submission requires tls", "tls_required"],
    ["pipelining", "body", "550 Pipelining is not allowed", "protocol"],
  ] as const)("has its own code: %s at %s got %j", async (username, step, text, code) => {
    const users = { [username]: "a password" };
    await using server = await startSmtpServer({ users, script: { [step]: mis.reply(text) } });
    await using transport = makeTransport();
    const target = serverAt(server.port, { username, password: new Secret("a password") });
    const receipt = await sendTo(transport, target);
    expect(receipt).toMatchObject({
      successful: false,
      failure: { code, reply: { code: Number(text.slice(0, 3)) } },
    });
    expect(receipt.successful ? "" : receipt.failure.reply?.text).toContain("[secret]");
  });
});
