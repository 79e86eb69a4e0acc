import { expect } from "bun:test";
import { request } from "../../fixtures/process/api.ts";
import { startSmtpServer } from "../../fixtures/smtp/server.ts";
import type { Flow } from "../flow.ts";

const AT_ONCE = 50;
const MOST_BODY_BYTES = 256 * 1024;
const HUGE_BYTES = 20 * 1024 * 1024;

export const LOAD: readonly Flow[] = [
  {
    claim: "a body of 256 KiB is read, one byte more is 413, announced or not",
    async run({ origin }) {
      const post = (body: string | ReadableStream) =>
        request(`${origin}/auth`, { method: "POST", headers: { "Content-Type": "application/json" }, body });
      expect((await post(bodyOf(MOST_BODY_BYTES))).status).toBe(401);
      const tooLong = bodyOf(MOST_BODY_BYTES + 1);
      for (const body of [tooLong, new Blob([tooLong]).stream(), "x".repeat(HUGE_BYTES)]) {
        const { status, body: answer } = await post(body);
        expect([status, answer.result.error?.code]).toEqual([413, 413]);
      }
      expect((await request(`${origin}/healthz`)).status).toBe(200);
    },
  },
  {
    claim: `${AT_ONCE} saves and lists at once are all answered, and all is there`,
    async run({ admin }) {
      const names = Array.from({ length: AT_ONCE }, (_, at) => `parallel ${at}`);
      const answers = await Promise.all(
        names.flatMap((name) => [
          admin.save(name, { server: "mail.example.org", password: name }),
          admin.call("GET", "/smtpserver/"),
        ]),
      );
      expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
      const found = await admin.list();
      expect(names.map((name) => found[name]?.password)).toEqual(names);
    },
  },
  {
    claim: `${AT_ONCE} test mails at once all arrive, once each, and are all audited`,
    setup: "alone",
    async run({ admin }) {
      await using smtp = await startSmtpServer();
      const recipients = Array.from({ length: AT_ONCE }, (_, at) => `you${at}@example.net`).sort();
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org", timeout: 30 };
      const sendings = recipients.map((recipient) => admin.test({ ...definition, recipient }));
      const answers = await Promise.all(sendings);
      expect(answers.filter(({ body }) => body.result.value !== true)).toEqual([]);
      expect(smtp.mails.flatMap((mail) => mail.recipients).sort()).toEqual(recipients);
      const audited = (await admin.audit()).flatMap(({ recipient }) => recipient || []);
      expect(audited.map(String).sort()).toEqual(recipients);
    },
  },
];

/** A JSON body of exactly so many bytes. */
function bodyOf(bytes: number): string {
  const [head, tail] = ['{"username":"nobody","password":"', '"}'];
  return head + "x".repeat(bytes - head.length - tail.length) + tail;
}
