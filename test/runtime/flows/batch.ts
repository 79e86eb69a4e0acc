import { expect } from "bun:test";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import type { Api } from "../../fixtures/process/api.ts";
import type { Flow } from "../flow.ts";

/** `bun run proof:batch` sends 10,000. */
const MESSAGES = Number(process.env.BATCH_MESSAGES ?? 300);
const BATCH = 100;
const CLIENTS = 4;
const READERS = 2;
const PAGE_SIZE = 1_000;
const SERVER = "sends-many";

interface Accepted {
  readonly id: string;
  readonly state: string;
}

/** Batches that clients send at the same time, while others read: nothing accepted is lost or sent twice. */
export const BATCHES: readonly Flow[] = [
  {
    claim: `${MESSAGES} messages through POST /mail/batch under load all arrive, once each`,
    async run({ admin, trigger }) {
      await using smtp = await startSmtpServer();
      await admin.save(SERVER, { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org", timeout: 30 });
      const recipients = Array.from({ length: MESSAGES }, (_, index) => `user${index}@example.net`);
      const startedMs = performance.now();
      const ids = await sendAll(admin, recipients);
      const acceptedMs = performance.now() - startedMs;
      const sent = await untilSent(admin, MESSAGES, trigger);
      const sentMs = performance.now() - startedMs;
      expect(new Set(ids).size).toBe(MESSAGES);
      expect(sent.toSorted()).toEqual(ids.toSorted());
      const arrived = smtp.messages.flatMap((mail) => mail.recipients);
      expect(arrived.toSorted()).toEqual(recipients.toSorted());
      const seconds = (ms: number) => (ms / 1_000).toFixed(1);
      if (MESSAGES >= 1_000) {
        console.log(`${MESSAGES} accepted after ${seconds(acceptedMs)} s, sent after ${seconds(sentMs)} s`);
      }
    },
  },
];

/** Sends batches from several clients while others read. @returns the IDs of the accepted messages. */
async function sendAll(admin: Api, recipients: readonly string[]): Promise<readonly string[]> {
  const waiting = Array.from({ length: Math.ceil(recipients.length / BATCH) }, (_, index) =>
    recipients.slice(index * BATCH, (index + 1) * BATCH),
  );
  const ids: string[] = [];
  let isSending = true;
  const readers = Array.from({ length: READERS }, async () => {
    while (isSending) {
      for (const path of ["/smtpserver/", "/mail/stats"])
        expect((await admin.call("GET", path)).status).toBe(200);
    }
  });
  const clients = Array.from({ length: CLIENTS }, async () => {
    for (let batch = waiting.shift(); batch; batch = waiting.shift()) {
      const messages = batch.map((to) => ({ server: SERVER, to, subject: `To ${to}`, text: "Hello" }));
      const { status, body } = await admin.call<readonly Accepted[]>("POST", "/mail/batch", { messages });
      expect(status).toBe(200);
      const accepted = body.result.value ?? [];
      expect(accepted.filter(({ state }) => state !== "queued")).toEqual([]);
      ids.push(...accepted.map(({ id }) => id));
    }
  });
  await Promise.all(clients).finally(() => {
    isSending = false;
  });
  await Promise.all(readers);
  return ids;
}

/** Polls until this many messages are sent. The time limit of the test bounds it. @returns their IDs. */
async function untilSent(
  admin: Api,
  total: number,
  between: () => Promise<void>,
): Promise<readonly string[]> {
  const page = async (number: number, size: number) => {
    const query = `identifier=${SERVER}&state=sent&page=${number}&page_size=${size}`;
    const { body } = await admin.call<{ readonly count: number; readonly mails: readonly Accepted[] }>(
      "GET",
      `/mail/?${query}`,
    );
    return body.result.value ?? { count: 0, mails: [] };
  };
  while ((await page(1, 1)).count < total) await between();
  const ids: string[] = [];
  while (ids.length < total) {
    const { mails } = await page(ids.length / PAGE_SIZE + 1, PAGE_SIZE);
    ids.push(...mails.map(({ id }) => id));
    if (mails.length < PAGE_SIZE) break;
  }
  return ids;
}
