import { expect } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { type Misbehavior, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { type Api, request } from "../../fixtures/process/api.ts";
import type { Flow, Instance } from "../flow.ts";

const AT_ONCE = 50;
const MOST_BODY_BYTES = 256 * 1024;
const HUGE_BYTES = 20 * 1024 * 1024;

export const LOAD: readonly Flow[] = [
  {
    claim: "a body of 256 KiB is accepted, and one byte more is 413, declared or not",
    run: (instance) => limits(instance, [413]),
    except: {
      Node: {
        because: "Node closes the connection of a client that still sends half a second after the response",
        run: (instance) => limits(instance, [413, "closed"]),
      },
      workerd: {
        because: "workerd may close the connection before a client that still sends has read the answer",
        run: (instance) => limits(instance, [413, "closed"]),
      },
    },
  },
  {
    claim: "a GET that declares a body of more than 256 KiB is 413 before it sends any of it",
    async run({ origin }) {
      expect(await statusOfGet(origin, MOST_BODY_BYTES + 1)).toBe("HTTP/1.1 413");
    },
  },
  {
    claim: `${AT_ONCE} simultaneous saves and lists all get their response, and every save is kept`,
    async run({ admin }) {
      const names = Array.from({ length: AT_ONCE }, (_, index) => `parallel ${index}`);
      const responses = await Promise.all(
        names.flatMap((name) => [
          admin.save(name, { server: "mail.example.org", password: name }),
          admin.call("GET", "/smtpserver/"),
        ]),
      );
      expect(responses.filter(({ status }) => status !== 200)).toEqual([]);
      const found = await admin.list();
      expect(names.map((name) => found[name]?.password)).toEqual(names);
    },
  },
  {
    claim: `${AT_ONCE} simultaneous test messages all arrive, once each, and are all audited`,
    setup: "alone",
    async run({ admin }) {
      await using smtp = await startSmtpServer();
      const recipients = Array.from({ length: AT_ONCE }, (_, index) => `you${index}@example.net`).sort();
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org", timeout: 30 };
      const sendings = recipients.map((recipient) => admin.test({ ...definition, recipient }));
      const responses = await Promise.all(sendings);
      expect(responses.filter(({ body }) => body.result.value !== true)).toEqual([]);
      expect(smtp.messages.flatMap((mail) => mail.recipients).sort()).toEqual(recipients);
      const audited = (await admin.audit()).flatMap(({ recipient }) => recipient || []);
      expect(audited.map(String).sort()).toEqual(recipients);
    },
  },
  {
    claim: "a client that hangs up stops neither its test message nor the audit row",
    async run({ admin }) {
      const arrived = Promise.withResolvers<() => void>();
      const hold: Misbehavior = (_peer, answer) => arrived.resolve(answer);
      await using smtp = await startSmtpServer({ script: { body: hold } });
      const [server, recipient] = [`127.0.0.1:${smtp.port}`, "left@example.net"];
      const client = new AbortController();
      const mail = { server, sender: "a@example.org", recipient, timeout: 10 };
      const sending = admin.test(mail, client.signal).catch(() => "gone");
      const answer = await arrived.promise;
      client.abort();
      expect(await sending).toBe("gone");
      answer();
      const rows = await untilAudited(admin, recipient);
      expect(rows).toMatchObject([{ outcome: "sent", success: true }]);
      expect(smtp.messages).toHaveLength(1);
    },
  },
];

/** Polls until there is a row. The time limit of the test bounds it. */
async function untilAudited(admin: Api, recipient: string) {
  for (;;) {
    const rows = (await admin.audit()).filter((row) => row.recipient === recipient);
    if (rows.length > 0) return rows;
  }
}

async function limits({ origin }: Instance, refusals: readonly unknown[]): Promise<void> {
  const headers = { "Content-Type": "application/json" };
  const post = (body: string | ReadableStream) =>
    request(`${origin}/auth`, { method: "POST", headers, body }).then(
      ({ status, body }) => [status, body.result.error?.code],
      () => ["closed", "closed"],
    );
  expect(await post(bodyOf(MOST_BODY_BYTES))).toEqual([401, 4031]);
  const tooLong = bodyOf(MOST_BODY_BYTES + 1);
  for (const body of [tooLong, new Blob([tooLong]).stream(), "x".repeat(HUGE_BYTES)]) {
    const [status, code] = await post(body);
    expect(refusals).toContain(status);
    expect(code).toBe(status);
  }
  expect((await request(`${origin}/healthz`)).status).toBe(200);
}

/** Returns the status line's first part for a GET of which only the head is sent. */
async function statusOfGet(origin: string, contentLength: number): Promise<string> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  socket.write(`GET /healthz HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${contentLength}\r\n\r\n`);
  const [data] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return data.toString("latin1").slice(0, 12);
}

/** Returns a JSON body of exactly this many bytes. */
function bodyOf(bytes: number): string {
  const [head, tail] = ['{"username":"nobody","password":"', '"}'];
  return head + "x".repeat(bytes - head.length - tail.length) + tail;
}
