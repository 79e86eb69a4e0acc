import { expect, test } from "bun:test";
import { copyFileSync, renameSync, rmSync, truncateSync } from "node:fs";
import type { CommitOptions } from "../../../src/contracts/database.ts";
import { openTest, temporaryFile } from "../fixtures/database.ts";

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

test("a file that is written in the background stays usable", async () => {
  using file = temporaryFile();
  const { database, insert, read } = await opened(file);
  await database.commit([database.write.run("PRAGMA wal_checkpoint(TRUNCATE)")]);
  await insert();
  expect(await read()).toHaveLength(2);
  await database[Symbol.asyncDispose]();
});
