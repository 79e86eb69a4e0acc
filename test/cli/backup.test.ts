import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { pageCommands, runCommands } from "../fixtures/process/page.ts";
import { runCli, startInVain, startSealpost } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const PASSWORD = "a password of the first admin";
const ENV = { SEALPOST_ADMIN_PASSWORD: PASSWORD };
const definitions = async (path: string) =>
  (await outside(path, "SELECT identifier FROM smtp_server ORDER BY identifier")).length;

/** A server with three definitions, which are still in its log. */
async function runningServer(folder: string) {
  const server = await startSealpost({ folder, env: ENV });
  const api = await server.logIn();
  for (const name of ["a", "b", "c"]) await api.save(name, { server: "mail.example.org" });
  return server;
}

describe("backup", () => {
  test("copies what a running server has committed to one private file, and never replaces a file", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    await using server = await runningServer(folder.path);
    const copy = join(folder.path, "copy.db");
    const done = await runCli(["backup", copy], options);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout).toStartWith(`The database is copied to ${copy}\n`);
    expect((statSync(copy).mode & 0o777).toString(8)).toBe("600");
    expect(await definitions(copy)).toBe(3);
    const again = await runCli(["backup", copy], options);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    expect(again.stderr).toContain("exists already");
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  });

  test("rejects a database server that does not respond and a missing database, and creates no file", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    const remote = { SEALPOST_DATABASE_URL: "libsql://127.0.0.1:9", SEALPOST_KEYS: "" };
    const ended = await runCli(["backup", "copy.db"], { ...options, env: remote });
    expect(ended.stderr).toContain("The database server does not respond");
    expect((await runCli(["backup", "copy.db"], options)).stderr).toContain("has no data to copy");
    expect(readdirSync(folder.path)).toEqual([]);
  });
});

describe("restore", () => {
  test("creates the database that the next start serves, by the commands of docs/operate.md", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    const [, backingUp = "", restoring = ""] = await pageCommands("docs/operate.md");
    {
      await using server = await runningServer(folder.path);
      expect(await runCommands(backingUp, folder.path)).toBe(0);
      const api = await server.logIn();
      await api.save("later", { server: "mail.example.org" });
      const [copy = ""] = readdirSync(join(folder.path, "backups"));
      const running = await runCli(["restore", join("backups", copy)], options);
      expect(running).toMatchObject({ code: 1, stdout: "" });
      expect(running.stderr).toContain("data/sealpost.db has data; stop the server");
      await server.stop();
    }
    expect(await runCommands(restoring, folder.path)).toBe(0);
    const data = join(folder.path, "data");
    expect(readdirSync(data).sort()).toEqual(["sealpost.db", "sealpost.keys"]);
    expect((statSync(join(data, "sealpost.db")).mode & 0o777).toString(8)).toBe("600");
    await using restored = await startSealpost({ ...options, env: ENV });
    expect(Object.keys(await (await restored.logIn(PASSWORD)).list())).toEqual(["a", "b", "c"]);
  });

  test("replaces a database with --replace, but not that of a running server", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    const restoring = (file: string) => runCli(["restore", file, "--replace"], options);
    const path = join(folder.path, "data", "sealpost.db");
    {
      await using server = await runningServer(folder.path);
      await runCli(["backup", "three.db"], options);
      await runCli(["backup", "three.jsonl", "--portable"], options);
      const api = await server.logIn();
      await api.save("later", { server: "mail.example.org" });
      const open = {
        code: 1,
        stdout: "",
        stderr: expect.stringContaining("is open in another process; stop"),
      };
      expect(await restoring("three.db")).toMatchObject(open);
      expect(Object.keys(await api.list())).toHaveLength(4);
      await server.stop();
      // The database existed before this start.
      await using restarted = await startSealpost({ ...options, env: ENV });
      expect(await restoring("three.db")).toMatchObject(open);
      expect(Object.keys(await (await restarted.logIn(PASSWORD)).list())).toHaveLength(4);
    }
    expect(await definitions(path)).toBe(4);
    expect(await restoring("three.db")).toMatchObject({ code: 0, stderr: "" });
    expect(await definitions(path)).toBe(3);
    await runCli(["server", "remove", "a"], options);
    expect(await restoring("three.jsonl")).toMatchObject({ code: 0, stderr: "" });
    expect(await definitions(path)).toBe(3);
    const left = readdirSync(join(folder.path, "data")).filter((name) => name.startsWith("."));
    expect(left).toEqual([]);
    expect(readdirSync(folder.path).sort()).toEqual(["data", "three.db", "three.jsonl"]);
  });

  test("names a file that is no backup, such as a compressed one", async () => {
    using folder = temporaryFolder();
    writeFileSync(join(folder.path, "backup.jsonl.gz"), Bun.gzipSync('{"sealpost":1}\n'));
    const file = "backup.jsonl.gz";
    mkdirSync(join(folder.path, "backups"));
    expect((await runCli(["restore", "backups"], { folder: folder.path })).stderr).toContain(
      "cannot be opened",
    );
    for (const place of [[], ["--url", "http://127.0.0.1:9"]]) {
      const env = { SEALPOST_KEYS: `new:${Buffer.alloc(32, 7).toString("base64")}` };
      const { stderr } = await runCli(["restore", file, ...place], { folder: folder.path, env });
      expect(stderr).toBe(
        `sealpost: ${file} is not a database or a portable backup: decompress it first, or use another one\n`,
      );
    }
  });

  test("rejects a file without data, a damaged one, and a log without its database", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    const restoring = async (file: string) => (await runCli(["restore", file], options)).stderr;
    expect(await restoring("none.db")).toContain("none.db is missing or has no data");
    writeFileSync(join(folder.path, "text.db"), "not a database ".repeat(1_000));
    expect(await restoring("text.db")).toContain("is not a database");
    await runCli(["migrate"], options);
    await runCli(["backup", "copy.db"], options);
    const data = join(folder.path, "data");
    rmSync(join(data, "sealpost.db"));
    writeFileSync(join(data, "sealpost.db-wal"), "log");
    expect(await restoring("copy.db")).toContain("sealpost.db-wal exists without its database");
    expect(readdirSync(folder.path)).not.toContain("none.db");
  });
});

describe("a start next to a key file", () => {
  test("stops if the database was copied without its log, and a restore mends it", async () => {
    using folder = temporaryFolder();
    const there = join(folder.path, "there");
    const data = join(there, "data");
    mkdirSync(data, { recursive: true });
    {
      await using _server = await runningServer(folder.path);
      for (const name of ["sealpost.db", "sealpost.keys"])
        copyFileSync(join(folder.path, "data", name), join(data, name));
      await runCli(["backup", join(there, "copy.db")], { folder: folder.path });
    }
    const refused = await startInVain({ folder: there, env: ENV });
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(
      /^sealpost: SEALPOST_DATABASE_URL: .*restore <file>.*with its -wal file.*\n$/,
    );
    const restored = await runCli(["restore", "copy.db"], { folder: there });
    expect(restored).toMatchObject({ code: 0, stderr: "" });
    expect(await definitions(join(data, "sealpost.db"))).toBe(3);
  });

  test("stops if the database is missing or emptied, and creates none", async () => {
    using folder = temporaryFolder();
    const options = { folder: folder.path };
    await runCli(["migrate"], options);
    const path = join(folder.path, "data", "sealpost.db");
    writeFileSync(path, "");
    expect((await startInVain(options)).stderr).toContain("is missing or has no data");
    for (const name of readdirSync(join(folder.path, "data")).filter((file) => !file.endsWith(".keys")))
      rmSync(join(folder.path, "data", name));
    expect((await startInVain(options)).stderr).toContain(
      "a new instance needs a folder without this key file",
    );
    expect(readdirSync(join(folder.path, "data"))).toEqual(["sealpost.keys"]);
  });
});
