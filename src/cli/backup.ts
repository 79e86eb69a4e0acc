import { Command } from "commander";
import { parseConfig } from "../config.ts";
import { backUp, restore, withBackup, writeBackup } from "../runtime/local/backup.ts";
import { loadPlugins } from "../runtime/local/load-plugins.ts";
import { restoreInto } from "../runtime/local/moves.ts";
import { show } from "./output.ts";
import { messagesAndWebhooks } from "./queue.ts";
import { remoteSource, remoteTarget } from "./remote-moves.ts";
import { globalOptionsOf, operatorTasks } from "./run.ts";
import { commandLineActor } from "./session.ts";

const KEYS_REMARK =
  "Its secrets need the encryption keys (sealpost.keys or SEALPOST_KEYS), which are not in it";

interface BackupOptions {
  readonly portable?: boolean;
}
interface RestoreOptions {
  readonly replace?: boolean;
}

/** `backup`: works on the database alone, so it migrates nothing. */
export function backupCommand(): Command {
  return new Command("backup")
    .description("Copy the database to a new file, while the server runs or not")
    .argument("<file>", "path of the copy; an existing file is never replaced")
    .option("--portable", "write a copy for any kind of database, as that of a database server always is")
    .action(async (file: string, { portable = false }: BackupOptions, command: Command) => {
      const { url, json } = globalOptionsOf(command);
      const isPortable =
        url === undefined ? await backUpHere(file, portable) : await backUpFrom(command, url, file);
      const lines = [`The database is copied to ${file}`, KEYS_REMARK];
      show({ json: { file, portable: isPortable }, lines }, json);
    });
}

/** `restore`: works on the database alone. */
export function restoreCommand(): Command {
  return new Command("restore")
    .description("Create the database from a backup, while the server is stopped, and hold its queued mail")
    .argument("<file>", "path of the backup")
    .option("--replace", "replace an instance that has data; it is lost")
    .action(async (file: string, { replace = false }: RestoreOptions, command: Command) => {
      const { url, json } = globalOptionsOf(command);
      const { place, held } =
        url === undefined ? await restoreHere(file, replace) : await restoreAt(command, url, file, replace);
      const lines = [`${place} is restored from ${file}`, KEYS_REMARK, ...heldLines(held)];
      show({ json: { file: place, held }, lines }, json);
    });
}

async function backUpHere(file: string, portable: boolean): Promise<boolean> {
  return backUp(parseConfig(process.env), file, { portable, plugins: await loadPlugins(process.cwd()) });
}

async function backUpFrom(command: Command, url: string, file: string): Promise<true> {
  await writeBackup(file, remoteSource(operatorTasks(command, url)));
  return true;
}

async function restoreHere(file: string, replace: boolean) {
  const plugins = await loadPlugins(process.cwd());
  return restore(parseConfig(process.env), file, { replace, plugins, actor: commandLineActor("restore") });
}

async function restoreAt(command: Command, url: string, file: string, replace: boolean) {
  const target = remoteTarget(operatorTasks(command, url));
  const plugins = await loadPlugins(process.cwd());
  const restored = await withBackup(file, plugins, (backup) => restoreInto(target, backup, { replace }));
  return { place: new URL(url).host, ...restored };
}

/** The instance that was backed up may still send the same messages. */
function heldLines(held: number): string[] {
  if (held === 0) return [];
  return [
    `${messagesAndWebhooks(held)} held: when the other instance has ended, "queue release" sends ${held === 1 ? "it" : "them"}`,
  ];
}
