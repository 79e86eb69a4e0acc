import { createBackupSource, createRestoreTarget } from "../../access/moves.ts";
import type { Config } from "../../config.ts";
import type { Database } from "../../contracts/database.ts";
import type { Plugin } from "../../contracts/plugin/definition.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import type { BackupSource, Restored, RestoreOptions, RestoreTarget } from "../../domain/backup.ts";
import { readPlugins } from "../../plugin/registry.ts";
import type { Keyring } from "../../secrets/keyring.ts";
import { createAuditRepository } from "../../storage/audit-log.ts";
import { MIGRATIONS } from "../../storage/migrations/index.ts";
import { openDatabase } from "../../storage/open-database.ts";
import { createSealedRepository } from "../../storage/sealed-values.ts";
import { PLATFORM as platform } from "../platform.ts";
import type { PortableBackup } from "./portable-file.ts";

/** A server copies whole tables in one commit. */
const REQUEST_MS = 300_000;

/** Options of a database that is restored. */
interface TargetOptions {
  /** `null` if the keys are not there yet. */
  readonly keyring: Keyring | null;
  readonly plugins: readonly Plugin[];
  readonly actor: AuditActor;
}

/** Opens a database without migrating it, and closes it when the work is done. */
export async function withDatabase<T>(
  { databaseUrl: url, databaseToken }: Pick<Config, "databaseUrl" | "databaseToken">,
  work: (database: Database) => Promise<T>,
): Promise<T> {
  await using database = openDatabase({
    url,
    authToken: databaseToken.reveal(),
    randomBytes: platform.randomBytes,
    requestTimeoutMs: REQUEST_MS,
  });
  return await work(database);
}

/** Creates what reads a database for a backup. */
export function sourceOf(database: Database, plugins: readonly Plugin[]): BackupSource {
  const sealed = createSealedRepository(database, readPlugins(plugins).sealed);
  return createBackupSource({ database, sealed, platform });
}

/** Creates what restores into a database. */
export function targetOf(database: Database, { keyring, plugins, actor }: TargetOptions): RestoreTarget {
  const { migrations, sealed, dueTimes, transient } = readPlugins(plugins);
  return createRestoreTarget({
    database,
    migrations: [...MIGRATIONS, ...migrations],
    sealed: createSealedRepository(database, sealed),
    dueTimes,
    transient,
    keyring,
    platform,
    audit: auditOf(database, actor),
  });
}

/** Returns what builds the statements that record a restore. */
export function auditOf(database: Database, actor: AuditActor) {
  const audit = createAuditRepository(database);
  return (now: Date) => [audit.insert(auditEntry(actor, now, { success: true }))];
}

/** Moves a portable backup into an instance. */
export async function restoreInto(
  target: RestoreTarget,
  { header, batches }: PortableBackup,
  options: RestoreOptions,
): Promise<Restored> {
  const id = await target.begin(header, options);
  for await (const { table, rows } of batches()) await target.insert(id, table, rows);
  return target.finish(id, header, options);
}

/** Returns the rows of an instance in the form of a backup that was read. */
export async function rowsOf(source: BackupSource): Promise<PortableBackup> {
  const { id, header } = await source.begin();
  return {
    header,
    async *batches() {
      for (const table of header.tables)
        for (let start: number | null = 0; start !== null; ) {
          const { rows, next } = await source.page(id, table, start);
          yield { table, rows };
          start = next;
        }
    },
  };
}
