import { expect, test } from "bun:test";
import { copyFileSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommitOptions } from "../../../src/contracts/database.ts";
import { FileCheck } from "../../../src/storage/local/connection.ts";
import { openTest, outside, temporaryFile } from "../fixtures/database.ts";

type File = ReturnType<typeof temporaryFile>;

async function opened(file: File) {
  const database = openTest({ url: file.url });
  const insert = (options?: CommitOptions) =>
    database.commit([database.write.run("INSERT INTO one VALUES (1)")], options);
  await database.commit([database.write.run("CREATE TABLE one (id INTEGER)")]);
  await insert();
  return { database, insert, read: async () => database.read.all("SELECT * FROM one") };
}

test.each<[name: string, change: (file: File) => void]>([
  ["deleted", ({ path }) => rmSync(path)],
  ["moved", ({ path }) => renameSync(path, `${path}.old`)],
  ["emptied", ({ path }) => truncateSync(path)],
  [
    "replaced",
    ({ path }) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
])("reads and writes fail once the database file was %s", async (_, change) => {
  using file = temporaryFile();
  const { database, insert, read } = await opened(file);
  expect(await read()).toHaveLength(1);
  change(file);
  const inBackground = () => insert({ isBackground: true });
  for (const use of [insert, read, inBackground, insert, inBackground])
    await expect(use()).rejects.toMatchObject({ code: "database_unavailable", retryAfterSeconds: 30 });
  await database[Symbol.asyncDispose]();
});

/** Longer than the log goes unchecked. */
const UNCHECKED_MS = 150;

test.each<[name: string, change: (log: string) => void]>([
  ["deleted", (log) => rmSync(log)],
  ["moved", (log) => renameSync(log, `${log}.old`)],
  [
    "replaced",
    (log) => {
      copyFileSync(log, `${log}.copy`);
      renameSync(`${log}.copy`, log);
    },
  ],
])("reads and writes fail once the log of the database was %s", async (_, change) => {
  using file = temporaryFile();
  const link = join(file.directory, "link.db");
  writeFileSync(file.path, "");
  symlinkSync(file.path, link);
  // SQLite keeps the log next to the file, not next to the link.
  const { database, insert, read } = await opened({ ...file, path: link, url: `file:${link}` });
  await insert({ isBackground: true });
  expect(await read()).toHaveLength(2);
  change(`${file.path}-wal`);
  const isReadable = () =>
    read().then(
      () => true,
      () => false,
    );
  while (await isReadable());
  const inBackground = () => insert({ isBackground: true });
  for (const use of [insert, read, inBackground, insert, inBackground])
    await expect(use()).rejects.toMatchObject({ code: "database_unavailable", retryAfterSeconds: 30 });
  await database[Symbol.asyncDispose]();
});

test("a checkpoint, and processes that open and close the file, leave its log usable", async () => {
  using file = temporaryFile();
  const { database, insert, read } = await opened(file);
  for (const use of [insert, () => insert({ isBackground: true }), read, insert]) {
    await outside(file.path, "PRAGMA wal_checkpoint(TRUNCATE)", "INSERT INTO one VALUES (2)");
    await Bun.sleep(UNCHECKED_MS);
    await use();
  }
  expect(await read()).toHaveLength(8);
  await database[Symbol.asyncDispose]();
});

test("the log may be another once no connection has it open", () => {
  using file = temporaryFile();
  const log = `${file.path}-wal`;
  let nowMs = 0;
  const check = new FileCheck(
    () => file.path,
    () => (nowMs += UNCHECKED_MS),
  );
  const [one, two] = [{}, {}];
  const renew = () => {
    writeFileSync(`${log}.new`, "log");
    renameSync(`${log}.new`, log);
  };
  writeFileSync(file.path, "database");
  check.assert();
  renew();
  for (const connection of [one, two]) check.opened(connection);
  check.assert();
  check.closed(one);
  check.closed(two);
  renew();
  check.opened(two);
  check.assert();
  check.closed(one);
  renew();
  check.opened(one);
  expect(() => check.assert()).toThrow("log");
});

test("a file that is written in the background stays usable", async () => {
  using file = temporaryFile();
  const { database, insert, read } = await opened(file);
  await database.commit([database.write.run("PRAGMA wal_checkpoint(TRUNCATE)")]);
  await insert();
  expect(await read()).toHaveLength(2);
  await database[Symbol.asyncDispose]();
});
