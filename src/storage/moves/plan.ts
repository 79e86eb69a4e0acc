import type { Migration } from "../../contracts/database.ts";
import type { AppliedMigration } from "../../domain/backup.ts";
import { SealpostError } from "../../errors.ts";
import { ownerOf, prepared, type Step, withTriggers } from "../migrate.ts";

/** The migrations of a restore, in order. */
export interface RestorePlan {
  /** Those that the backup has. */
  readonly before: readonly (Step & Pick<AppliedMigration, "appliedAt">)[];
  readonly after: readonly Step[];
}

/**
 * Sorts the migrations of this instance by what the backup has.
 * @throws {SealpostError} `conflict` if the backup has a migration that this instance does not have, or another text of one.
 */
export function planRestore(
  migrations: readonly Migration[],
  applied: readonly AppliedMigration[],
): RestorePlan {
  const steps = migrations.map(prepared);
  const inBackup = new Map(applied.map((migration) => [migration.name, migration]));
  const known = new Set(steps.map(({ name }) => name));
  const unknown = applied.find(({ name }) => !known.has(name));
  if (unknown !== undefined) throw unknownMigration(unknown.name, steps);
  const changed = steps.find(({ name, hash }) => (inBackup.get(name)?.hash ?? hash) !== hash);
  if (changed !== undefined) {
    const message = `Migration "${changed.name}" differs from the one of the backup: restore it with the Sealpost version that wrote it`;
    throw new SealpostError("conflict", message);
  }
  return {
    before: steps.flatMap((step) => {
      const found = inBackup.get(step.name);
      return found === undefined ? [] : [{ ...step, appliedAt: found.appliedAt }];
    }),
    after: withTriggers(
      steps.filter(({ name }) => !inBackup.has(name)),
      steps,
    ),
  };
}

function unknownMigration(name: string, steps: readonly Step[]): SealpostError {
  const owner = ownerOf(name);
  const isLoaded = owner === "" || steps.some((step) => ownerOf(step.name) === owner);
  return new SealpostError(
    "conflict",
    isLoaded
      ? `The backup is of a newer version, with the migration "${name}": restore it with that version of Sealpost`
      : `The backup has data of the plugin "${owner}", which is not loaded here: add it to sealpost.config.ts`,
  );
}
