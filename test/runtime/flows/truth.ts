import { expect } from "bun:test";
import {
  hangUp,
  type Misbehavior,
  reply,
  type SmtpTestServer,
  startSmtpServer,
} from "../../../src/testing/smtp/index.ts";
import type { Api, ApiResponse } from "../../fixtures/process/api.ts";
import type { Flow, Instance } from "../flow.ts";
import { tlsMaterial } from "../material.ts";

/** LONG_TESTS=1 runs the long form. */
const MESSAGES = process.env.LONG_TESTS === "1" ? 1_000 : 100;
const QUEUED = MESSAGES / 5;
/** Messages in flight at a time. */
const AT_ONCE = 10;

/** The outcome that was reported for one recipient. */
interface Reported {
  readonly recipient: string;
  readonly outcome: string;
}

export const TRUTH: readonly Flow[] = [
  {
    claim: `${MESSAGES} messages to a server that replies immediately are reported as they went, and queued ones arrive once`,
    setup: "alone",
    async run({ admin, trigger }) {
      await using smtp = await startSmtpServer();
      await judge(admin, trigger, smtp, {});
    },
  },
  {
    claim: `${MESSAGES} messages under TLS, each in one flight, are reported as they went, and queued ones arrive once`,
    setup: "alone",
    needs: "openssl",
    async run({ admin, trigger }) {
      const extensions = ["PIPELINING", "CHUNKING", "8BITMIME"];
      const tls = tlsMaterial().good;
      await using smtp = await startSmtpServer({ security: "starttls", extensions, tls });
      await judge(admin, trigger, smtp, { tls: true });
      expect(new Set(smtp.messages.map(({ via }) => via))).toEqual(new Set(["BDAT"]));
    },
  },
  {
    claim: `${MESSAGES} messages to a server that rejects some at the end, and closes at others, are reported as they went`,
    setup: "alone",
    async run({ admin }) {
      await using smtp = await startSmtpServer({ script: { body: byTurns() } });
      const reported = await sendAll(admin, smtp, {});
      const accepted = new Set(recipientsOf(smtp.messages));
      const wrong = reported.filter(
        ({ recipient, outcome }) => (outcome === "sent") !== accepted.has(recipient),
      );
      expect(wrong).toEqual([]);
      expect(accepted.size).toBe(smtp.messages.length);
      const count = (one: string) => reported.filter(({ outcome }) => outcome === one).length;
      expect(["sent", "not-sent", "unknown"].map((one) => count(one) > 0)).toEqual([true, true, true]);
    },
  },
];

/** Accepts most, rejects every fifth message after its end, and hangs up at every seventh. */
function byTurns(): Misbehavior {
  let messages = 0;
  return (peer, proceed) => {
    messages++;
    if (messages % 7 === 0) hangUp()(peer, proceed);
    else if (messages % 5 === 0) reply("451 4.3.0 Later")(peer, proceed);
    else proceed();
  };
}

/** Everything is accepted, so everything must be reported as sent and arrive once. */
async function judge(
  admin: Api,
  trigger: Instance["trigger"],
  smtp: SmtpTestServer,
  definition: object,
): Promise<void> {
  const reported = await sendAll(admin, smtp, definition);
  expect(reported.filter(({ outcome }) => outcome !== "sent")).toEqual([]);
  const queued = names("queued", QUEUED);
  const ids = await inGroups(queued, async (recipient) =>
    idOf(await admin.test({ ...definitionFor(smtp, definition), recipient, enqueue_job: true })),
  );
  for (const id of ids) await untilSent(admin, trigger, id);
  const expected = [...reported.map(({ recipient }) => recipient), ...queued].toSorted();
  expect(recipientsOf(smtp.messages).toSorted()).toEqual(expected);
}

/** Sends messages while the caller waits, half of them through a saved definition, whose connections are reused. */
async function sendAll(admin: Api, smtp: SmtpTestServer, change: object): Promise<readonly Reported[]> {
  const definition = definitionFor(smtp, change);
  await admin.save("truth", definition);
  return inGroups(names("now", MESSAGES), async (recipient, index) => {
    const path = index % 2 === 0 ? "/smtpserver/truth/send_test_email" : "/smtpserver/send_test_email";
    const parameters = index % 2 === 0 ? { recipient } : { ...definition, recipient };
    return { recipient, outcome: outcomeOf(await admin.call<boolean>("POST", path, parameters)) };
  });
}

function definitionFor(smtp: SmtpTestServer, change: object) {
  return {
    server: `localhost:${smtp.port}`,
    sender: "a@example.org",
    timeout: 20,
    max_connections: 4,
    ...change,
  };
}

function outcomeOf({ status, body }: ApiResponse<boolean>): string {
  expect(status).toBe(200);
  return body.result.value === true ? "sent" : (body.detail?.delivery?.outcome ?? "");
}

function idOf({ status, body }: ApiResponse<unknown>): string {
  const { queued, mail_id } = Object(body.detail);
  expect([status, body.result.value, queued]).toEqual([200, true, true]);
  return String(mail_id);
}

/** Polls until a queued message is sent. The time limit of the test bounds it. */
async function untilSent(admin: Api, trigger: Instance["trigger"], id: string): Promise<void> {
  for (;;) {
    const { body } = await admin.call<{ readonly state: string }>("GET", `/mail/${id}`);
    if (body.result.value?.state === "sent") return;
    await trigger();
  }
}

function recipientsOf(messages: SmtpTestServer["messages"]): readonly string[] {
  return messages.flatMap(({ recipients }) => recipients);
}

function names(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}@example.net`);
}

async function inGroups<T, R>(
  items: readonly T[],
  work: (item: T, index: number) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) {
    const group = items.slice(start, start + AT_ONCE);
    results.push(...(await Promise.all(group.map((item, index) => work(item, start + index)))));
  }
  return results;
}
