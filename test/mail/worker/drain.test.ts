import { expect, mock, spyOn, test } from "bun:test";
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
async function queue(
  { request, services }: TestInstance,
  name: string,
  recipients: number,
  definition: object = {},
): Promise<void> {
  const json = { server: `${name}.example.org`, sender: "me@example.org", enqueue_job: true, ...definition };
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

test("drain() runs at most maxPerServer attempts of a definition with more connections, and others have the rest", async () => {
  const opened = Promise.withResolvers<void>();
  const hosts: string[] = [];
  const running = { "a.example.org": 0, "b.example.org": 0 };
  const max = { ...running };
  const transport: Transport = {
    name: "gate",
    async send({ server }) {
      const host = server.host as keyof typeof running;
      hosts.push(host);
      running[host]++;
      max[host] = Math.max(max[host], running[host]);
      // All attempts wait until there are as many as may run, whichever started first.
      if (running["a.example.org"] === 3 && running["b.example.org"] === 1) opened.resolve();
      await opened.promise;
      running[host]--;
      return ACCEPTED;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using instance = await testInstance({ transport });
  await queue(instance, "a", RECIPIENTS, { max_connections: 20 });
  await queue(instance, "b", 1);
  const { signal } = new AbortController();
  const bounds = { maxConcurrent: 4, maxPerServer: 3 };
  await instance.services.drain({
    ...{ signal, endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 0, ...bounds },
  });
  expect(max).toEqual({ "a.example.org": 3, "b.example.org": 1 });
  expect(hosts).toHaveLength(RECIPIENTS + 1);
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

/** An instance whose drains share a worker, and whose messages to `slow.example.org` wait until the test continues them. */
async function sharedInstance() {
  const [hosts, reached, opened] = [
    [] as string[],
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  const transport: Transport = {
    name: "gate",
    async send({ server }) {
      hosts.push(server.host);
      if (server.host === "slow.example.org") {
        reached.resolve();
        await opened.promise;
      }
      return ACCEPTED;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const drains = { isShared: true, afterwards: () => undefined, within: () => Promise.resolve() };
  const instance = await testInstance({ transport, drains });
  const drain = (budget: { readonly endsMs?: number; readonly messageTimeoutMs?: number } = {}) => {
    const { signal } = new AbortController();
    const unlimited = { endsMs: Number.POSITIVE_INFINITY, messageTimeoutMs: 0 };
    return instance.services.drain({ signal, ...unlimited, ...budget });
  };
  return { instance, hosts, reached: reached.promise, open: opened.resolve, drain };
}

test("a shared drain sends what is due during another one, and does not wait for the slow messages of that", async () => {
  const { instance, hosts, reached, open, drain } = await sharedInstance();
  await using _ = instance;
  await queue(instance, "slow", 1);
  const first = drain();
  await reached;
  await queue(instance, "b", 1);
  await drain();
  open();
  await first;
  expect(hosts).toEqual(["slow.example.org", "b.example.org"]);
});

test("shared drains give a definition no more attempts than it has connections", async () => {
  const { instance, hosts, reached, open, drain } = await sharedInstance();
  await using _ = instance;
  await queue(instance, "slow", RECIPIENTS);
  const first = drain();
  await reached;
  await Promise.all([drain(), drain(), drain()]);
  // As many as `max_connections`.
  expect(hosts).toHaveLength(5);
  open();
  await first;
  expect(hosts).toHaveLength(RECIPIENTS);
});

test("a shared drain after the end of another one sends", async () => {
  const { instance, hosts, open, drain } = await sharedInstance();
  await using _ = instance;
  open();
  for (const name of ["slow", "b", "c"]) {
    await queue(instance, name, 1);
    await drain();
  }
  expect(hosts).toEqual(["slow.example.org", "b.example.org", "c.example.org"]);
});

test("a shared drain does not join one that starts no more messages", async () => {
  const { instance, hosts, reached, open, drain } = await sharedInstance();
  await using _ = instance;
  await queue(instance, "slow", 1);
  const budget = { endsMs: performance.now() + 60_000, messageTimeoutMs: 59_000 };
  const first = drain(budget);
  await reached;
  await queue(instance, "b", 1);
  spyOn(performance, "now").mockReturnValue(performance.now() + 2_000);
  await drain();
  expect(hosts).toEqual(["slow.example.org", "b.example.org"]);
  mock.restore();
  open();
  await first;
});
