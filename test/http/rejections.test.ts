import { describe, expect, test } from "bun:test";
import { reply, type ServerStep, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type TestInstance, testInstance } from "../fixtures/instance.ts";
import { makeTransport } from "../transport/support.ts";

const USER = { username: "app@example.org", password: "pass word" };
const USERS = { [USER.username]: USER.password };

interface Row {
  /** The command that gets the reply, and the reply. */
  readonly at: ServerStep;
  readonly line: string;
  readonly body?: object;
  readonly failure: readonly [phase: string, code: string];
  /** Texts that the hint has, and that it does not have. */
  readonly has: string;
  readonly hasNot?: string;
  /** Parameter and value. Default: no remedy. */
  readonly remedy?: readonly [parameter: string, value: unknown];
}

const ROWS: readonly Row[] = [
  {
    ...{ at: "greeting", line: "421 Too many concurrent SMTP connections" },
    ...{ failure: ["greeting", "rate_limited"], has: "connections", hasNot: "listening" },
    remedy: ["max_connections", null],
  },
  {
    ...{ at: "greeting", line: "554 mx does not accept mail" },
    ...{ failure: ["greeting", "refused"], has: "The server was reached", hasNot: "listening" },
  },
  {
    ...{ at: "mail", line: "530 5.7.0 Must issue a STARTTLS command first" },
    ...{ failure: ["sender", "tls_required"], has: "set tls to true", remedy: ["tls", true] },
  },
  {
    ...{ at: "mail", line: "530 5.7.0 Authentication Required" },
    ...{ failure: ["sender", "auth_required"], has: "username and password", remedy: ["username", null] },
  },
  {
    ...{ at: "starttls", line: "454 4.7.0 TLS not available due to local problem", body: { tls: true } },
    ...{ failure: ["starttls", "tls_unavailable"], has: "later", hasNot: "false" },
  },
  {
    ...{ at: "auth", line: "432 4.3.2 Concurrent connections limit exceeded", body: USER },
    ...{ failure: ["auth", "rate_limited"], has: "max_connections", remedy: ["max_connections", 3] },
  },
  {
    ...{ at: "body", line: "454 Throttling failure: maximum sending rate exceeded" },
    ...{ failure: ["data", "rate_limited"], has: "mails_per_minute", hasNot: "content" },
    remedy: ["mails_per_minute", null],
  },
  {
    ...{ at: "mail", line: "550 5.4.5 Daily user sending limit exceeded" },
    ...{ failure: ["sender", "rate_limited"], has: "limit" },
  },
  {
    ...{ at: "body", line: "554 5.2.252 SendAsDenied; not allowed to send as this address" },
    ...{ failure: ["data", "sender_rejected"], has: "Set sender", remedy: ["sender", null] },
  },
  {
    ...{ at: "body", line: "554 5.2.0 SubmissionQuotaExceeded" },
    ...{ failure: ["data", "rate_limited"], has: "limit", hasNot: "address" },
  },
  {
    ...{ at: "rcpt", line: "451 4.2.0 Greylisted, come back in 5 minutes" },
    ...{ failure: ["recipient", "recipient_rejected"], has: "Try again", hasNot: "address" },
  },
  {
    ...{ at: "rcpt", line: "454 4.7.1 Relay access denied" },
    ...{ failure: ["recipient", "auth_required"], has: "username and password", hasNot: "address" },
    remedy: ["username", null],
  },
  {
    ...{ at: "rcpt", line: "553 5.7.1 Sender address rejected: not owned by user", body: USER },
    ...{ failure: ["recipient", "sender_rejected"], has: "sender", remedy: ["sender", null] },
  },
  {
    ...{ at: "auth", line: "538 5.7.11 Encryption required for requested authentication mechanism" },
    ...{ body: USER, failure: ["auth", "tls_required"], has: "set tls to true", remedy: ["tls", true] },
  },
  { at: "ehlo", line: "421 Busy", failure: ["ehlo", "rate_limited"], has: "later" },
  { at: "mail", line: "421 Busy", failure: ["sender", "rate_limited"], has: "later" },
  { at: "auth", line: "421 Busy", body: USER, failure: ["auth", "rate_limited"], has: "later" },
  {
    ...{ at: "auth", line: "454 4.7.0 Temporary authentication failure", body: USER },
    ...{ failure: ["auth", "auth_rejected"], has: "later", hasNot: "password" },
  },
  {
    ...{ at: "rcpt", line: "452 4.2.2 Mailbox full" },
    ...{ failure: ["recipient", "recipient_rejected"], has: "full" },
  },
  {
    ...{ at: "data", line: "530 5.7.0 Authentication required" },
    ...{ failure: ["data", "auth_required"], has: "username and password", remedy: ["username", null] },
  },
  {
    ...{ at: "rcpt", line: "550 relay not permitted", body: USER },
    ...{ failure: ["recipient", "recipient_rejected"], has: "relay" },
  },
  // Sendmail's words for any denied relaying.
  {
    ...{
      at: "rcpt",
      line: "550 5.7.1 <ann@example.net>... Relaying denied. Proper authentication required.",
    },
    ...{ body: USER, failure: ["recipient", "recipient_rejected"], has: "relay" },
  },
  {
    ...{
      at: "rcpt",
      line: "550 5.7.1 <ann@example.net>... Relaying denied. Proper authentication required.",
    },
    ...{ failure: ["recipient", "auth_required"], has: "username and password", remedy: ["username", null] },
  },
  {
    ...{ at: "greeting", line: "530 Access denied" },
    ...{ failure: ["greeting", "tls_required"], has: "set tls to true", remedy: ["tls", true] },
  },
  {
    ...{ at: "greeting", line: "530 Access denied", body: { tls: true } },
    ...{ failure: ["greeting", "auth_required"], has: "username and password", remedy: ["username", null] },
  },
  {
    ...{ at: "greeting", line: "530 5.7.0 Must issue a STARTTLS command first", body: { tls: true } },
    ...{ failure: ["greeting", "tls_required"], has: "smtps://localhost", hasNot: "encrypted" },
    remedy: ["server", "smtps://localhost"],
  },
  {
    ...{ at: "starttls", line: "530 5.7.0 Authentication required", body: { tls: true } },
    ...{ failure: ["starttls", "auth_required"], has: "username and password", remedy: ["username", null] },
  },
  {
    ...{ at: "starttls", line: "538 5.7.11 Encryption required", body: { tls: true } },
    ...{ failure: ["starttls", "tls_required"], has: "smtps://localhost", hasNot: "encrypted" },
    remedy: ["server", "smtps://localhost"],
  },
  // A bad sequence of commands says nothing about username and password. Sendmail and OpenSMTPD.
  ...["503 5.3.3 AUTH not available", "503 5.5.1 Invalid command: Command not supported"].map(
    (line): Row => ({
      ...{ at: "auth", line, body: USER, failure: ["auth", "auth_not_offered"] },
      ...{ has: "every kind of login", hasNot: "password" },
    }),
  ),
];

function sendTest(instance: TestInstance, port: number, body: object) {
  const json = {
    ...{ identifier: "office", server: `localhost:${port}`, timeout: 3 },
    ...{ sender: "app@example.org", recipient: "ann@example.net", ...body },
  };
  return instance.request("POST", "/smtpserver/send_test_email", { json });
}

describe("a test whose server replies", () => {
  for (const { at, line, body = {}, failure, has, hasNot, remedy } of ROWS) {
    const [phase, code] = failure;
    test(`"${line}" to ${at} fails as ${code}, with "${has}" in the hint`, async () => {
      const security = at === "starttls" ? "starttls" : "none";
      await using server = await startSmtpServer({
        security,
        users: USERS,
        script: { [at]: reply(line) },
      });
      await using transport = makeTransport();
      await using instance = await testInstance({ transport });
      const { status, value, detail } = await sendTest(instance, server.port, body);
      expect([status, value]).toEqual([200, false]);
      const delivery = Object(detail?.delivery);
      const retryable = line.startsWith("4");
      expect(delivery).toMatchObject({ phase, code, retryable, outcome: "not-sent" });
      expect(delivery.reply.code).toBe(Number(line.slice(0, 3)));
      expect(delivery.hint).toContain(has);
      if (hasNot !== undefined) expect(delivery.hint).not.toContain(hasNot);
      expect(delivery.remedy).toEqual(remedy && { parameter: remedy[0], value: remedy[1] });
      expect(server.messages).toEqual([]);
    });
  }
});

test.each(["220 Go\r\n250 Injected", "220 Go\r\n250-Inj", "250 OK"])(
  "%j to STARTTLS has a hint about that reply, not about versions of TLS",
  async (line) => {
    await using server = await startSmtpServer({ security: "starttls", script: { starttls: reply(line) } });
    await using transport = makeTransport();
    await using instance = await testInstance({ transport });
    const { detail } = await sendTest(instance, server.port, { tls: true });
    const delivery = {
      phase: "starttls",
      code: "protocol",
      hints: [{ code: "starttls_invalid" }],
      reply: { code: expect.any(Number) },
    };
    expect(detail?.delivery).toMatchObject(delivery);
  },
);

test.each([
  ["relay", "another", "rcpt", "554 5.7.1 Relay access denied", "relay_denied"],
  ["user", "password", "auth", "535 5.7.8 Username and Password not accepted", "google_login"],
  ["me", "greylisted", "rcpt", "450 4.2.0 Greylisted, try later", "greylisting"],
] as const)(
  "username %s and password %s are withheld from the reply to %s, %j, and not from its hint",
  async (username, password, at, line, hint) => {
    await using server = await startSmtpServer({
      users: { [username]: password },
      script: { [at]: reply(line) },
    });
    await using transport = makeTransport();
    await using instance = await testInstance({ transport });
    const { detail } = await sendTest(instance, server.port, { username, password });
    const delivery = Object(detail?.delivery);
    expect(delivery.reply.text).toContain("[secret]");
    expect(delivery.hints).toMatchObject([{ code: hint }]);
  },
);

test("the audit row of a rejected test has the same code and phase", async () => {
  const script = { rcpt: reply("553 5.7.1 Sender address rejected: not owned by user") };
  await using server = await startSmtpServer({ script });
  await using transport = makeTransport();
  await using instance = await testInstance({ transport });
  await sendTest(instance, server.port, {});
  const { value } = await instance.request("GET", "/audit/", { query: { identifier: "office" } });
  expect(value).toMatchObject({
    auditdata: [{ success: false, phase: "recipient", info: "sender_rejected", outcome: "not-sent" }],
  });
});
