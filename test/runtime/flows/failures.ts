import { expect } from "bun:test";
import * as mis from "../../../src/testing/smtp/index.ts";
import { type SmtpTestServerOptions, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import type { Exception, Flow, Instance, RuntimeName } from "../flow.ts";

/** Phase, code and outcome that `detail.delivery` names. */
type Fate = readonly [phase: string, code: string, outcome: "not-sent" | "unknown"];

interface Row {
  readonly what: string;
  readonly server: SmtpTestServerOptions;
  readonly definition?: Readonly<Record<string, unknown>>;
  readonly fate: Fate;
}

const USERS = { mailer: "right" };
const MAILER = { username: "mailer", password: "right" };

const ROWS: readonly Row[] = [
  {
    what: "a server that says nothing",
    server: { script: { greeting: mis.stall() } },
    fate: ["greeting", "timeout", "not-sent"],
  },
  {
    what: "a server that dribbles",
    server: { script: { ehlo: mis.trickle() } },
    fate: ["ehlo", "timeout", "not-sent"],
  },
  {
    what: "a server that is none",
    server: { script: { greeting: mis.garbage() } },
    fate: ["greeting", "protocol", "not-sent"],
  },
  {
    what: "no STARTTLS where it is asked for",
    server: { users: USERS },
    definition: { ...MAILER, tls: true },
    fate: ["starttls", "tls_not_offered", "not-sent"],
  },
  {
    what: "a user name where no AUTH is offered",
    server: {},
    definition: MAILER,
    fate: ["auth", "auth_not_offered", "not-sent"],
  },
  {
    what: "a wrong password",
    server: { users: USERS },
    definition: { ...MAILER, password: "wrong" },
    fate: ["auth", "auth_rejected", "not-sent"],
  },
  {
    what: "a rejected sender",
    server: { script: { mail: mis.reply("550 5.7.1 Not you") } },
    fate: ["sender", "sender_rejected", "not-sent"],
  },
  {
    what: "a rejected recipient",
    server: { script: { rcpt: mis.reply("550 5.1.1 No such user") } },
    fate: ["recipient", "recipient_rejected", "not-sent"],
  },
  {
    what: "a rejected content",
    server: { script: { body: mis.reply("554 5.7.1 Spam") } },
    fate: ["data", "content_rejected", "not-sent"],
  },
  {
    what: "a connection closed during the conversation",
    server: { script: { mail: mis.close() } },
    fate: ["sender", "closed", "not-sent"],
  },
  {
    what: "a connection closed after the end of the body",
    server: { script: { body: mis.close() } },
    fate: ["data", "closed", "unknown"],
  },
];

const NO_REASON: Exception = {
  because: "workerd does not say why a connection failed",
  run: (instance) => refusedPort(instance, ["connect", "unreachable", "not-sent"]),
};

export const FAILURES: readonly Flow[] = [
  {
    claim: "a port that no server listens on fails as connect, refused",
    run: (instance) => refusedPort(instance, ["connect", "refused", "not-sent"]),
    except: { workerd: NO_REASON } satisfies Partial<Record<RuntimeName, Exception>>,
  },
  ...ROWS.map(
    ({ what, server, definition, fate }): Flow => ({
      claim: `${what} fails as ${fate.join(", ")}`,
      async run(instance) {
        await using smtp = await startSmtpServer(server);
        await fails(instance, { server: "127.0.0.1", port: smtp.port, ...definition }, fate);
        expect(smtp.messages).toEqual([]);
        // Fails by its time limit if a connection is left behind.
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

async function refusedPort(instance: Instance, fate: Fate): Promise<void> {
  const smtp = await startSmtpServer();
  await smtp[Symbol.asyncDispose]();
  await fails(instance, { server: `127.0.0.1:${smtp.port}` }, fate);
}

async function fails(
  { admin }: Instance,
  definition: Readonly<Record<string, unknown>>,
  [phase, code, outcome]: Fate,
): Promise<void> {
  const mail = { sender: "a@example.org", recipient: "b@example.net", timeout: 1, ...definition };
  const { status, body } = await admin.test(mail);
  expect([status, body.result.value]).toEqual([200, false]);
  expect(body.detail?.delivery).toMatchObject({ phase, code, outcome, hint: expect.any(String) });
}
