import { Command } from "commander";
import { runOnDatabase } from "./run.ts";

/** `migrate`: what every start does anyway. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("Bring the database up to date, as every start does")
    .action(async (_, command: Command) => {
      await runOnDatabase(command, async () => ({ json: true, lines: ["The database is up to date"] }));
    });
}
