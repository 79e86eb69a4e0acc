import { expect, setDefaultTimeout, test } from "bun:test";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { outside } from "../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

test("migrate creates the database, changes nothing when run again, and rejects a database of a newer version", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path };
  const path = `${folder.path}/data/sealpost.db`;
  const applied = () => outside(path, "SELECT * FROM migration ORDER BY name");
  const good = { code: 0, stdout: "The database is up to date\n", stderr: "" };
  expect(await runCli(["migrate"], options)).toEqual(good);
  const before = await applied();
  expect(await runCli(["migrate"], options)).toEqual(good);
  expect(await applied()).toEqual(before);
  await outside(path, "INSERT INTO migration (name, hash, applied_at) VALUES ('9999_later', 'x', 0)");
  const refused = await runCli(["migrate"], options);
  expect(refused).toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^sealpost: .*9999_later.*\n$/),
  });
});
