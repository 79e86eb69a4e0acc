import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { OBJECTS, type Services, serveWorker } from "../../../tools/workers/serve.ts";
import { type Envelope, logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const BODY_LIMIT = 16 * 1_048_576;
const READ_LIMIT = 256 * 1_024;
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const bundle = await builtWorker(OBJECT_ENTRY);
const lines: string[] = [];
const onLine = (line: string) => void lines.push(line);
const worker = await serveWorker({ bundle, bindings, services: OBJECTS, onLine });
afterAll(() => worker[Symbol.asyncDispose]());
const api = await logIn(worker.url.origin, ADMIN, PASSWORD);

describe("the front of an object", () => {
  test("answers a body that no route takes with 413", async () => {
    const body = new Uint8Array(BODY_LIMIT + 1);
    const declared = await fetch(new URL("/auth", worker.url), { method: "POST", body });
    const { result } = (await declared.json()) as Envelope;
    expect([declared.status, result.error?.code]).toEqual([413, 413]);
    expect(Object.fromEntries(declared.headers)).toMatchObject({
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
  });

  test.each([
    ["POST /auth", BODY_LIMIT],
    ["GET /smtpserver/", READ_LIMIT],
  ])("does not read on after the body of %s has become too long", async (line, limit) => {
    const socket = connect(Number(worker.url.port), worker.url.hostname);
    const piece = new Uint8Array(limit / 16);
    const status = Promise.withResolvers<string>();
    socket.once("data", (data) => status.resolve(data.toString("latin1").slice(0, 12)));
    socket.on("error", status.reject);
    socket.write(`${line} HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n`);
    for (let at = 0; at < limit / piece.length + 1; at++) {
      socket.write(`${piece.length.toString(16)}\r\n`);
      socket.write(piece);
      socket.write("\r\n");
    }
    expect(await status.promise).toBe("HTTP/1.1 413");
    socket.destroy();
  });

  test.each([
    ["a declared", (text: string) => text],
    ["an undeclared", (text: string) => new Blob([text]).stream()],
  ])("passes on a body of %s length", async (_, bodyOf) => {
    const text = JSON.stringify({ server: "mail.example.org", sender: "ä@example.org" });
    const response = await fetch(new URL("/smtpserver/passed", worker.url), {
      method: "POST",
      headers: { Authorization: api.token, "Content-Type": "application/json" },
      body: bodyOf(text),
    });
    expect(response.status).toBe(200);
    expect((await api.list()).passed).toMatchObject({ sender: "ä@example.org" });
  });

  test("passes on methods, headers and the client's address", async () => {
    const patched = await fetch(new URL("/smtpserver/passed", worker.url), { method: "PATCH" });
    expect([patched.status, patched.headers.get("Allow")]).toEqual([405, expect.stringContaining("GET")]);
    const stale = await fetch(new URL("/smtpserver/passed", worker.url), {
      method: "DELETE",
      headers: { Authorization: api.token, "If-Match": '"another"' },
    });
    expect(stale.status).toBe(412);
    expect(await api.audit()).toContainEqual(expect.objectContaining({ client: "127.0.0.1" }));
  });

  test.each([{ "Transfer-Encoding": "chunked" }, { "Content-Length": 4 }])(
    "ignores the body of a GET, as other runtimes do: %o",
    async (framing) => {
      const headers = { ...framing, Authorization: api.token };
      const sent = httpRequest(new URL("/smtpserver/", worker.url), { headers });
      sent.end("body");
      const [response] = await once(sent, "response");
      expect(response.statusCode).toBe(200);
      await once(response.resume(), "end");
    },
  );

  test("keeps a delivery going after its client has disconnected", async () => {
    await using server = await startSmtpServer();
    const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    server.script("body", async (_peer, accept) => {
      reached.resolve();
      await released.promise;
      accept();
    });
    const client = new AbortController();
    const definition = { server: `127.0.0.1:${server.port}`, sender: "a@example.org" };
    const call = api
      .test({ ...definition, recipient: "b@example.net" }, client.signal)
      .catch(() => undefined);
    await reached.promise;
    client.abort();
    await call;
    released.resolve();
    for (;;) {
      const rows = await api.audit();
      const row = rows.find(({ recipient }) => recipient === "b@example.net");
      if (row === undefined) continue;
      expect(row).toMatchObject({ outcome: "sent" });
      return;
    }
  });

  test("logs why it reaches no object, in an isolate without one", async () => {
    // workerd writes its lines apart from the response.
    const logged = Promise.withResolvers<void>();
    await using alone = await serveWorker({
      bundle,
      bindings: {},
      onLine: (line) => {
        if (line.includes("OBJECT: the binding of the Durable Object is missing")) logged.resolve();
      },
    });
    expect((await fetch(alone.url)).status).toBe(503);
    await logged.promise;
  });

  test("logs neither passwords nor calls that were not closed", async () => {
    await expect(logIn(worker.url.origin, ADMIN, "another password of an admin")).rejects.toThrow();
    expect(lines.join()).not.toMatch(/password of|dispose/);
  });

  test("serves an object that runs in another process", async () => {
    using folder = temporaryFolder();
    const registry = { unsafeDevRegistryPath: folder.path };
    const there: Services = { ...OBJECTS, ...registry, name: "there" };
    const here: Services = {
      ...{ ...registry, name: "here" },
      durableObjects: { OBJECT: { ...OBJECTS.durableObjects.OBJECT, scriptName: "there" } },
    };
    await using _object = await serveWorker({ bundle, bindings, services: there });
    await using front = await serveWorker({ bundle, bindings: {}, services: here });
    const admin = await logIn(front.url.origin, ADMIN, PASSWORD);
    expect(await admin.list()).toEqual({});
    await expect(logIn(front.url.origin, ADMIN, "another password of an admin")).rejects.toThrow("401");
  });
});

describe("a password is verified", () => {
  const start = async () => {
    const entry = join(import.meta.dir, "fixtures", "front-worker.ts");
    return serveWorker({ bundle: await builtWorker(entry), bindings, services: OBJECTS });
  };
  const logInThrough = async ({ url }: { readonly url: URL }, front = "") => {
    const response = await fetch(new URL("/auth", url), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Front": front },
      body: JSON.stringify({ username: ADMIN, password: PASSWORD }),
    });
    const { result } = (await response.json()) as Envelope;
    return [response.status, result.error?.code];
  };

  test("by a hash of the front, and of the object only without a front", async () => {
    await using other = await start();
    expect(await logInThrough(other)).toEqual([200, undefined]);
    expect(await logInThrough(other, "wrong")).toEqual([401, 4031]);
    expect(await logInThrough(other)).toEqual([200, undefined]);
  });

  test.each(["gone", "short"])(
    "never, if the hash of the front is %s: the response is 503",
    async (front) => {
      await using other = await start();
      expect(await logInThrough(other, front)).toEqual([503, 503]);
      expect(await logInThrough(other)).toEqual([200, undefined]);
    },
  );
});
