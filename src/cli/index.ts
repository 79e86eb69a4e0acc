import { Command } from "commander";
import { SealpostError } from "../errors.ts";
import { VERSION } from "../version.ts";
import { adminCommand } from "./admin.ts";
import { keysCommand } from "./keys.ts";
import { migrateCommand } from "./migrate.ts";
import { serverCommand } from "./server.ts";

const program = new Command("bun run cli")
  .description("Administers a Sealpost instance; it reads the same SEALPOST_* settings as the server")
  .version(VERSION)
  .showHelpAfterError()
  .addCommand(migrateCommand())
  .addCommand(keysCommand())
  .addCommand(adminCommand())
  .addCommand(serverCommand());

try {
  await program.parseAsync();
} catch (error) {
  const message = error instanceof SealpostError ? error.message.replace(/^ERR\d+: /, "") : String(error);
  process.stderr.write(`sealpost: ${message}\n`);
  process.exitCode = 1;
}
