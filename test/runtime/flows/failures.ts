import { expect } from "bun:test";
import * as mis from "../../../src/testing/smtp/index.ts";
import { type SmtpTestServerOptions, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import type { Exception, Flow, Instance, RuntimeName } from "../flow.ts";

/** Phase, code and outcome that `detail.delivery` names. */
type FailedResult = readonly [phase: string, code: string, outcome: "not-sent" | "unknown"];

interface Row {
  readonly what: string;
  readonly server: SmtpTestServerOptions;
  readonly definition?: Readonly<Record<string, unknown>>;
  readonly result: FailedResult;
}

const USERS = { mailer: "right" };
const MAILER = { username: "mailer", password: "right" };

const ROWS: readonly Row[] = [
  {
    what: "a silent server",
    server: { script: { greeting: mis.stall() } },
    result: ["greeting", "timeout", "not-sent"],
  },
  {
    what: "a server that sends an octet at a time",
    server: { script: { ehlo: mis.trickle() } },
    result: ["ehlo", "timeout", "not-sent"],
  },
  {
    what: "a server that does not speak SMTP",
    server: { script: { greeting: mis.garbage() } },
    result: ["greeting", "protocol", "not-sent"],
  },
  {
    what: "missing STARTTLS",
    server: { users: USERS },
    definition: { ...MAILER, tls: true },
    result: ["starttls", "tls_not_offered", "not-sent"],
  },
  {
    what: "a username without AUTH",
    server: {},
    definition: MAILER,
    result: ["auth", "auth_not_offered", "not-sent"],
  },
  {
    what: "a wrong password",
    server: { users: USERS },
    definition: { ...MAILER, password: "wrong" },
    result: ["auth", "auth_rejected", "not-sent"],
  },
  {
    what: "a rejected sender",
    server: { script: { mail: mis.reply("550 5.7.1 Not you") } },
    result: ["sender", "sender_rejected", "not-sent"],
  },
  {
    what: "a rejected recipient",
    server: { script: { rcpt: mis.reply("550 5.1.1 No such user") } },
    result: ["recipient", "recipient_rejected", "not-sent"],
  },
  {
    what: "rejected content",
    server: { script: { body: mis.reply("554 5.7.1 Spam") } },
    result: ["data", "content_rejected", "not-sent"],
  },
  {
    what: "a connection closed during the conversation",
    server: { script: { mail: mis.close() } },
    result: ["sender", "closed", "not-sent"],
  },
  {
    what: "a connection closed after the end of the body",
    server: { script: { body: mis.close() } },
    result: ["data", "closed", "unknown"],
  },
];

const NO_REASON: Exception = {
  because: "workerd does not say why a connection failed",
  run: (instance) => closedPort(instance, ["connect", "unreachable", "not-sent"]),
};

export const FAILURES: readonly Flow[] = [
  {
    claim: "a port that no server listens on fails as connect, refused",
    run: (instance) => closedPort(instance, ["connect", "refused", "not-sent"]),
    except: { workerd: NO_REASON } satisfies Partial<Record<RuntimeName, Exception>>,
  },
  ...ROWS.map(
    ({ what, server, definition, result }): Flow => ({
      claim: `${what} fails as ${result.join(", ")}`,
      async run(instance) {
        await using smtp = await startSmtpServer(server);
        await fails(instance, { server: "127.0.0.1", port: smtp.port, ...definition }, result);
        expect(smtp.messages).toEqual([]);
        // The test times out if a connection remains open.
        await smtp.closed();
      },
    }),
  ),
  {
    claim: "no sender fails as sender, sender_missing, not-sent",
    run: (instance) =>
      fails(instance, { server: "127.0.0.1", sender: "" }, ["sender", "sender_missing", "not-sent"]),
  },
  {
    claim: "a metadata service is rejected as policy, egress_denied, not-sent",
    run: (instance) =>
      fails(instance, { server: "169.254.169.254" }, ["policy", "egress_denied", "not-sent"]),
  },
];

async function closedPort(instance: Instance, result: FailedResult): Promise<void> {
  const smtp = await startSmtpServer();
  await smtp[Symbol.asyncDispose]();
  await fails(instance, { server: `127.0.0.1:${smtp.port}` }, result);
}

async function fails(
  { admin }: Instance,
  definition: Readonly<Record<string, unknown>>,
  [phase, code, outcome]: FailedResult,
): Promise<void> {
  const mail = { sender: "a@example.org", recipient: "b@example.net", timeout: 1, ...definition };
  const { status, body } = await admin.test(mail);
  expect([status, body.result.value]).toEqual([200, false]);
  expect(body.detail?.delivery).toMatchObject({ phase, code, outcome, hint: expect.any(String) });
}
