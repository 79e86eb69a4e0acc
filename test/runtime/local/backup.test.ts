import { expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseConfig } from "../../../src/config.ts";
import type { AuditActor } from "../../../src/domain/audit.ts";
import { pluginsOf } from "../../../src/runtime/default-plugins.ts";
import { restore } from "../../../src/runtime/local/backup.ts";
import { openLocalClient } from "../../../src/storage/local/client.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { runCli } from "../../fixtures/process/sealpost.ts";
import { outside } from "../../storage/fixtures/database.ts";

setDefaultTimeout(TEST_MS);

const PLUGINS = pluginsOf({});
const ACTOR = { administrator: "me", realm: "", client: "", policies: "", requestId: "" };

/** A database and a backup of each kind, by other processes, because this one would keep their locks. */
async function backedUp(folder: string) {
  const path = join(folder, "data", "sealpost.db");
  const url = pathToFileURL(path).href;
  for (const args of [["migrate"], ["backup", "copy.db"], ["backup", "copy.jsonl", "--portable"]])
    expect((await runCli(args, { folder })).stderr).toBe("");
  const files = { native: join(folder, "copy.db"), portable: join(folder, "copy.jsonl") };
  const replacing = (file: string, actor: AuditActor) =>
    restore(parseConfig({ SEALPOST_DATABASE_URL: url }), file, { replace: true, plugins: PLUGINS, actor });
  const actions = () => outside(path, "SELECT action FROM audit WHERE action LIKE 'cli restore%'");
  return { path, url, files, replacing, actions };
}

test("a restore of each kind of backup is in the audit log", async () => {
  using folder = temporaryFolder();
  const { files, replacing, actions } = await backedUp(folder.path);
  for (const file of Object.values(files)) {
    await replacing(file, { ...ACTOR, action: `cli restore ${file}` });
    expect(await actions()).toEqual([{ action: `cli restore ${file}` }]);
  }
});

test("a restore replaces no database that a process opens while the backup is read", async () => {
  using folder = temporaryFolder();
  const { url, files, replacing, actions } = await backedUp(folder.path);
  const opened = openLocalClient(url);
  // The restore reads the action when it has checked the database, and before it replaces it.
  const starting: AuditActor = {
    ...ACTOR,
    get action() {
      for (const statement of ["PRAGMA journal_mode = WAL", "SELECT count(*) FROM mail"])
        void opened.execute(statement);
      return "cli restore";
    },
  };
  await expect(replacing(files.native, starting)).rejects.toThrow("was opened by another process");
  opened.close();
  expect(await actions()).toEqual([]);
});

test("a restore leaves no database next to a log that was created meanwhile", async () => {
  using folder = temporaryFolder();
  const { path, files, replacing } = await backedUp(folder.path);
  const starting: AuditActor = {
    ...ACTOR,
    get action() {
      writeFileSync(`${path}-shm`, "index");
      return "cli restore";
    },
  };
  await expect(replacing(files.portable, starting)).rejects.toThrow("was created while the backup was read");
});
