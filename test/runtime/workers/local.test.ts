import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import { lockData } from "../../../tools/workers/data-lock.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { ADMIN, startInVain, startSealpost } from "../../fixtures/process/sealpost.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { KEYS, PASSWORD, startDatabase } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

const OBJECT = "tools/workers/start-object.ts";
const LIBSQL = "tools/workers/start-libsql.ts";
const STARTS = [
  ["start:workers", OBJECT],
  ["start:workers:libsql", LIBSQL],
] as const;
const ROOT = join(import.meta.dir, "..", "..", "..");

test.each(STARTS)(
  "%s prints the password once, keeps its data, and passes on the settings",
  async (_, program) => {
    using folder = temporaryFolder();
    await using server = await startSmtpServer();
    const env = { SEALPOST_EHLO_NAME: "worker.test" };
    let password: string;
    {
      await using first = await startSealpost({ folder: folder.path, env }, program);
      password = first.password ?? "";
      expect(password).toHaveLength(20);
      expect((await fetch(new URL("/openapi.json", first.url))).status).toBe(200);
      const api = await first.logIn();
      const definition = {
        server: `127.0.0.1:${server.port}`,
        sender: "a@example.org",
        password: "its password",
      };
      await api.save("kept", definition);
      const { body } = await api.test({ ...definition, password: "", recipient: "b@example.net" });
      expect(body.result.value).toBe(true);
      expect(server.connections[0]?.commands[0]).toBe("EHLO worker.test");
      const { code, stderr } = await first.stop("SIGINT");
      expect(code).toBe(0);
      // Only the log lines of the Worker.
      expect(stderr).toContain("No SMTP server is named default");
      for (const line of stderr.trim().split("\n")) expect(line).toStartWith("{");
    }
    await using second = await startSealpost({ folder: folder.path, env }, program);
    expect(second.password).toBeNull();
    expect((await (await second.logIn(password)).list()).kept).toMatchObject({ password: "its password" });
    // If it were killed, workerd and the database would keep running.
    await second.stop();
  },
);

test.each(STARTS)(
  "%s reports in one line that it cannot listen, and leaves the first password to the next start",
  async (_, program) => {
    using folder = temporaryFolder();
    using other = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
    const PORT = String(other.port);
    const { code, stderr } = await startInVain({ folder: folder.path, env: { PORT } }, program);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sealpost: HOST, PORT: [^\n]*Address already in use[^\n]*\n$/);
    await using next = await startSealpost({ folder: folder.path }, program);
    expect(next.password).toHaveLength(20);
    await next.stop();
  },
);

test("start:workers does not start twice on the same data, whatever the port", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path }, OBJECT);
  for (const program of [OBJECT, LIBSQL]) {
    const { code, stderr } = await startInVain({ folder: folder.path }, program);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^sealpost: data\/workers\/lock is locked: [^\n]*stop it, or start [^\n]*\n$/);
  }
  await sealpost.stop();
});

test("start:workers does not start next to a workerd that has outlived another one", async () => {
  using folder = temporaryFolder();
  const objects = join(folder.path, "data", "workers", "objects");
  const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  {
    const services = { ...OBJECTS, durableObjectsPersist: objects };
    await using worker = await serveWorker({ bundle: await builtWorker(OBJECT_ENTRY), bindings, services });
    expect((await fetch(new URL("/readyz", worker.url))).status).toBe(200);
    const { code, stderr } = await startInVain({ folder: folder.path, env: bindings }, OBJECT);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^sealpost: data\/workers\/objects\/\S+ is locked: [^\n]*end that process[^\n]*\n$/,
    );
  }
  await using next = await startSealpost({ folder: folder.path, env: bindings }, OBJECT);
  await next.logIn();
  await next.stop();
});

test("a lock of data ends with its process, even if that is killed", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "lock");
  const program = `import { lockData } from ${JSON.stringify(join(ROOT, "tools/workers/data-lock.ts"))};
    globalThis.lock = lockData(process.argv[1]); console.log("locked"); setInterval(() => {}, 1_000);`;
  const holder = spawn(process.execPath, ["-e", program, file], { stdio: ["ignore", "pipe", "inherit"] });
  await once(holder.stdout, "data");
  expect(() => lockData(file)).toThrow("is locked");
  holder.kill("SIGKILL");
  await once(holder, "exit");
  using lock = lockData(file);
  expect(lock).toBeDefined();
});

test("start:workers:libsql uses the given database, and reports an invalid one", async () => {
  using folder = temporaryFolder();
  await using database = await startDatabase();
  const given = { SEALPOST_DATABASE_URL: database.url };
  const withoutKeys = await startInVain({ folder: folder.path, env: given }, LIBSQL);
  expect(withoutKeys).toMatchObject({ code: 1, stderr: expect.stringContaining("SEALPOST_KEYS=") });
  const file = await startInVain(
    { folder: folder.path, env: { SEALPOST_DATABASE_URL: "file:x.db" } },
    LIBSQL,
  );
  expect(file).toMatchObject({ code: 1, stderr: expect.stringContaining("a Worker has no files") });
  const env = { ...given, SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
  await using sealpost = await startSealpost({ folder: folder.path, env }, LIBSQL);
  expect(sealpost.password).toBeNull();
  expect((await sealpost.logIn(PASSWORD, ADMIN)).token).toBeString();
  await sealpost.stop();
});

test("start:workers rejects a database URL, and does not start without the data that the other build has", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path };
  const given = await startInVain(
    { ...options, env: { SEALPOST_DATABASE_URL: "http://127.0.0.1:1" } },
    OBJECT,
  );
  expect(given.code).toBe(1);
  expect(given.stderr).toMatch(/^sealpost: SEALPOST_DATABASE_URL: [^\n]*start:workers:libsql[^\n]*\n$/);
  await mkdir(join(folder.path, "data/workers/database"), { recursive: true });
  const beside = await startInVain(options, OBJECT);
  expect(beside.code).toBe(1);
  expect(beside.stderr).toMatch(
    /^sealpost: data\/workers\/database has data [^\n]*start:workers:libsql[^\n]*\n$/,
  );
});

test("start:workers prints the first password, though a start with an invalid setting came before", async () => {
  using folder = temporaryFolder();
  const failed = await startInVain({ folder: folder.path, env: { SEALPOST_WAKE: "cloudflare" } }, OBJECT);
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("SEALPOST_WAKE: the alarm of the Durable Object sends queued mail");
  await using next = await startSealpost({ folder: folder.path }, OBJECT);
  expect(next.password).toHaveLength(20);
  expect((await next.logIn()).token).toBeString();
  await next.stop();
});

test("start:workers keeps its data from other users of the machine, and does not start without their keys", async () => {
  using folder = temporaryFolder();
  const data = join(folder.path, "data/workers");
  {
    await using first = await startSealpost({ folder: folder.path }, OBJECT);
    await first.stop();
  }
  expect((await stat(data)).mode & 0o777).toBe(0o700);
  await rm(join(data, "sealpost.keys"));
  const { code, stderr } = await startInVain({ folder: folder.path }, OBJECT);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^sealpost: SEALPOST_KEYS: data\/workers\/objects exists[^\n]*restore it\n$/);
  const env = { SEALPOST_KEYS: KEYS };
  const other = await startInVain({ folder: folder.path, env }, OBJECT);
  expect(other.code).toBe(1);
  expect(other.stderr).toEndWith("\nsealpost: The Worker cannot start: the lines above have the reason\n");
});

test.each(STARTS)(
  "Ctrl-C, which reaches every process of the group twice, ends %s cleanly",
  async (_, program) => {
    using folder = temporaryFolder();
    const { PATH = "", HOME = "" } = process.env;
    const child = spawn(process.execPath, [join(ROOT, program)], {
      cwd: folder.path,
      env: { PATH, HOME, PORT: "0" },
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let printed = "";
    child.stderr.on("data", (chunk) => {
      printed += chunk;
    });
    const [welcome] = await once(child.stdout, "data");
    const port = /127\.0\.0\.1:(\d+)/.exec(String(welcome))?.[1];
    const ended = once(child, "exit");
    for (let press = 0; press < 2; press++) process.kill(-(child.pid ?? 0), "SIGINT");
    expect(await ended).toEqual([0, null]);
    const lines = printed.trim().split("\n");
    const others = lines.filter((line) => !line.includes("No SMTP server is named default"));
    for (const line of others) expect(line).toMatch(/^\{.*"level":"INFO"/);
    expect(await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => "gone")).toBe("gone");
  },
);
