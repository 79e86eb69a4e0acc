import { expect, test } from "bun:test";
import { setTimeout } from "node:timers/promises";
import type { Transport } from "../../../src/contracts/transport.ts";
import { type TestInstance, testInstance } from "../../fixtures/instance.ts";
import { ACCEPTED } from "../../fixtures/receipts.ts";

const RECIPIENTS = 19;
const AT_ONCE = 2;
/** Long compared to opening a message, which happens while the first ones are sent. */
const MAIL_MS = 10;

/** A slow transport that stores the hosts in the order of their deliveries. */
function slowTransport() {
  const [hosts, recipients]: [string[], string[]] = [[], []];
  const busy = { now: 0, max: 0 };
  const transport: Transport = {
    name: "slow",
    async send({ server, recipient }) {
      hosts.push(server.host);
      recipients.push(recipient);
      busy.max = Math.max(busy.max, ++busy.now);
      await setTimeout(MAIL_MS);
      busy.now--;
      return ACCEPTED;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { transport, hosts, recipients, busy };
}

/** Queues one message to this many recipients, so that all are ready at the same time. */
async function queue({ request, services }: TestInstance, name: string, recipients: number): Promise<void> {
  const json = { server: `${name}.example.org`, sender: "me@example.org", enqueue_job: true };
  await request("POST", `/smtpserver/${name}`, { json });
  const to = Array.from({ length: recipients }, (_, at) => ({ name: "", address: `user${at}@example.net` }));
  await services.submit(name, { to, subject: "Hello", text: "Hello\n" });
}

test("drain() runs at most maxConcurrent attempts, and gives free ones to a server that waits", async () => {
  const { transport, hosts, busy } = slowTransport();
  await using instance = await testInstance({ transport });
  await queue(instance, "a", RECIPIENTS);
  await queue(instance, "b", 1);
  const { signal } = new AbortController();
  const endsMs = Number.POSITIVE_INFINITY;
  await instance.services.drain({ signal, endsMs, messageTimeoutMs: 0, maxConcurrent: AT_ONCE });
  expect(hosts).toHaveLength(RECIPIENTS + 1);
  expect(busy.max).toBe(AT_ONCE);
  // Without fair queueing it would be the last.
  expect(hosts.indexOf("b.example.org")).toBeWithin(0, RECIPIENTS - AT_ONCE);
});

test("drain() keeps the lease while the last recipients are in flight, so that each gets the message once", async () => {
  const { transport, recipients } = slowTransport();
  await using instance = await testInstance({ transport });
  await queue(instance, "a", RECIPIENTS);
  const { signal } = new AbortController();
  await instance.services.drain({ signal, endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 0 });
  expect(recipients).toHaveLength(RECIPIENTS);
  expect(new Set(recipients).size).toBe(RECIPIENTS);
});
