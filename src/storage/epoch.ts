import { AsyncLocalStorage } from "node:async_hooks";
import { asc, sql } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import type { KeptTable } from "../contracts/database.ts";
import { type CommitOptions, type Database, isConstraintError, type Statement } from "./database.ts";
import { admin, epoch, pluginConfig, policy, smtpServer } from "./schema.ts";

export const ADMINS: KeptTable<typeof admin.$inferSelect> = {
  name: "admin",
  select: (read) => read.select().from(admin).orderBy(asc(admin.realm), asc(admin.username)),
};
export const POLICIES: KeptTable<typeof policy.$inferSelect> = {
  name: "policy",
  select: (read) => read.select().from(policy).orderBy(asc(policy.priority), asc(policy.name)),
};
export const SETTINGS: KeptTable<typeof pluginConfig.$inferSelect> = {
  name: "plugin_config",
  select: (read) => read.select().from(pluginConfig),
};
export const SERVERS: KeptTable<typeof smtpServer.$inferSelect> = {
  name: "smtp_server",
  select: (read) => read.select().from(smtpServer).orderBy(asc(smtpServer.identifier)),
};
export const CORE_TABLES: readonly KeptTable<unknown>[] = [ADMINS, POLICIES, SETTINGS, SERVERS];

/** The triggers that count the changes of a table, and its counter. */
export function epochMigration(name: string): string {
  const counter = `INSERT INTO epoch (part, n) VALUES ('${name}', 1)`;
  const triggers = ["insert", "update", "delete"].map(
    (change) => `CREATE TRIGGER epoch_${name}_${change} AFTER ${change.toUpperCase()} ON ${name}
      BEGIN UPDATE epoch SET n = n + 1 WHERE part = '${name}'; END`,
  );
  return [counter, ...triggers].join(";\n--> statement-breakpoint\n");
}

/** What decides who may do what. */
const ACCESS_TABLES: readonly KeptTable<unknown>[] = [ADMINS, POLICIES];

/** Rows as they were at one moment, which the database has confirmed. */
interface Moment {
  readonly counters: ReadonlyMap<string, number>;
  readonly rows: ReadonlyMap<string, readonly unknown[]>;
}

/** One request, or another piece of work that sees one moment. */
interface Scope {
  moment: Moment | null;
  /** Checks again what the work was allowed to do; rejects if it no longer is. */
  recheck: (() => Promise<void>) | null;
  /** What goes on after the work has ended asks for itself. */
  isOver: boolean;
}

/**
 * Rarely changed rows, kept in memory and never used without asking: each piece of work reads the epoch once, a few
 * counters, and the kept rows count only if those say that they are current. A change that any process has acknowledged
 * holds at the next request of every other.
 */
export interface Epoch {
  /** Runs a piece of work, such as a request, that sees the rows of one moment. What outlives it sees them as they are. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** The rows of a table, as they are now or, within {@link run}, as they were when the work first asked. */
  rows<Row>(table: KeptTable<Row>): Promise<readonly Row[]>;
  /** Within {@link run}: the next {@link rows} asks again, because something was changed. */
  forget(): void;
  /** Within {@link run}: from now on commits depend on the admins and policies that this work was allowed by. */
  allowed(recheck: () => Promise<void>): void;
  /**
   * Commits what was decided on these tables, as this work has seen them, and on what it was allowed by.
   * @returns null if one of them has changed since: nothing was written, and the next {@link rows} shows them anew.
   * @throws what the check of {@link allowed} rejects with, if the work is no longer allowed.
   */
  commit<const T extends readonly Statement[]>(
    tables: readonly KeptTable<unknown>[],
    statements: T,
  ): Promise<BatchResponse<T> | null>;
}

/** @param more tables of plugins. */
export function createEpoch(database: Database, more: readonly KeptTable<unknown>[] = []): Epoch {
  const { read, write } = database;
  const scopes = new AsyncLocalStorage<Scope>();
  const counters = read.select().from(epoch).prepare();
  const tables = [...CORE_TABLES, ...more];
  /** Values, never promises: on Workers a promise belongs to the request that made it. */
  let kept: Moment | null = null;

  /** Counters and rows in one batch, so that they are of one moment. */
  async function load(): Promise<Moment> {
    const selects = tables.map((table) => table.select(read));
    const [counted, ...all] = await read.batch([read.select().from(epoch), ...selects]);
    const rows = new Map(tables.map(({ name }, index) => [name, all[index] as readonly unknown[]]));
    kept = { counters: countersOf(counted), rows };
    return kept;
  }

  async function ask(): Promise<Moment> {
    const known = kept;
    if (known === null) return load();
    const now = countersOf(await counters.all());
    const isCurrent = tables.every(({ name }) => now.get(name) === known.counters.get(name));
    return isCurrent ? known : load();
  }

  async function moment(): Promise<Moment> {
    const scope = current();
    if (scope === null) return ask();
    scope.moment ??= await ask();
    return scope.moment;
  }

  function current(): Scope | null {
    const scope = scopes.getStore();
    return scope === undefined || scope.isOver ? null : scope;
  }

  /** The next question goes to the database, because something was changed. */
  function forget(): void {
    const scope = current();
    if (scope !== null) scope.moment = null;
  }

  /** Violates a constraint, and so rolls the commit back, if the table has changed since. */
  function guard({ counters: seen }: Moment, { name }: KeptTable<unknown>) {
    const n = sql`CASE WHEN ${epoch.n} = ${sql.param(seen.get(name) ?? 0, epoch.n)} THEN ${epoch.n} END`;
    return write.update(epoch).set({ n }).where(sql`${epoch.part} = ${name}`);
  }

  async function commit<const T extends readonly Statement[]>(
    decisive: readonly KeptTable<unknown>[],
    statements: T,
  ): Promise<BatchResponse<T> | null> {
    const recheck = current()?.recheck ?? null;
    const guarded = recheck === null ? decisive : [...new Set([...decisive, ...ACCESS_TABLES])];
    if (guarded.length === 0) return database.commit(statements);
    const seen = await moment();
    try {
      const guards = guarded.map((table) => guard(seen, table));
      const results: readonly unknown[] = await database.commit([...guards, ...statements]);
      forget();
      return results.slice(guards.length) as BatchResponse<T>;
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      forget();
      const now = await moment();
      if (guarded.every(({ name }) => now.counters.get(name) === seen.counters.get(name))) throw error;
      await recheck?.();
      return null;
    }
  }

  return {
    async run(work) {
      const scope: Scope = { moment: null, recheck: null, isOver: false };
      try {
        return await scopes.run(scope, work);
      } finally {
        scope.isOver = true;
      }
    },
    async rows<Row>({ name }: KeptTable<Row>) {
      // Each table has the rows that its own select gives.
      return ((await moment()).rows.get(name) ?? []) as readonly Row[];
    },
    allowed(recheck) {
      const scope = current();
      if (scope !== null) scope.recheck = recheck;
    },
    forget,
    commit,
  };
}

/** The database, for pieces of work that see their own changes: after a commit the epoch is asked again. */
export function withEpoch(database: Database, epoch: Epoch): Database {
  return {
    kind: database.kind,
    read: database.read,
    write: database.write,
    prepare: database.prepare.bind(database),
    append: database.append.bind(database),
    async commit<const T extends readonly Statement[]>(statements: T, options?: CommitOptions) {
      try {
        return await database.commit(statements, options);
      } finally {
        epoch.forget();
      }
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

function countersOf(rows: readonly { readonly part: string; readonly n: number }[]): Map<string, number> {
  return new Map(rows.map(({ part, n }) => [part, n]));
}
