import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import {
  type SmtpTestServer,
  stall,
  startSmtpServer,
  testCertificates,
} from "../../../src/testing/smtp/index.ts";
import type { Sqld } from "../../../tools/sqld.ts";
import { OBJECTS, type ServedWorker, serveWorker } from "../../../tools/workers/serve.ts";
import { type Api, logIn } from "../../fixtures/process/api.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const MAIL = { sender: "a@example.org", recipient: "b@example.net" };
const bundle = await builtWorker(join(import.meta.dir, "fixtures", "pool-worker.ts"));
const { ca } = await testCertificates();
const lines: string[] = [];
const onLine = (line: string) => void lines.push(line);
let sqld: Sqld;
let worker: ServedWorker;
let api: Api;

beforeAll(async () => {
  sqld = await startDatabase();
  const bindings = { ...bindingsFor(sqld.url), SEALPOST_POOL: "object" };
  worker = await serveWorker({ bundle, bindings, services: OBJECTS, authorities: [ca], onLine });
  api = await logIn(worker.url.origin, ADMIN, PASSWORD);
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await sqld[Symbol.asyncDispose]();
});

interface Sent {
  readonly value: boolean | undefined;
  readonly delivery: {
    readonly round_trips?: number;
    readonly code: string | null;
    readonly outcome: string;
  };
}

/** Sends a test message through a saved definition. */
async function send(identifier: string): Promise<Sent> {
  const parameters = { recipient: MAIL.recipient };
  const { body } = await api.call<boolean>("POST", `/smtpserver/${identifier}/send_test_email`, parameters);
  const { delivery } = (body.detail ?? {}) as { readonly delivery: Sent["delivery"] };
  return { value: body.result.value, delivery };
}

const saveFor = (identifier: string, server: SmtpTestServer, more: Readonly<Record<string, unknown>> = {}) =>
  api.save(identifier, { server: `localhost:${server.port}`, sender: MAIL.sender, ...more });
const crash = () => fetch(new URL("/crash", worker.url));

describe("SEALPOST_POOL=object", () => {
  test("the second message of a definition takes one round trip instead of at least 8", async () => {
    await using server = await startSmtpServer({
      ...{ security: "starttls", users: { user: "a password" }, holdMs: 5 },
      extensions: ["PIPELINING", "CHUNKING"],
    });
    await saveFor("warm", server, { tls: true, username: "user", password: "a password" });
    const first = await send("warm");
    expect(first.value).toBe(true);
    expect(first.delivery.round_trips).toBeWithin(8, 11);
    const flights = server.connections[0]?.flights ?? 0;
    expect(await send("warm")).toMatchObject({ value: true, delivery: { round_trips: 1 } });
    expect((server.connections[0]?.flights ?? 0) - flights).toBe(1);
    expect([server.connections.length, server.messages.length]).toEqual([1, 2]);
  });

  test("a changed password is used for the next message", async () => {
    await using server = await startSmtpServer({ security: "starttls", users: { user: "the password" } });
    const login = { tls: true, username: "user" };
    for (const password of ["the password", "a wrong password", "the password"]) {
      await saveFor("changed", server, { ...login, password });
      await send("changed");
    }
    expect(server.logins.map(({ isAccepted }) => isAccepted)).toEqual([true, false, true]);
    expect(server.messages).toHaveLength(2);
  });

  test("a queued message is sent through the same connection", async () => {
    await using server = await startSmtpServer();
    await saveFor("queued", server);
    await send("queued");
    await api.call("POST", "/smtpserver/queued/send_test_email", {
      recipient: MAIL.recipient,
      enqueue_job: true,
    });
    await server.untilAccepted(2);
    expect(server.connections).toHaveLength(1);
  });

  test("an unsaved definition, and a check, keep no connection", async () => {
    await using server = await startSmtpServer();
    await api.test({ server: `127.0.0.1:${server.port}`, ...MAIL });
    await saveFor("checked", server);
    await api.call("POST", "/smtpserver/checked/send_test_email", {
      recipient: MAIL.recipient,
      until: "recipient",
    });
    await server.closed();
    expect(server.connections).toHaveLength(2);
  });

  test("an object that ends after the end of a message leaves its outcome unknown", async () => {
    const reached = Promise.withResolvers<void>();
    await using server = await startSmtpServer();
    await saveFor("ended", server);
    await send("ended");
    server.script("body", (peer, accept) => {
      stall()(peer, accept);
      reached.resolve();
    });
    const sending = send("ended");
    await reached.promise;
    await crash();
    expect(await sending).toMatchObject({ value: false, delivery: { code: "closed", outcome: "unknown" } });
    server.script("body", undefined);
    expect((await send("ended")).value).toBe(true);
    expect([server.messages.length, server.connections.length]).toEqual([2, 2]);
  });

  test("no log line has a password", () => {
    expect(lines.join("\n")).not.toMatch(/a password|the password|a wrong password/);
  });
});

test("without the binding OBJECT, every response is 503 and the log names it", async () => {
  const own: string[] = [];
  const bindings = { ...bindingsFor(sqld.url), SEALPOST_POOL: "object" };
  await using other = await serveWorker({ bundle, bindings, onLine: (line) => void own.push(line) });
  expect((await fetch(other.url)).status).toBe(503);
  expect(own.join()).toContain("SEALPOST_POOL: object needs a Durable Object bound as OBJECT");
});
