import { Command } from "commander";
import { print, withInstance } from "./session.ts";

/** `migrate`: what every start does anyway. */
export function migrateCommand(): Command {
  return new Command("migrate")
    .description("Bring the database up to date, as every start does")
    .action(async () => {
      await withInstance(async () => print("The database is up to date"));
    });
}
