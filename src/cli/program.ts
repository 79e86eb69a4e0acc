import { Command } from "commander";
import { SealpostError } from "../errors.ts";
import { cliCommand } from "../runtime/platform.ts";
import { VERSION } from "../version.ts";
import { adminCommand } from "./admin.ts";
import { ApiError } from "./api.ts";
import { apiKeyCommand } from "./apikey.ts";
import { backupCommand, restoreCommand } from "./backup.ts";
import { doctorCommand } from "./doctor.ts";
import { keysCommand } from "./keys.ts";
import { mailCommand } from "./mail.ts";
import { migrateCommand } from "./migrate.ts";
import { queueCommand } from "./queue.ts";
import { needsDatabase } from "./run.ts";
import { serverCommand } from "./server.ts";
import { workerCommand } from "./worker.ts";

/** Runs one command. Its result is on standard output, and in the exit code. @param args without interpreter and program */
export async function runCommandLine(args: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(args, { from: "user" });
  } catch (error) {
    process.stderr.write(`sealpost: ${messageOf(error)}\n`);
    process.exitCode = 1;
  }
}

function createProgram(): Command {
  const program = new Command(cliCommand())
    .description("Administers a Sealpost instance; it reads the same SEALPOST_* settings as the server")
    .version(VERSION)
    .option("--json", "print JSON: the value of the HTTP response")
    .option(
      "--url <base url>",
      "use the server at this URL, with the API key in SEALPOST_API_KEY, or a Worker with its SEALPOST_KEYS",
    )
    .option("--key-stdin", "read the API key from standard input instead")
    .showHelpAfterError()
    .configureHelp({ showGlobalOptions: true })
    .addCommand(needsDatabase(migrateCommand()))
    .addCommand(keysCommand())
    .addCommand(adminCommand())
    .addCommand(apiKeyCommand())
    .addCommand(serverCommand())
    .addCommand(mailCommand())
    .addCommand(queueCommand())
    .addCommand(doctorCommand())
    .addCommand(needsDatabase(workerCommand()))
    .addCommand(backupCommand())
    .addCommand(restoreCommand());
  inheritSettings(program);
  return program;
}

/** Commands that are added, rather than created by their parent, do not inherit its settings. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) inheritSettings(child.copyInheritedSettings(command));
}

function messageOf(error: unknown): string {
  if (error instanceof SealpostError) return error.message.replace(/^ERR\d+: /, "");
  return error instanceof ApiError ? error.message : String(error);
}
