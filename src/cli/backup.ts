import { Command } from "commander";
import { parseConfig } from "../config.ts";
import { backUp, restore } from "../runtime/local/backup.ts";
import { show } from "./output.ts";
import { globalOptionsOf } from "./run.ts";

const KEYS_REMARK =
  "Its secrets need the encryption keys (sealpost.keys or SEALPOST_KEYS), which are not in it";

/** `backup`: works on the file alone, so it migrates nothing. */
export function backupCommand(): Command {
  return new Command("backup")
    .description("Copy the database to a new file, while the server runs or not")
    .argument("<file>", "path of the copy; an existing file is never replaced")
    .action(async (file: string, _, command: Command) => {
      await backUp(parseConfig(process.env), file);
      const lines = [`The database is copied to ${file}`, KEYS_REMARK];
      show({ json: { file }, lines }, globalOptionsOf(command).json);
    });
}

/** `restore`: works on files alone, so the next start migrates. */
export function restoreCommand(): Command {
  return new Command("restore")
    .description("Create the database from a backup, while the server is stopped")
    .argument("<file>", "path of the backup")
    .action(async (file: string, _, command: Command) => {
      const path = await restore(parseConfig(process.env), file);
      const lines = [`${path} is restored from ${file}`, KEYS_REMARK];
      show({ json: { file: path }, lines }, globalOptionsOf(command).json);
    });
}
