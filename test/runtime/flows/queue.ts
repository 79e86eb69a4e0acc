import { expect } from "bun:test";
import {
  close,
  type Misbehavior,
  reply,
  type SmtpTestServer,
  startSmtpServer,
} from "../../../src/testing/smtp/index.ts";
import { type Api, type ApiResponse, request } from "../../fixtures/process/api.ts";
import type { Flow, Instance } from "../flow.ts";

const SENDER = "a@example.org";
const AT_ONCE = 50;
const CONFLICT = 409;
/** No attempt is due by itself while a test lasts. */
const NOT_SOON = reply("450 4.2.0 Try again in 1 hour");

interface MailRecord {
  readonly id: string;
  readonly state: string;
  readonly message_id: string;
  readonly attempts: readonly { readonly outcome: string; readonly code: string | null }[];
}

export const QUEUE: readonly Flow[] = [
  {
    claim: "the response to a queued test message has its id; it arrives and is recorded without its content",
    async run({ admin }) {
      await using smtp = await startSmtpServer();
      const id = await queue(admin, smtp, "queued@example.net");
      const record = await until(admin, id, "sent");
      expect(record.attempts).toMatchObject([{ outcome: "sent", code: null }]);
      expect(smtp.messages).toMatchObject([{ from: SENDER, recipients: ["queued@example.net"] }]);
      const text = new TextDecoder().decode(smtp.messages[0]?.bytes);
      expect(text).toContain(`\r\nMessage-ID: ${record.message_id}\r\n`);
      expect(JSON.stringify(record)).not.toContain("Test Email");
    },
  },
  {
    claim: "a message to an unavailable server is sent when the server is available again",
    run: waitsForServer,
    except: {
      workerd: {
        because: "workerd has no worker that goes on: the cron trigger of each minute sends what is due",
        run: waitsForServer,
      },
    },
    isUsualInObject: true,
  },
  {
    claim: "the same Idempotency-Key queues once and returns the same response; other content is 409",
    async run({ admin, origin }) {
      await using smtp = await startSmtpServer();
      const key = crypto.randomUUID();
      const recipient = "once@example.net";
      const first = await send(origin, admin, key, mailFor(smtp, recipient));
      expect(await send(origin, admin, key, mailFor(smtp, recipient))).toEqual({
        ...first,
        body: expect.objectContaining({ result: first.body.result, detail: first.body.detail }),
      });
      await until(admin, idOf(first), "sent");
      expect((await send(origin, admin, key, mailFor(smtp, "other@example.net"))).status).toBe(CONFLICT);
      expect(smtp.messages.flatMap(({ recipients }) => recipients)).toEqual([recipient]);
    },
  },
  {
    claim: "a deferred message is sent immediately after a retry, and never after it is canceled",
    async run({ admin }) {
      await using smtp = await startSmtpServer({ script: { rcpt: NOT_SOON } });
      const [retried, cancelled] = [await wait(admin, smtp), await wait(admin, smtp)];
      smtp.script("rcpt", undefined);
      expect((await admin.call("POST", `/mail/${cancelled}/cancel`)).status).toBe(200);
      expect((await admin.call("POST", `/mail/${retried}/retry`)).status).toBe(200);
      expect((await until(admin, retried, "sent")).attempts).toHaveLength(2);
      expect((await admin.call("POST", `/mail/${cancelled}/retry`)).status).toBe(CONFLICT);
      expect((await until(admin, cancelled, "cancelled")).attempts).toHaveLength(1);
      expect(smtp.messages).toHaveLength(1);
    },
  },
  {
    claim: `${AT_ONCE} messages queued simultaneously all arrive, once each`,
    setup: "alone",
    async run({ admin }) {
      await using smtp = await startSmtpServer();
      const recipients = Array.from({ length: AT_ONCE }, (_, index) => `you${index}@example.net`).sort();
      const ids = await Promise.all(recipients.map((recipient) => queue(admin, smtp, recipient)));
      for (const id of ids) await until(admin, id, "sent");
      expect(smtp.messages.flatMap((mail) => mail.recipients).sort()).toEqual(recipients);
    },
  },
  ...([undefined, "killed"] as const).map(
    (how): Flow => ({
      claim: `a queued message outlasts a restart of a server that was ${how ?? "stopped"}`,
      setup: "alone",
      async run(instance) {
        await using smtp = await startSmtpServer({ script: { rcpt: NOT_SOON } });
        const id = await wait(instance.admin, smtp);
        await using next = await instance.restart(how);
        const before = await until(next.admin, id, "deferred");
        smtp.script("rcpt", undefined);
        await next.admin.call("POST", `/mail/${id}/retry`);
        const after = await until(next.admin, id, "sent");
        expect(after).toMatchObject({ message_id: before.message_id, attempts: [{}, { outcome: "sent" }] });
        expect(smtp.messages).toHaveLength(1);
      },
    }),
  ),
  {
    claim: "a stop lets the delivery in flight end, and the message is sent once",
    setup: "alone",
    async run({ admin, restart }) {
      const arrived = Promise.withResolvers<() => void>();
      const hold: Misbehavior = (_peer, reply) => arrived.resolve(reply);
      await using smtp = await startSmtpServer({ script: { body: hold } });
      const id = await queue(admin, smtp, "in-flight@example.net");
      const response = await arrived.promise;
      const restarting = restart();
      response();
      await using next = await restarting;
      expect((await until(next.admin, id, "sent")).attempts).toHaveLength(1);
      expect(smtp.messages).toHaveLength(1);
    },
    except: {
      workerd: {
        because: "workerd ends during an invocation; the message is due again when its lease ends",
      },
    },
  },
];

async function waitsForServer(instance: Instance): Promise<void> {
  const { admin, trigger } = instance;
  await using smtp = await startSmtpServer({ script: { connect: close() } });
  const id = await queue(admin, smtp, "patient@example.net");
  await until(admin, id, "deferred");
  smtp.script("connect", undefined);
  // The first backoff is at most five seconds.
  const { attempts } = await until(admin, id, "sent", trigger);
  expect(attempts[0]).toMatchObject({ outcome: "not-sent" });
  expect(attempts.at(-1)).toMatchObject({ outcome: "sent" });
  expect(smtp.messages).toHaveLength(1);
}

const mailFor = ({ port }: SmtpTestServer, recipient: string) => {
  const definition = { server: `127.0.0.1:${port}`, sender: SENDER, timeout: 10, enqueue_job: true };
  return { ...definition, recipient };
};

/** Queues a test message. @returns its ID. */
async function queue(admin: Api, smtp: SmtpTestServer, recipient: string): Promise<string> {
  return idOf(await admin.test(mailFor(smtp, recipient)));
}

/** Queues a message that the server defers. */
async function wait(admin: Api, smtp: SmtpTestServer): Promise<string> {
  const id = await queue(admin, smtp, "later@example.net");
  await until(admin, id, "deferred");
  return id;
}

function idOf({ status, body }: ApiResponse<unknown>): string {
  const detail = body.detail as { readonly queued?: boolean; readonly mail_id?: string } | undefined;
  expect([status, body.result.value, detail?.queued]).toEqual([200, true, true]);
  return detail?.mail_id ?? "";
}

async function send(
  origin: string,
  { token }: Api,
  key: string,
  mail: ReturnType<typeof mailFor>,
): Promise<ApiResponse<unknown>> {
  const headers = { Authorization: token, "Content-Type": "application/json", "Idempotency-Key": key };
  const init = { method: "POST", headers, body: JSON.stringify(mail) };
  return request(`${origin}/smtpserver/send_test_email`, init);
}

/** Polls until a message is in this state. The time limit of the test bounds it. */
async function until(
  admin: Api,
  id: string,
  state: string,
  between: () => Promise<void> = async () => undefined,
): Promise<MailRecord> {
  for (;;) {
    const { body } = await admin.call<MailRecord>("GET", `/mail/${id}`);
    if (body.result.value?.state === state) return body.result.value;
    await between();
  }
}
