import { getTableName } from "drizzle-orm";
import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import type { Database, Migration, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import {
  BACKUP_FORMAT,
  type BackupHeader,
  type BackupSource,
  type BackupTable,
  type Restored,
  type RestoreOptions,
  type RestoreTarget,
} from "../domain/backup.ts";
import { invalidParameter, SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { keyIdOf } from "../secrets/seal.ts";
import { createInstanceSecretRepository } from "../storage/instance-secrets.ts";
import { tableInUse } from "../storage/moves/in-use.ts";
import { planRestore } from "../storage/moves/plan.ts";
import { createSnapshots } from "../storage/moves/snapshot.ts";
import { createStagingTables } from "../storage/moves/staging.ts";
import {
  assertOwn,
  dropCopies,
  foreignAmong,
  listTables,
  newCopyId,
  SNAPSHOT,
  STAGING,
  STAYS,
} from "../storage/moves/tables.ts";
import { changedRows, holdCopied } from "../storage/queued-mail.ts";
import { instance } from "../storage/schema.ts";
import type { SealedRepository } from "../storage/sealed-values.ts";
import { VERSION } from "../version.ts";
import { KEY_CHECK, opensSecret, type SecretRow } from "./instance-secrets.ts";

/** Name of the table of the instance's secrets. */
const SECRETS = getTableName(instance);

/** Creates what reads an instance for a backup. Secrets stay as they are stored, and no key is needed. */
export function createBackupSource(deps: {
  readonly database: Database;
  readonly sealed: Pick<SealedRepository, "listKeyIds">;
  readonly platform: Pick<Platform, "randomBytes" | "now">;
}): BackupSource {
  const { database, sealed, platform } = deps;
  const snapshots = createSnapshots(database);
  return {
    async begin() {
      const id = newCopyId(platform);
      const found = await snapshots.create(id);
      if (found === null) throw new SealpostError("conflict", "The instance has no data to copy");
      const keys = (await sealed.listKeyIds(existsAmong(found.tables))).map((row) => row.id);
      const keyCheck = (await createInstanceSecretRepository(database).read(KEY_CHECK)) ?? "";
      return { id, header: { sealpost: BACKUP_FORMAT, version: VERSION, keys, keyCheck, ...found } };
    },
    page: snapshots.page,
    end: snapshots.drop,
  };
}

/**
 * Creates what restores an instance into a database. The rows arrive in tables of their own, and one commit puts them in
 * place, so an interrupted restore changes nothing.
 * @param deps.keyring `null` if the keys are not there yet, so that the next start checks them.
 * @param deps.audit returns the statements that record the restore.
 */
export function createRestoreTarget(deps: {
  readonly database: Database;
  readonly migrations: readonly Migration[];
  readonly sealed: Pick<SealedRepository, "listKeyIds">;
  readonly dueTimes: readonly SQLiteColumn[];
  readonly transient: readonly SQLiteTable[];
  readonly keyring: Keyring | null;
  readonly platform: Pick<Platform, "randomBytes" | "now">;
  readonly audit: (now: Date) => readonly Statement[];
}): RestoreTarget {
  const { database, migrations, sealed, dueTimes, transient, keyring, platform, audit } = deps;
  const staging = createStagingTables(database, dueTimes);

  async function plan(header: BackupHeader, { replace }: RestoreOptions) {
    const steps = planRestore(migrations, header.migrations);
    const staying = header.tables.find(({ name }) => STAYS.includes(name));
    if (staying !== undefined)
      throw invalidParameter("header", `no backup has the table ${staying.name}; use another one`);
    assertOwn(foreignAmong(header.tables, header.migrations));
    if (keyring !== null) await assertKeys(keyring, header.keys, keyChecks(header.keyCheck));
    const inUse = replace ? null : await tableInUse(database, transient);
    if (inUse === null) return steps;
    const advice = "restore into a new instance, or replace this one with --replace";
    throw new SealpostError("conflict", `This instance has data (${inUse}); ${advice}`);
  }

  /** Checks what has arrived, as an instance does that starts: after the commit, nothing could take it back. */
  async function assertStartable(ring: Keyring, id: string, { tables }: BackupHeader) {
    const nameOf = (table: string) => staging.nameOf(id, table);
    const exists = existsAmong(tables);
    const keys = await sealed.listKeyIds(exists, nameOf);
    const hasSecrets = exists(SECRETS, instance.name.name) && exists(SECRETS, instance.value.name);
    const secrets = hasSecrets
      ? await createInstanceSecretRepository(database).readFrom(nameOf(SECRETS))
      : [];
    await assertKeys(
      ring,
      keys.map((row) => row.id),
      secrets,
    );
  }

  return {
    async begin(header, options) {
      await plan(header, options);
      const id = newCopyId(platform);
      await staging.create(id, header.tables);
      return id;
    },

    insert: staging.insert,

    async finish(id, header, options) {
      const steps = await plan(header, options);
      if (!(await staging.isComplete(id, header.tables)))
        throw new SealpostError(
          "conflict",
          "Rows are missing, or another restore has begun: run this one again",
        );
      if (keyring !== null) await assertStartable(keyring, id, header);
      const now = platform.now();
      const held = await staging.replaceAll(id, header.tables, { ...steps, now }, audit(now));
      return { held };
    },
  };
}

/** Drops the copies of backups and restores that began before this time and did not come to their end. */
export async function discardCopies(database: Database, before: Date): Promise<void> {
  const drops = [
    ...(await dropCopies(database, SNAPSHOT, before)),
    ...(await dropCopies(database, STAGING, before)),
  ];
  await database.commit(drops);
}

/**
 * Makes a copied database ready to be used in place of its original: holds its queued mail, and the work of plugins.
 * @param deps.keyring `null` if the keys are not there yet, so that the next start checks them.
 * @param deps.audit returns the statements that record the restore.
 * @throws {SealpostError} `conflict` if the keys are not those of the copy.
 */
export async function adoptCopy(
  database: Database,
  deps: {
    readonly keyring: Keyring | null;
    readonly dueTimes: readonly SQLiteColumn[];
    readonly platform: Pick<Platform, "now">;
    readonly audit: (now: Date) => readonly Statement[];
  },
): Promise<Restored> {
  const { keyring, platform, audit } = deps;
  const keyCheck = (await createInstanceSecretRepository(database).read(KEY_CHECK)) ?? "";
  if (keyring !== null) {
    const id = keyIdOf(keyCheck);
    await assertKeys(keyring, id === null ? [] : [id], keyChecks(keyCheck));
  }
  // The copy may be older than a plugin, or than one of its columns.
  const { own } = await listTables(database);
  const dueTimes = deps.dueTimes.filter(({ table, name }) =>
    own.some((one) => one.name === getTableName(table) && one.columns.includes(name)),
  );
  const holds = holdCopied(database, dueTimes);
  const results: readonly unknown[] = await database.commit([...holds, ...audit(platform.now())]);
  return { held: changedRows(results.slice(0, holds.length)) };
}

/** The key check value of an instance, unless it is empty. */
function keyChecks(value: string): readonly SecretRow[] {
  return value === "" ? [] : [{ name: KEY_CHECK, value }];
}

/** Returns what checks whether one of the tables has a column. In SQL, names have no letter case. */
function existsAmong(tables: readonly BackupTable[]) {
  const names = new Set(
    tables.flatMap(({ name, columns }) => columns.map((column) => `${name}.${column}`.toLowerCase())),
  );
  return (table: string, column: string) => names.has(`${table}.${column}`.toLowerCase());
}

/** @throws {SealpostError} `conflict` if the keys are not those of the backup. */
async function assertKeys(
  keyring: Keyring,
  keys: readonly string[],
  secrets: readonly SecretRow[],
): Promise<void> {
  const missing = keys.filter((id) => !keyring.ids.includes(id));
  const advice = "set SEALPOST_KEYS, or the key file, to the keys of the instance that was backed up";
  if (missing.length > 0) {
    const names = missing.map((id) => `"${id}"`).join(", ");
    const message = `The backup is encrypted with key ${names}, which is not among the given keys (${keyring.ids.join(", ")}): ${advice}`;
    throw new SealpostError("conflict", message);
  }
  const areOpened = await Promise.all(secrets.map((secret) => opensSecret(keyring, secret)));
  if (areOpened.every((isOpened) => isOpened)) return;
  throw new SealpostError("conflict", `The given keys do not open the backup: ${advice}`);
}
