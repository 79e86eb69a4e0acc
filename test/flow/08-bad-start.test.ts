import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startInVain, startSealpost } from "../fixtures/process/sealpost.ts";
import { smallDisk } from "../fixtures/process/small-disk.ts";

setDefaultTimeout(TEST_MS);

/** Upper bound of a failing start on a busy machine. */
const QUICKLY_MS = 8_000;
const PEM = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";

/** Starts and expects a failure. @returns the one line on standard error, after `sealpost: `. */
async function problemOf(env: Readonly<Record<string, string>>, folder?: string): Promise<string> {
  using own = temporaryFolder();
  const startMs = performance.now();
  const { code, stdout, stderr } = await startInVain({ folder: folder ?? own.path, env });
  expect(performance.now() - startMs).toBeLessThan(QUICKLY_MS);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toMatch(/^sealpost: [^\n]+\n$/);
  expect(stderr).not.toMatch(/\bat .*:\d+:\d+|[a-z]Error\b/);
  return stderr.slice("sealpost: ".length).trim();
}

const BAD_VALUES: readonly (readonly [name: string, value: string, said: string])[] = [
  ["SEALPOST_DATABASE", "file:x.db", "SEALPOST_DATABASE"],
  ["SEALPOST_", "1", "SEALPOST_"],
  ["PORT", "http", "whole number from 0 to 65535"],
  ["PORT", "70000", "whole number from 0 to 65535"],
  ["PORT", "-1", "whole number from 0 to 65535"],
  ["HOST", "no host name", "HOST"],
  ["HOST", "192.0.2.1", "HOST"],
  ["SEALPOST_DATABASE_URL", "sealpost.db", "expected file:"],
  ["SEALPOST_DATABASE_URL", "mysql://localhost", "expected file:"],
  ["SEALPOST_DATABASE_URL", "file:", "SEALPOST_DATABASE_URL"],
  ["SEALPOST_DATABASE_URL", "file://elsewhere/x.db", "path on this machine"],
  ["SEALPOST_DATABASE_URL", "file:x.db?mode=ro", "SEALPOST_DATABASE_URL"],
  ["SEALPOST_DATABASE_URL", "libsql://", "SEALPOST_DATABASE_URL"],
  ["SEALPOST_DATABASE_URL", "http://127.0.0.1:1", "SEALPOST_DATABASE_URL"],
  ["SEALPOST_KEYS", "x", "id:base64"],
  ["SEALPOST_SECRETS", "show", "reveal or censor"],
  ["SEALPOST_TRANSPORT", "pigeon", "smtp"],
  ["SEALPOST_TRANSPORT", "worker-mailer", "is for Cloudflare Workers; expected smtp"],
  ["SEALPOST_TOKEN_SECONDS", "1", "whole number from 60"],
  ["SEALPOST_TOKEN_SECONDS", "1h", "whole number from 60"],
  ["SEALPOST_TLS_CA", "/nowhere/ca.pem", "/nowhere/ca.pem"],
  ["SEALPOST_TLS_CA", "/dev/null", "PEM"],
  ["SEALPOST_TLS_CA", PEM, "PEM"],
  ["SEALPOST_EHLO_NAME", "two words", "host name"],
  ["SEALPOST_EGRESS", "none", "private or public"],
  ["SEALPOST_EGRESS_PORTS", "25,smtp", "1 to 65535"],
  ["SEALPOST_EGRESS_PORTS", "0", "1 to 65535"],
  ["SEALPOST_TRUSTED_PROXIES", "10.0.0.0/33", "CIDR"],
  ["SEALPOST_TRUSTED_PROXIES", "proxy.example.org", "CIDR"],
  ["SEALPOST_AUDIT_DAYS", "0", "whole number from 1"],
  ["SEALPOST_LOG", "verbose", "info"],
];
test.each(BAD_VALUES)("%s=%j stops the start with one line that names it", async (name, value, said) => {
  const problem = await problemOf({ [name]: value });
  expect(problem).toContain(name);
  expect(problem).toContain(said);
});

test("a port in use stops the start", async () => {
  using holder = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const problem = await problemOf({ PORT: String(holder.port) });
  expect(problem).toContain(`PORT: cannot listen on 127.0.0.1:${holder.port}`);
});

test("a data folder below a file stops the start", async () => {
  using folder = temporaryFolder();
  writeFileSync(join(folder.path, "file"), "");
  expect(await problemOf({ SEALPOST_DATABASE_URL: "file:file/below/sealpost.db" }, folder.path)).toMatch(
    /file\/below.*SEALPOST_DATABASE_URL/,
  );
});

test("a data folder that is not writable stops the start", async () => {
  expect(await problemOf({ SEALPOST_DATABASE_URL: "file:/proc/sealpost/sealpost.db" })).toMatch(
    /\/proc\/sealpost.*SEALPOST_DATABASE_URL/,
  );
});

test("a database file in a folder that is not writable stops the start", async () => {
  expect(await problemOf({ SEALPOST_DATABASE_URL: "file:/proc/sealpost.db" })).toContain(
    "SEALPOST_DATABASE_URL",
  );
});

test("a folder with the name of the database file stops the start", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "data", "sealpost.db"), { recursive: true });
  expect(await problemOf({}, folder.path)).toContain("SEALPOST_DATABASE_URL");
});

test("a folder with the name of the key file stops the start", async () => {
  using folder = temporaryFolder();
  mkdirSync(join(folder.path, "data", "sealpost.keys"), { recursive: true });
  expect(await problemOf({}, folder.path)).toContain("sealpost.keys");
});

test.each([
  ["text", "This is no database, however long it is. ".repeat(100)],
  ["a cut header", "SQLite format 3\0"],
])("a database file with %s stops the start and is not changed", async (_what, content) => {
  using folder = temporaryFolder();
  const path = join(folder.path, "other.db");
  writeFileSync(path, content);
  expect(await problemOf({ SEALPOST_DATABASE_URL: "file:other.db" }, folder.path)).toContain(
    "SEALPOST_DATABASE_URL",
  );
  expect(await Bun.file(path).text()).toBe(content);
});

test("a folder in the place of the database file is named as such", async () => {
  using folder = temporaryFolder();
  const path = join(folder.path, "mounted.db");
  mkdirSync(path);
  expect(await problemOf({ SEALPOST_DATABASE_URL: `file:${path}` })).toContain("cannot be written (EISDIR)");
});

test("a key with the ID of the database's key that is another one is named", async () => {
  using folder = temporaryFolder();
  const keyOf = (byte: number) => ({ SEALPOST_KEYS: `main:${Buffer.alloc(32, byte).toString("base64")}` });
  await (await startSealpost({ folder: folder.path, env: keyOf(1) })).stop();
  const problem = await problemOf(keyOf(2), folder.path);
  expect(problem).toStartWith(
    "SEALPOST_KEYS: the key of this ID is not the one that encrypted this database",
  );
});

const disk = smallDisk();
if (disk === null) console.warn("Skipped: a small disk cannot be mounted here");
afterAll(() => disk?.[Symbol.dispose]());

test("a password that is not allowed stops the start that would create the first admin, and no other", async () => {
  using folder = temporaryFolder();
  const env = { SEALPOST_ADMIN_USER: "gwendolyn" };
  for (const password of ["x", "Password1", "Gwendolyn"])
    expect(await problemOf({ ...env, SEALPOST_ADMIN_PASSWORD: password }, folder.path)).toStartWith(
      "SEALPOST_ADMIN_PASSWORD: expected ",
    );
  await using first = await startSealpost({
    folder: folder.path,
    env: { SEALPOST_ADMIN_PASSWORD: "a word of mine" },
  });
  await first.stop();
  await using again = await startSealpost({ folder: folder.path, env: { SEALPOST_ADMIN_PASSWORD: "x" } });
  await again.logIn("a word of mine");
});

test.skipIf(disk === null)(
  "a full disk stops the start, and with space again the first start works",
  async () => {
    const env = { SEALPOST_DATABASE_URL: `file:${disk?.path}/sealpost.db` };
    disk?.fill();
    expect(await problemOf(env)).toMatch(/disk|space/);
    disk?.free();
    using folder = temporaryFolder();
    await using sealpost = await startSealpost({ folder: folder.path, env });
    expect(sealpost.password).not.toBeNull();
  },
);

test.skipIf(disk === null)(
  "a disk that becomes full rejects saves with 503, keeps earlier ones and recovers",
  async () => {
    const env = {
      SEALPOST_DATABASE_URL: `file:${disk?.path}/later/sealpost.db`,
      SEALPOST_ADMIN_PASSWORD: "full disk",
    };
    using folder = temporaryFolder();
    await using sealpost = await startSealpost({ folder: folder.path, env });
    const api = await sealpost.logIn();
    expect((await api.save("before", { server: "mail.example.org" })).status).toBe(200);
    disk?.fill();
    const long = { server: "mail.example.org", description: "x".repeat(2000) };
    const statuses: number[] = [];
    for (let number = 0; number < 40; number++)
      statuses.push((await api.save(`full ${number}`, long)).status);
    expect(statuses.at(-1)).toBe(503);
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    disk?.free();
    expect((await api.save("after", { server: "mail.example.org" })).status).toBe(200);
    const saved = statuses.flatMap((status, number) => (status === 200 ? [`full ${number}`] : []));
    expect(Object.keys(await api.list()).sort()).toEqual(["before", "after", ...saved].sort());
  },
);
