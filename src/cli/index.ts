import { Command } from "commander";
import { SealpostError } from "../errors.ts";
import { cliCommand } from "../runtime/platform.ts";
import { VERSION } from "../version.ts";
import { adminCommand } from "./admin.ts";
import { apiKeyCommand } from "./apikey.ts";
import { backupCommand, restoreCommand } from "./backup.ts";
import { keysCommand } from "./keys.ts";
import { migrateCommand } from "./migrate.ts";
import { queueCommand } from "./queue.ts";
import { serverCommand } from "./server.ts";
import { workerCommand } from "./worker.ts";

const program = new Command(cliCommand())
  .description("Administers a Sealpost instance; it reads the same SEALPOST_* settings as the server")
  .version(VERSION)
  .showHelpAfterError()
  .addCommand(migrateCommand())
  .addCommand(keysCommand())
  .addCommand(adminCommand())
  .addCommand(apiKeyCommand())
  .addCommand(serverCommand())
  .addCommand(queueCommand())
  .addCommand(workerCommand())
  .addCommand(backupCommand())
  .addCommand(restoreCommand());

try {
  await program.parseAsync();
} catch (error) {
  const message = error instanceof SealpostError ? error.message.replace(/^ERR\d+: /, "") : String(error);
  process.stderr.write(`sealpost: ${message}\n`);
  process.exitCode = 1;
}
