import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { type Environment, TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { bindingsFor, KEYS, startDatabase, startWorker, type WorkerSealpost } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** An operation gives up after five seconds, and a request to a broken database makes at most one. */
const BOUND_MS = 8_000;

const database = await startDatabase();
afterAll(() => database[Symbol.asyncDispose]());

/** Expects a 503 envelope in time, without internal details. */
async function expectUnavailable({ origin }: WorkerSealpost, path = "/smtpserver/"): Promise<string> {
  const startMs = performance.now();
  const response = await fetch(origin + path);
  const text = await response.text();
  expect(performance.now() - startMs).toBeLessThan(BOUND_MS);
  expect(response.status).toBe(503);
  expect(Number(response.headers.get("Retry-After"))).toBeGreaterThan(0);
  expect(response.headers.get("Cache-Control")).toBe("no-store");
  expect(JSON.parse(text)).toMatchObject({
    jsonrpc: "2.0",
    result: { status: false, error: { code: 902 } },
    detail: null,
  });
  expect(text).not.toMatch(/127\.0\.0\.1|\bat \w+ \(/);
  return text;
}

/** Waits for a line in the log, which has its own pipe and may arrive after the response. */
async function untilLogged({ lines }: WorkerSealpost, text: RegExp): Promise<void> {
  const endsMs = performance.now() + BOUND_MS;
  while (!lines.some((line) => text.test(line))) {
    if (performance.now() > endsMs) throw new Error(`Not logged: ${text}\n${lines.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("one line of the log names a missing or invalid binding, and the response does not", () => {
  const good = bindingsFor(database.url);
  const { SEALPOST_DATABASE_URL: _url, ...withoutUrl } = good;
  const { SEALPOST_KEYS: _keys, ...withoutKeys } = good;
  const cases: readonly (readonly [what: string, bindings: Environment, says: RegExp])[] = [
    ["no database", withoutUrl, /SEALPOST_DATABASE_URL: this binding is missing/],
    ["an empty database", { ...good, SEALPOST_DATABASE_URL: "" }, /SEALPOST_DATABASE_URL: this binding/],
    [
      "a file",
      { ...good, SEALPOST_DATABASE_URL: "file:x.db" },
      /SEALPOST_DATABASE_URL: a Worker has no files/,
    ],
    ["no keys", withoutKeys, /SEALPOST_KEYS: this secret is missing/],
    ["a broken key", { ...good, SEALPOST_KEYS: "a:b" }, /SEALPOST_KEYS: key .*a.* must be base64/],
    ["an unknown setting", { ...good, SEALPOST_KEY: "x" }, /Unknown environment variable SEALPOST_KEY/],
    ["Redis", { ...good, SEALPOST_WAKE: "bullmq" }, /SEALPOST_WAKE: bullmq .* expected poll or cloudflare/],
    [
      "a queue that is not bound",
      { ...good, SEALPOST_WAKE: "cloudflare" },
      /SEALPOST_WAKE: .* bound as WAKES/,
    ],
    ["a bad value", { ...good, SEALPOST_EGRESS: "some" }, /SEALPOST_EGRESS: expected private or public/],
  ];
  for (const [what, bindings, says] of cases) {
    test(what, async () => {
      await using worker = await startWorker({ HOST: "127.0.0.1", PORT: "any", OTHER: "x", ...bindings });
      const text = await expectUnavailable(worker);
      expect(text).not.toContain("SEALPOST_");
      await untilLogged(worker, says);
      const errors = worker.lines.filter((line) => line.includes('"ERROR"'));
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(says);
      if (what === "a broken key") expect(errors[0]).not.toContain("a:b");
    });
  }

  test("keys of another database", async () => {
    await using first = await startWorker(good);
    expect((await fetch(`${first.origin}/readyz`)).status).toBe(200);
    const other = `other:${Buffer.alloc(32, 8).toString("base64")}`;
    await using worker = await startWorker({ ...good, SEALPOST_KEYS: other });
    await expectUnavailable(worker);
    await untilLogged(worker, /SEALPOST_KEYS: this database is encrypted with key/);
  });
});

test("without a password and without an admin, the log says what to set, and no password is created", async () => {
  await using empty = await startDatabase();
  await using worker = await startWorker({ SEALPOST_DATABASE_URL: empty.url, SEALPOST_KEYS: KEYS });
  expect((await fetch(`${worker.origin}/readyz`)).status).toBe(503);
  await untilLogged(worker, /set the secret SEALPOST_ADMIN_PASSWORD/);
  await using next = await startWorker(bindingsFor(empty.url));
  expect((await next.logIn()).token).toBeString();
});

test("the log reports that SEALPOST_TLS_CA has no effect on Workers", async () => {
  await using worker = await startWorker({ ...bindingsFor(database.url), SEALPOST_TLS_CA: "ca.pem" });
  expect((await fetch(`${worker.origin}/readyz`)).status).toBe(200);
  await untilLogged(worker, /SEALPOST_TLS_CA has no effect/);
});

describe("a database", () => {
  test("that is unavailable: 503 until it is available", async () => {
    const gone = await startDatabase();
    await gone[Symbol.asyncDispose]();
    await using worker = await startWorker(bindingsFor(gone.url));
    await expectUnavailable(worker);
    await expectUnavailable(worker, "/readyz");
  });

  test("that becomes unavailable while the Worker runs", async () => {
    const going = await startDatabase();
    await using worker = await startWorker(bindingsFor(going.url));
    const api = await worker.logIn();
    await going[Symbol.asyncDispose]();
    expect((await api.call("GET", "/smtpserver/")).status).toBe(503);
    await expectUnavailable(worker, "/readyz");
  });

  test("that accepts the connection and never responds: every request gets 503 in time", async () => {
    await using silent = await listen(() => undefined);
    await using worker = await startWorker(bindingsFor(silent.url));
    await Promise.all(Array.from({ length: 20 }, () => expectUnavailable(worker)));
  });

  test("that starts a response and never completes it", async () => {
    await using slow = await listen((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{");
    });
    await using worker = await startWorker(bindingsFor(slow.url));
    await expectUnavailable(worker);
  });

  test("that responds with something else", async () => {
    await using other = await listen((socket) => {
      socket.end("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nHello");
    });
    await using worker = await startWorker(bindingsFor(other.url));
    await expectUnavailable(worker);
  });

  test("that requires a token accepts only the right one", async () => {
    using folder = temporaryFolder();
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const keyFile = join(folder.path, "token.pem");
    await Bun.write(keyFile, publicKey.export({ type: "spki", format: "pem" }));
    await using guarded = await startDatabase(keyFile);
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode({ alg: "EdDSA", typ: "JWT" })}.${encode({ a: "rw" })}`;
    const token = `${signed}.${sign(null, Buffer.from(signed), privateKey).toString("base64url")}`;
    for (const wrong of ["", "nonsense", `${token}x`]) {
      await using worker = await startWorker({
        ...bindingsFor(guarded.url),
        SEALPOST_DATABASE_TOKEN: wrong,
      });
      await expectUnavailable(worker);
      expect(worker.lines.join("\n")).toContain("SEALPOST_DATABASE_TOKEN");
    }
    await using worker = await startWorker({ ...bindingsFor(guarded.url), SEALPOST_DATABASE_TOKEN: token });
    expect((await fetch(`${worker.origin}/readyz`)).status).toBe(200);
    expect(worker.lines.join("\n")).not.toContain(token);
  });
});

/** A server that is not a database. */
async function listen(
  onRequest: (socket: Socket) => void,
): Promise<{ readonly url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined).once("data", () => onRequest(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
