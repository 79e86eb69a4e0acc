import { expect } from "bun:test";
import { reply, type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { type Api, request } from "../../fixtures/process/api.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import type { Flow, Instance } from "../flow.ts";

const ATTACHED = "Ünïcode attached";
const SIGNED = "sends-signed";
/** No attempt is due by itself while a test lasts. */
const NOT_SOON = reply("450 4.2.0 Try again in 1 hour");
const DOCTOR = [
  ...["settings", "base_url", "plugins", "keys", "database", "clock", "queue"],
  ...["dns", "ports", "servers", "certificates", "tokens", "oauth"],
];

interface SentMail {
  readonly id: string;
  readonly state: string;
  /** Only in a batch. */
  readonly error?: object;
}

/** What `POST /mail/` and `POST /mail/batch` do, and what shows it to an operator. */
export const SEND: readonly Flow[] = [
  ...[false, true].map(
    (isQueued): Flow => ({
      claim: `POST /mail/ sends a signed message with an attachment ${isQueued ? "from the queue" : "while the caller waits"}`,
      needs: "openssl",
      async run({ admin, trigger }) {
        await using smtp = await startSmtpServer();
        const root = await saveSigned(admin, smtp);
        const to = "Ann <ann@example.net>";
        const attachments = [{ filename: "ä.txt", content: Buffer.from(ATTACHED).toBase64() }];
        const mail = { server: SIGNED, to, cc: "bob@example.net", subject: "Report", text: "Attached." };
        const { status, body } = await admin.call<SentMail>("POST", "/mail/", {
          ...mail,
          attachments,
          queue: isQueued,
        });
        const { id, state } = body.result.value ?? {};
        expect([status, state]).toEqual([200, isQueued ? "queued" : "sent"]);
        await untilState(admin, [id ?? ""], "sent", trigger);
        expect(smtp.messages.flatMap(({ recipients }) => recipients).sort()).toEqual([
          "ann@example.net",
          "bob@example.net",
        ]);
        const verified = await opensslVerify(smtp.messages[0]?.bytes ?? new Uint8Array(), root);
        expect(verified.stderr).toContain("successful");
        expect(verified.stdout).toContain(`\r\nTo: ${to}\r\n`);
        expect(verified.stdout).toContain(Buffer.from(ATTACHED).toBase64());
      },
    }),
  ),
  {
    claim: "POST /mail/batch queues messages in order, and has the error of a bad one in its place",
    async run({ admin, trigger }) {
      await using smtp = await startSmtpServer();
      await save(admin, "sends-batch", smtp);
      const message = (to: string) => ({ server: "sends-batch", to, subject: "Report", text: "Hello" });
      const messages = ["ann@example.net", "nobody", "bob@example.net"].map(message);
      const { status, body } = await admin.call<readonly SentMail[]>("POST", "/mail/batch", { messages });
      const [first, second, third] = body.result.value ?? [];
      expect([status, first?.state, third?.state]).toEqual([200, "queued", "queued"]);
      expect(second?.error).toMatchObject({ code: 905, parameter: "to" });
      const ids = [first, third].flatMap((one) => one?.id ?? []);
      await untilState(admin, ids, "sent", trigger);
      expect(smtp.messages.flatMap(({ recipients }) => recipients).sort()).toEqual([
        "ann@example.net",
        "bob@example.net",
      ]);
    },
  },
  {
    claim: "GET /metrics needs a token, and shows what waits in the queue and what was sent",
    async run(instance) {
      const mails = 'sealpost_mails_total{server="measured"';
      expect(await metrics(instance)).toEqual([
        `${mails},result="deferred",mode="queued"} 1`,
        `${mails},result="sent",mode="inline"} 1`,
        'sealpost_queue_mails{server="measured",state="deferred"} 1',
      ]);
    },
    except: {
      workerd: {
        because:
          "an isolate sees a part of the requests, and an object ends when idle: metrics are those of the database",
        async run(instance) {
          expect(await metrics(instance)).toEqual([
            'sealpost_queue_mails{server="measured",state="deferred"} 1',
          ]);
        },
      },
    },
  },
  {
    claim: "GET /system/doctor names every check, and the definition whose server is not there",
    setup: "behind a proxy",
    async run({ admin }) {
      const port = await closedPort();
      await admin.save("unreachable", { server: `127.0.0.1:${port}`, sender: SENDER, timeout: 2 });
      const { status, body } = await admin.call<readonly { name: string; ok: boolean; message: string }[]>(
        "GET",
        "/system/doctor",
      );
      const found = body.result.value ?? [];
      expect([status, found.map(({ name }) => name)]).toEqual([200, DOCTOR]);
      const ports = found.find(({ name }) => name === "ports");
      expect(ports).toMatchObject({ ok: false });
      expect(ports?.message).toContain(`unreachable (127.0.0.1:${port}): `);
      for (const name of ["settings", "keys", "database", "clock", "queue"]) {
        expect(found.find((one) => one.name === name)).toMatchObject({ name, ok: true });
      }
    },
  },
];

const save = (admin: Api, name: string, { port }: Pick<SmtpTestServer, "port">) =>
  admin.save(name, { server: `127.0.0.1:${port}`, sender: SENDER, timeout: 10 });

/** Saves a definition that signs. @returns the root of its certificate. */
async function saveSigned(admin: Api, { port }: SmtpTestServer) {
  const { key, certificate, root, intermediate } = await sender("rsa");
  const { status } = await admin.save(SIGNED, {
    ...{ server: `127.0.0.1:${port}`, sender: SENDER, timeout: 10, smime: true, dont_send_on_error: true },
    private_key: key,
    certificate: certificate + intermediate.certificate,
  });
  expect(status).toBe(200);
  return root;
}

/** Sends one message and leaves one deferred. @returns the metrics that count them, sorted. */
async function metrics({ admin, origin, trigger }: Instance): Promise<readonly string[]> {
  await using smtp = await startSmtpServer();
  await save(admin, "measured", smtp);
  const mail = { server: "measured", to: "ann@example.net", subject: "Report", text: "Hello" };
  await admin.call("POST", "/mail/", { ...mail, queue: false });
  smtp.script("rcpt", NOT_SOON);
  const { body } = await admin.call<SentMail>("POST", "/mail/", mail);
  await untilState(admin, [body.result.value?.id ?? ""], "deferred", trigger);
  expect((await request(`${origin}/metrics`)).status).toBe(401);
  const response = await fetch(`${origin}/metrics`, { headers: { Authorization: admin.token } });
  const lines = (await response.text()).split("\n");
  expect([response.status, response.headers.get("content-type")]).toEqual([
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  expect(lines.filter((line) => line.startsWith("sealpost_info{"))).toHaveLength(1);
  const counted = /^sealpost_(?:mails_total|queue_mails)\{server="measured"/;
  return lines.filter((line) => counted.test(line)).sort();
}

/** Polls until all messages are in this state. The time limit of the test bounds it. */
async function untilState(
  admin: Api,
  ids: readonly string[],
  state: string,
  between: Instance["trigger"],
): Promise<void> {
  for (const id of ids) {
    for (;;) {
      const { body } = await admin.call<SentMail>("GET", `/mail/${id}`);
      if (body.result.value?.state === state) break;
      await between();
    }
  }
}

/** Returns a port on which nothing listens. */
async function closedPort(): Promise<number> {
  await using smtp = await startSmtpServer();
  return smtp.port;
}
