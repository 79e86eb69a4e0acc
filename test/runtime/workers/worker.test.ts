import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { openRemoteDatabase } from "../../../src/storage/remote/connect.ts";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { writeDocument } from "../../../tools/workers/document.ts";
import { logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { SENDER, sender } from "../../fixtures/smime/authority.ts";
import { opensslVerify } from "../../fixtures/smime/verify.ts";
import { makeTlsMaterial, openssl } from "../../fixtures/smtp/tls.ts";
import { ADMIN, bindingsFor, PASSWORD, startDatabase, startWorker, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);
if (openssl === null) console.warn("openssl is missing: signed mail and TLS of the Worker are not tried");

const material = openssl === null ? null : makeTlsMaterial();
const database = await startDatabase();
const assets = temporaryFolder();
await writeDocument({ needsDocument: true }, "", assets.path);
const authorities = material === null ? [] : [material.ca];
const worker = await startWorker(bindingsFor(database.url), authorities, { assets: assets.path });
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  assets[Symbol.dispose]();
});
const api = await worker.logIn();

const plain = (port: number) => ({
  server: `127.0.0.1:${port}`,
  sender: SENDER,
  recipient: "user@example.net",
});

describe("the Worker", () => {
  test.skipIf(material === null)("sends a signed test message that openssl verifies", async () => {
    await using server = await startSmtpServer({
      security: "starttls",
      tls: material?.good ?? { key: "", cert: "" },
      users: { user: "its password" },
    });
    const { key, certificate, root, intermediate } = await sender("rsa");
    const definition = {
      ...plain(server.port),
      tls: true,
      username: "user",
      password: "its password",
      smime: true,
      private_key: key,
      certificate: certificate + intermediate.certificate,
    };
    expect(await api.save("signed", definition)).toMatchObject({
      status: 200,
      body: { result: { value: true } },
    });
    expect((await api.list()).signed).toMatchObject({
      password: "its password",
      private_key: "__CENSORED__",
    });
    const kept = {
      ...definition,
      identifier: "signed",
      password: "__CENSORED__",
      private_key: "__CENSORED__",
    };
    const { body } = await api.test(kept);
    expect(body).toMatchObject({ result: { value: true }, detail: { smime: { signed: true } } });
    const [mail] = server.messages;
    expect(mail).toMatchObject({ isTls: true, isAuthenticated: true, recipients: ["user@example.net"] });
    expect(await opensslVerify(mail?.bytes ?? new Uint8Array(), root)).toMatchObject({ code: 0 });
  });

  test.skipIf(material === null)("gives a hint about an untrusted certificate", async () => {
    for (const security of ["starttls", "implicit"] as const) {
      const tls = material?.untrusted ?? { key: "", cert: "" };
      await using server = await startSmtpServer({ security, tls });
      const scheme = security === "implicit" ? "smtps" : "smtp";
      const { body } = await api.test({
        ...plain(server.port),
        server: `${scheme}://localhost:${server.port}`,
        tls: true,
      });
      expect(body.result.value).toBe(false);
      expect(body.detail?.delivery).toMatchObject({ phase: "certificate", code: "tls_failed" });
      expect(body.detail?.delivery?.hint).toContain("private authority");
    }
  });

  test("continues a delivery after its client has disconnected", async () => {
    const inData = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<void>();
    await using server = await startSmtpServer({
      script: {
        data: (_peer, reply) => {
          inData.resolve();
          void gone.promise.then(reply);
        },
      },
    });
    const client = new AbortController();
    const request = api.test(plain(server.port), client.signal).catch(() => "gone");
    await inData.promise;
    client.abort();
    expect(await request).toBe("gone");
    gone.resolve();
    await server.closed();
    expect(server.messages).toHaveLength(1);
    const sent = (await api.audit()).find(
      ({ identifier, recipient }) => identifier === "" && recipient === "user@example.net",
    );
    expect(sent).toMatchObject({ action: "POST /smtpserver/send_test_email" });
  });

  test("sends QUIT after the response, and keeps no socket", async () => {
    await using server = await startSmtpServer();
    expect((await api.test(plain(server.port))).body.result.value).toBe(true);
    await server.closed();
    expect(server.connections[0]?.commands.at(-1)).toBe("QUIT");
  });

  test("identifies its client only by CF-Connecting-IP", async () => {
    await fetch(`${worker.origin}/auth`, {
      method: "POST",
      headers: { "CF-Connecting-IP": "203.0.113.7", "X-Forwarded-For": "198.51.100.9" },
      body: new URLSearchParams({ username: ADMIN, password: PASSWORD }),
    });
    expect((await api.audit())[0]).toMatchObject({ action: "POST /auth", client: "203.0.113.7" });
  });

  test("deletes old rows by the daily trigger, and not by the one of each minute", async () => {
    await using rows = openRemoteDatabase({ url: database.url });
    const count = async () =>
      (await rows.read.all<{ n: number }>(sql`SELECT count(*) AS n FROM try_window`))[0]?.n;
    await rows.commit([
      rows.write.run(
        sql`INSERT INTO try_window (key, failed, undecided, ends_at) VALUES ('old', 1, 0, 1000), ('new', 1, 0, 9000000000000)`,
      ),
    ]);
    const before = await count();
    await worker.runScheduled("* * * * *");
    expect(await count()).toBe(before);
    await worker.runScheduled("17 3 * * *");
    expect(await count()).toBeLessThan(before ?? 0);
    expect(await rows.read.all(sql`SELECT key FROM try_window WHERE key IN ('old', 'new')`)).toEqual([
      { key: "new" },
    ]);
  });

  test("logs JSON lines without secrets", () => {
    // Lines of workerd about broken sockets are not log lines of Sealpost.
    const lines = worker.lines.filter((line) => line.startsWith("{"));
    expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) {
      expect(JSON.parse(line)).toMatchObject({ logger: expect.stringMatching(/^sealpost/) });
      expect(line).not.toContain(PASSWORD);
      expect(line).not.toContain(api.token);
    }
  });

  test("responds with 404 and 405 in the envelope", async () => {
    for (const [method, path, status] of [
      ["GET", "/nothing", 404],
      ["PUT", "/smtpserver/", 405],
    ] as const) {
      const { status: given, body } = await api.call(method, path);
      expect({ given, code: body.result.error?.code }).toEqual({ given: status, code: status });
    }
  });
});

describe("150 simultaneous requests", () => {
  const AT_ONCE = 150;
  const statuses = async (request: () => Promise<{ readonly status: number }>) =>
    new Set((await Promise.all(Array.from({ length: AT_ONCE }, request))).map(({ status }) => status));

  test("get 150 responses from a new isolate and a new database", async () => {
    await using fresh = await startDatabase();
    await using cold = await startWorker(bindingsFor(fresh.url));
    expect(await statuses(() => fetch(`${cold.origin}/readyz`))).toEqual(new Set([200]));
    expect(cold.lines.filter((line) => line.includes("Created the first admin"))).toHaveLength(1);
    expect(await logIn(cold.origin, ADMIN, PASSWORD)).toBeDefined();
  });

  test("get 150 responses from a running isolate", async () => {
    await api.save("listed", { ...plain(25), password: "its password" });
    expect(await statuses(() => api.call("GET", "/smtpserver/"))).toEqual(new Set([200]));
    expect(await statuses(() => api.call("GET", "/policy/"))).toEqual(new Set([200]));
    expect(await statuses(() => fetch(`${worker.origin}/openapi.json`))).toEqual(new Set([200]));
  });
});
