import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import * as mis from "../../../src/testing/smtp/index.ts";
import { type SmtpTestServer, startSmtpServer, testCertificates } from "../../../src/testing/smtp/index.ts";
import { OBJECTS, type ServedWorker, serveWorker } from "../../../tools/workers/serve.ts";
import { type Api, logIn } from "../../fixtures/process/api.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const MAIL = { sender: "a@example.org", recipient: "b@example.net" };
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const bundle = await builtWorker(join(import.meta.dir, "fixtures", "crash-worker.ts"));
const { ca } = await testCertificates();
let worker: ServedWorker;
let api: Api;

beforeAll(async () => {
  worker = await serveWorker({ bundle, bindings, services: OBJECTS, authorities: [ca] });
  api = await logIn(worker.url.origin, ADMIN, PASSWORD);
});
afterAll(() => worker[Symbol.asyncDispose]());

interface Sent {
  readonly value: boolean | undefined;
  readonly delivery: {
    readonly round_trips?: number;
    readonly code: string | null;
    readonly outcome: string;
  };
}

/** Sends a test message through a saved definition. */
async function send(identifier: string, recipient = MAIL.recipient): Promise<Sent> {
  const { body } = await api.call<boolean>("POST", `/smtpserver/${identifier}/send_test_email`, {
    recipient,
  });
  const { delivery } = (body.detail ?? {}) as { readonly delivery: Sent["delivery"] };
  return { value: body.result.value, delivery };
}

const saveFor = (identifier: string, server: SmtpTestServer, more: Readonly<Record<string, unknown>> = {}) =>
  api.save(identifier, { server: `localhost:${server.port}`, sender: MAIL.sender, ...more });

/** Records how many sockets are open whenever one more is, before it is greeted. */
function countSockets(server: SmtpTestServer): { readonly max: number } {
  const counts = { max: 0 };
  server.script("connect", async (_peer, accept) => {
    // One that the Worker has closed before may be reported after the new one, in the same tick.
    await setImmediate();
    counts.max = Math.max(counts.max, server.openSockets);
    accept();
  });
  return counts;
}

describe.each([
  ["PIPELINING and CHUNKING", ["PIPELINING", "CHUNKING"], 1],
  ["PIPELINING", ["PIPELINING"], 2],
])("with STARTTLS, AUTH, %s", (_, extensions, roundTrips) => {
  const name = `warm-${roundTrips}`;

  test(`the second message of a definition takes ${roundTrips} instead of at least 8 round trips`, async () => {
    await using server = await startSmtpServer({
      ...{ security: "starttls", users: { user: "a password" }, extensions, holdMs: 5 },
    });
    await saveFor(name, server, { tls: true, username: "user", password: "a password" });
    const first = await send(name);
    expect(first.value).toBe(true);
    expect(first.delivery.round_trips).toBeWithin(8, 11);
    const flights = server.connections[0]?.flights ?? 0;
    const second = await send(name);
    expect(second).toMatchObject({ value: true, delivery: { round_trips: roundTrips } });
    expect((server.connections[0]?.flights ?? 0) - flights).toBe(roundTrips);
    expect([server.connections.length, server.logins.length]).toEqual([1, 1]);
    expect(server.messages.map(({ isTls, username }) => [isTls, username])).toEqual([
      [true, "user"],
      [true, "user"],
    ]);
  });
});

test("ten definitions send through at most five connections, and the five used last stay open", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  const names = Array.from({ length: 10 }, (_unused, index) => `ten-${index}`);
  for (const name of names) await saveFor(name, server);
  for (const name of names) expect((await send(name)).value).toBe(true);
  expect([server.openSockets, sockets.max]).toEqual([5, 5]);
  for (const name of names.slice(5)) expect((await send(name)).delivery.round_trips).toBe(2);
  const sent = await Promise.all(names.map((name) => send(name)));
  expect(sent.every(({ value }) => value)).toBe(true);
  expect([server.messages.length, sockets.max]).toEqual([25, 5]);
});

test("twenty messages at a time through three definitions arrive once each", async () => {
  await using server = await startSmtpServer();
  const sockets = countSockets(server);
  const names = ["burst-a", "burst-b", "burst-c"];
  for (const name of names) await saveFor(name, server);
  const recipients = Array.from({ length: 20 }, (_unused, index) => `user${index}@example.net`);
  const sent = await Promise.all(
    recipients.map((recipient, index) => send(names[index % names.length] ?? "", recipient)),
  );
  expect(sent.map(({ value }) => value)).toEqual(recipients.map(() => true));
  expect(server.messages.flatMap((message) => message.recipients).toSorted()).toEqual(recipients.toSorted());
  expect(sockets.max).toBeLessThanOrEqual(5);
});

test("queued messages share the connections of the requests that send now", async () => {
  await using server = await startSmtpServer();
  await saveFor("queued", server);
  await send("queued");
  await api.call("POST", "/smtpserver/queued/send_test_email", {
    recipient: "queued@example.net",
    enqueue_job: true,
  });
  await server.untilAccepted(2);
  expect(server.connections).toHaveLength(1);
});

test("a message finds that the server closed its idle connection, and arrives by a new one", async () => {
  await using server = await startSmtpServer();
  await saveFor("idle", server);
  await send("idle");
  for (const say of ["421 4.4.2 Idle for too long\r\n", ""]) {
    const connection = server.connections.at(-1);
    if (say === "") connection?.destroy();
    else connection?.write(say);
    const { value, delivery } = await send("idle");
    expect(value).toBe(true);
    expect(delivery.round_trips).toBeWithin(4, 8);
  }
  expect([server.connections.length, server.messages.length]).toEqual([3, 3]);
});

test("no message is written to an idle connection that was closed, also where it would leave in one flight", async () => {
  await using server = await startSmtpServer({
    ...{ security: "starttls", extensions: ["PIPELINING", "CHUNKING"] },
  });
  await saveFor("flight", server, { tls: true });
  for (let count = 0; count < 10; count++) {
    expect((await send("flight")).value).toBe(true);
    server.connections.at(-1)?.destroy();
  }
  expect([server.connections.length, server.messages.length]).toEqual([10, 10]);
});

test("a connection that closes at MAIL is replaced once", async () => {
  await using server = await startSmtpServer();
  await saveFor("stale", server);
  await send("stale");
  server.script("mail", mis.close());
  expect(await send("stale")).toMatchObject({
    value: false,
    delivery: { code: "closed", outcome: "not-sent" },
  });
  expect([server.connections.length, server.messages.length]).toEqual([2, 1]);
});

test("a changed password is used for the next message", async () => {
  const users = { user: "the old password" };
  await using server = await startSmtpServer({ security: "starttls", users });
  const login = { tls: true, username: "user" };
  await saveFor("changed", server, { ...login, password: "the old password" });
  await send("changed");
  await saveFor("changed", server, { ...login, password: "a wrong password" });
  expect((await send("changed")).delivery.code).toBe("auth_rejected");
  await saveFor("changed", server, { ...login, password: "the old password" });
  expect((await send("changed")).value).toBe(true);
  expect(server.logins.map(({ isAccepted }) => isAccepted)).toEqual([true, false, true]);
});

test("a definition whose server does not reply leaves a connection for the others", async () => {
  await using other = await startSmtpServer();
  const silent = await startSmtpServer();
  const reached = Promise.withResolvers<void>();
  silent.script("body", (peer, accept) => {
    mis.stall()(peer, accept);
    if (silent.connections.length === 4) reached.resolve();
  });
  await saveFor("silent", silent);
  await saveFor("other", other);
  const sendings = Array.from({ length: 8 }, () => send("silent"));
  await reached.promise;
  expect((await send("other")).value).toBe(true);
  expect(silent.connections).toHaveLength(4);
  await silent[Symbol.asyncDispose]();
  await Promise.all(sendings);
});

test("a test and a check release their connections when their clients hang up before MAIL", async () => {
  const reached = Promise.withResolvers<void>();
  await using silent = await startSmtpServer();
  silent.script("connect", () => {
    if (silent.openSockets === 2) reached.resolve();
  });
  await saveFor("hung-up", silent, { timeout: 60 });
  const client = new AbortController();
  const { signal } = client;
  const definition = { server: `localhost:${silent.port}`, ...MAIL, timeout: 60 };
  const tests = [
    api.test({ ...definition, identifier: "new" }, signal),
    api.call("POST", "/smtpserver/hung-up/send_test_email", { until: "connect" }, signal),
  ];
  await reached.promise;
  client.abort();
  await Promise.allSettled(tests);
  while (silent.openSockets > 0) await Bun.sleep(20);
  expect(silent.connections).toHaveLength(2);
});

test("a retry is not held up by the delivery of another alarm, whose server does not reply", async () => {
  const later = mis.reply("450 4.2.0 Try again");
  const silent = await startSmtpServer({ script: { rcpt: mis.times(1, later) } });
  await using other = await startSmtpServer({ script: { rcpt: mis.times(1, later) } });
  const reached = Promise.withResolvers<void>();
  silent.script("body", (peer, accept) => {
    mis.stall()(peer, accept);
    reached.resolve();
  });
  const message = { recipient: MAIL.recipient, enqueue_job: true };
  await saveFor("silent-later", silent);
  await saveFor("other-later", other);
  await api.call("POST", "/smtpserver/silent-later/send_test_email", message);
  // The second attempt is that of an alarm.
  await reached.promise;
  await api.call("POST", "/smtpserver/other-later/send_test_email", message);
  await other.untilAccepted(1);
  expect(silent.openSockets).toBe(1);
  await silent[Symbol.asyncDispose]();
});

test("an object that ends with open connections sends the next message by new ones", async () => {
  await using server = await startSmtpServer();
  await saveFor("ended", server);
  await send("ended");
  await fetch(new URL("/crash", worker.url));
  const { value, delivery } = await send("ended");
  expect(value).toBe(true);
  expect(delivery.round_trips).toBeGreaterThan(3);
  expect([server.connections.length, server.messages.length]).toEqual([2, 2]);
});

test("a request whose object ends during its message is 500, which asks no client to send it again", async () => {
  const reached = Promise.withResolvers<void>();
  await using server = await startSmtpServer({
    script: {
      body: (peer, accept) => {
        mis.stall()(peer, accept);
        reached.resolve();
      },
    },
  });
  await saveFor("cut", server);
  const sending = fetch(new URL("/smtpserver/cut/send_test_email", worker.url), {
    method: "POST",
    headers: { Authorization: api.token, "Content-Type": "application/json" },
    body: JSON.stringify({ recipient: MAIL.recipient }),
  });
  await reached.promise;
  await fetch(new URL("/crash", worker.url));
  const response = await sending;
  expect([response.status, response.headers.get("Retry-After")]).toEqual([500, null]);
  const { result } = (await response.json()) as {
    readonly result: { readonly error: { readonly code: number } };
  };
  expect(result.error.code).toBe(-500);
});
