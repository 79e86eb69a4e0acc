import { hash } from "node:crypto";
import { type SQL, sql } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import type { Database, Migration, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";
import { prepareStatement, STATEMENTS } from "./drizzle.ts";
import { isUnavailable, reasonOf } from "./errors.ts";
import { keptTableOf, restoreTriggers } from "./kept-tables.ts";

const BREAKPOINT = /^--> statement-breakpoint\s*$/m;
/** Creates the table of applied migrations. */
export const CREATE_TABLE = sql`
  CREATE TABLE IF NOT EXISTS migration (
    name TEXT PRIMARY KEY NOT NULL,
    hash TEXT NOT NULL,
    applied_at INTEGER NOT NULL
  ) STRICT`;
/** All of them in one row, which is faster than one row for each. */
const SELECT_APPLIED = sql`SELECT json_group_object(name, hash) AS hashes FROM migration`;
const selectApplied = prepareStatement(() => STATEMENTS.all<AppliedRow>(SELECT_APPLIED));
/** Selects a row if a start has created the tables. */
export const SELECT_TABLES = "SELECT 1 FROM sqlite_master WHERE name = 'migration'";

interface AppliedRow {
  /** The hash of each applied migration by its name, as JSON. */
  readonly hashes: string;
}
/** A migration that is ready to be applied. */
export interface Step {
  readonly name: string;
  readonly hash: string;
  /** @throws {TypeError} if one statement is in fact two: the driver would run only the first. */
  readonly statements: readonly string[];
  /** Table whose changes it counts; `null` for a migration of another kind. */
  readonly keptTable: string | null;
}
/** The steps of migrations. Instances of one process have the same ones, and hashing takes longer than all else here. */
const knownSteps = new WeakMap<Migration, Step>();
type Selects = readonly [Statement, ...Statement[]];

/**
 * Applies missing migrations in order. Each is one atomic commit with its row in `migration`. If none is missing, no
 * write lock is taken. Several processes may migrate concurrently: the second one fails on the key of the row and changes
 * nothing. Foreign keys stay enforced, because `PRAGMA foreign_keys` has no effect inside a transaction.
 * @returns the names that this call applied.
 * @throws {SealpostError} `bad_setting` if the database has a migration that this version does not know, or one with
 * another text.
 * @throws {TypeError} if one statement is in fact two: the driver would run only the first.
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  { now }: Pick<Platform, "now">,
): Promise<readonly string[]> {
  const steps = migrations.map(prepared);
  const rows = await database.read.all<AppliedRow>(SELECT_APPLIED).catch(noTable);
  const applied = rows === null ? await createTable(database) : hashesOf(rows);
  const done: string[] = [];
  for (const step of withTriggers(missingOf(steps, applied), steps)) {
    if (await apply(database, step, now())) done.push(step.name);
  }
  return done;
}

/** Whether a start has created the tables. Does not change the database. */
export async function isMigrated({ read }: Database): Promise<boolean> {
  return (await read.all(sql.raw(SELECT_TABLES))).length > 0;
}

/**
 * Migrates and runs selects that need all migrations. One round trip if no migration is missing.
 * @throws as {@link migrate} does.
 */
export async function migrateAndRead<const T extends Selects>(
  database: Database,
  migrations: readonly Migration[],
  selects: T,
  platform: Pick<Platform, "now">,
): Promise<BatchResponse<T>>;
export async function migrateAndRead(
  database: Database,
  migrations: readonly Migration[],
  selects: Selects,
  platform: Pick<Platform, "now">,
): Promise<readonly unknown[]> {
  const { read } = database;
  const steps = migrations.map(prepared);
  const found = await read.batch([selectApplied(), ...selects]).catch(noTable);
  if (found !== null) {
    const [applied, ...rows] = found;
    if (missingOf(steps, hashesOf(applied)).length === 0) return rows;
  }
  await migrate(database, migrations, platform);
  const [first, ...others] = selects;
  return read.batch([first, ...others]);
}

/** Ignores a missing table, which a migration will create. Any other error occurs again later. */
function noTable(error: unknown): null {
  if (isUnavailable(error)) throw error;
  return null;
}

/** Hashes a migration, once. Its statements are split when they are read: most starts find every migration applied. */
export function prepared(migration: Migration): Step {
  const step = knownSteps.get(migration) ?? stepOf(migration);
  knownSteps.set(migration, step);
  return step;
}

function stepOf(migration: Migration): Step {
  const { name, sql: text } = migration;
  const unified = text.replaceAll("\r\n", "\n");
  return {
    name,
    keptTable: keptTableOf(migration),
    // `createHash` creates a stream for each.
    hash: hash("sha256", unified),
    get statements() {
      return statementsOf(name, unified);
    },
  };
}

/**
 * Adds the triggers of a plugin's kept tables to the last of its missing migrations. One that replaces a table drops them
 * with it, without an error, and its changes would no longer be noticed. Not before the last one, which may be the one
 * that creates the table again.
 * @param steps all migrations.
 */
export function withTriggers(missing: readonly Step[], steps: readonly Step[]): readonly Step[] {
  const lasts = new Map(missing.map((step) => [ownerOf(step.name), step]));
  return missing.map((step) => {
    const owner = ownerOf(step.name);
    if (lasts.get(owner) !== step) return step;
    const kept = steps.filter((one) => ownerOf(one.name) === owner && !missing.includes(one));
    const triggers = kept.flatMap(({ keptTable }) => (keptTable === null ? [] : restoreTriggers(keptTable)));
    return { ...step, statements: [...step.statements, ...triggers] };
  });
}

/** @throws {TypeError} if one statement is in fact two. */
function statementsOf(name: string, text: string): string[] {
  const statements = text.split(BREAKPOINT).filter((statement) => withoutText(statement).trim() !== "");
  const double = statements.find(isSeveral);
  if (double === undefined) return statements;
  throw new TypeError(`Migration "${name}" lacks a breakpoint after: ${double}`);
}

function withoutText(statement: string): string {
  return statement.replaceAll(/'[^']*'|"[^"]*"|--[^\n]*|\/\*[\s\S]*?\*\//g, " ");
}

function isSeveral(statement: string): boolean {
  const bare = withoutText(statement);
  return /;\s*\S/.test(bare) && !/^\s*create\s+trigger\b/i.test(bare);
}

async function createTable(database: Database): Promise<Hashes> {
  const { write } = database;
  const [, rows] = await database.commit([write.run(CREATE_TABLE), write.all<AppliedRow>(SELECT_APPLIED)]);
  return hashesOf(rows);
}

type Hashes = ReadonlyMap<string, string>;

function hashesOf([row]: readonly AppliedRow[]): Hashes {
  return new Map(Object.entries(JSON.parse(row?.hashes ?? "{}")));
}

/** @throws {SealpostError} `bad_setting` if the database belongs to another version. */
function missingOf(steps: readonly Step[], applied: Hashes): readonly Step[] {
  assertKnown(applied, steps);
  return steps.filter((step) => !isApplied(step, applied));
}

/** Migrations of plugins that are not loaded are ignored. */
function assertKnown(applied: Hashes, steps: readonly Step[]): void {
  const known = new Set(steps.map(({ name }) => name));
  const owners = new Set(["", ...steps.map(({ name }) => ownerOf(name))]);
  const unknown = [...applied.keys()].find((name) => !known.has(name) && owners.has(ownerOf(name)));
  if (unknown === undefined) return;
  throw new SealpostError(
    "bad_setting",
    `The database was created by a newer Sealpost with the migration "${unknown}": start that version`,
  );
}

/** Returns the name of the plugin that owns a migration, or an empty text for Sealpost's own. */
export function ownerOf(name: string): string {
  return name.slice(0, Math.max(0, name.indexOf("/")));
}

function isApplied({ name, hash }: Step, applied: Hashes): boolean {
  const found = applied.get(name);
  if (found === undefined || found === hash) return found !== undefined;
  throw new SealpostError(
    "bad_setting",
    `Migration "${name}" differs from the one applied to this database: start the Sealpost version that created it`,
  );
}

async function apply(database: Database, step: Step, now: Date): Promise<boolean> {
  const { write } = database;
  const { name, statements } = step;
  const record = recordMigration(step, now);
  try {
    await database.commit([write.run(record), ...statements.map((text) => write.run(sql.raw(text)))]);
    return true;
  } catch (error) {
    // Another process was first, or the response of this commit was lost.
    if (isApplied(step, hashesOf(await database.read.all<AppliedRow>(SELECT_APPLIED)))) return false;
    if (error instanceof SealpostError) throw error;
    const named = new Error(`Migration "${name}" failed: ${reasonOf(error)}`, { cause: error });
    throw error instanceof Error && "code" in error ? Object.assign(named, { code: error.code }) : named;
  }
}

/** Returns the statement that records a migration as applied. */
export function recordMigration({ name, hash }: Pick<Step, "name" | "hash">, at: Date): SQL {
  return sql`INSERT INTO migration (name, hash, applied_at) VALUES (${name}, ${hash}, ${at.getTime()})`;
}
