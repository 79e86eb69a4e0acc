import { AsyncLocalStorage } from "node:async_hooks";
import type { ResultSet } from "@libsql/client";
import { asc, sql } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import type { CommitOptions, Database, KeptTable, Statement } from "../contracts/database.ts";
import { drizzleAround } from "./drizzle.ts";
import { isConstraintError } from "./errors.ts";
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

/** All counters in one row, which takes less time than a row for each. */
const COUNTERS = {
  counters: sql<string>`json_group_object(${epoch.part}, ${epoch.n})`.as("counters"),
};
interface CountersRow {
  readonly counters: string;
}

/** Changes of each table so far, by its name. */
type Counters = ReadonlyMap<string, number>;

/** One request, or another piece of work. */
interface Scope {
  /** As the database has confirmed them to this work, or as they are assumed; `null`: not yet. */
  counters: Counters | null;
  /** Whether the counters are only those that this process knew last. Nothing but the decision on a right goes by them. */
  isAssumed: boolean;
  /** Whether a right is decided on what is assumed, so that no row has to be proved. */
  isDeciding: boolean;
  /** Checks again what the work was allowed to do; rejects if it no longer is. */
  recheck: (() => Promise<void>) | null;
  /** What goes on after the work has ended asks for itself. */
  isOver: boolean;
}

/**
 * Rarely changed rows, kept in memory and never used without asking: each piece of work reads the epoch once, a few
 * counters, and the kept rows of a table count only if its counter says that they are current. The first read of the
 * work brings the counters along, and so does each commit. A change that any process has acknowledged holds at the next
 * request of every other.
 */
export interface Epoch {
  /** Runs a piece of work, such as a request. What outlives it sees the rows as they are. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** The rows of a table, as they are now or, within {@link run}, as the work has last seen them confirmed. */
  rows<Row>(table: KeptTable<Row>): Promise<readonly Row[]>;
  /**
   * Within {@link run}: checks what the work may do, and from then on its commits depend on it.
   * @param options `isProvedByRead`: by the rows that this process knows; the first read of the work proves them, and if
   * they were others, checks again. Nothing may be returned or sent before that read; a rejection is proved at once.
   * @throws what the check rejects with.
   */
  allow(check: () => Promise<void>, options?: { readonly isProvedByRead?: boolean }): Promise<void>;
  /** Within {@link run}: proves what was only assumed. @throws what the check of {@link allow} rejects with. */
  prove(): Promise<void>;
  /**
   * Commits what was decided on these tables, as this work has seen them, and on what it was allowed by.
   * @returns null if one of them has changed since: nothing was written, and the next {@link rows} shows them anew.
   * @throws what the check of {@link allow} rejects with, if the work is no longer allowed.
   */
  commit<const T extends readonly Statement[]>(
    tables: readonly KeptTable<unknown>[],
    statements: T,
  ): Promise<BatchResponse<T> | null>;
  /** The database, whose reads and commits within {@link run} bring the counters along. */
  readonly database: Database;
}

/** @param more tables of plugins. */
export function createEpoch(database: Database, more: readonly KeptTable<unknown>[] = []): Epoch {
  const { read, write } = database;
  const scopes = new AsyncLocalStorage<Scope>();
  const readCounters = read.select(COUNTERS).from(epoch).prepare();
  const countersSelect = database.prepare(write.select(COUNTERS).from(epoch));
  const { sql: countersText } = read.select(COUNTERS).from(epoch).toSQL();
  const tables = [...CORE_TABLES, ...more];
  /** Values, never promises: on Workers a promise belongs to the request that made it. */
  const kept = new Map<string, { readonly n: number; readonly rows: readonly unknown[] }>();
  /** The counters of a file, and its mark before they were read. */
  let latest: { readonly mark: string; readonly counters: Counters } | null = null;

  function current(): Scope | null {
    const scope = scopes.getStore();
    return scope === undefined || scope.isOver ? null : scope;
  }

  function isKept({ name }: KeptTable<unknown>, counters: Counters): boolean {
    const entry = kept.get(name);
    return entry !== undefined && entry.n === counters.get(name);
  }

  /** The counters as they are now; without a statement where nothing was committed since they were read. */
  async function currentCounters(): Promise<Counters> {
    const mark = database.changeMark?.() ?? null;
    if (mark !== null && latest?.mark === mark) return latest.counters;
    const counters = countersOf(await readCounters.all());
    // The mark is older than the counters: what was committed in between makes it another one.
    if (mark !== null) latest = { mark, counters };
    return counters;
  }

  /** Takes what the database says now for what this work goes by. @throws what its check rejects with. */
  async function confirm(scope: Scope, counters: Counters): Promise<void> {
    const before = scope.counters;
    scope.counters = counters;
    scope.isAssumed = false;
    const isMoved =
      before !== null && ACCESS_TABLES.some(({ name }) => before.get(name) !== counters.get(name));
    if (isMoved) await scope.recheck?.();
  }

  /** Reads the tables that have changed, and the counters with them, so that they are of one moment. */
  async function load(counters: Counters): Promise<Counters> {
    const stale = tables.filter((table) => !isKept(table, counters));
    const [counted, ...all] = await read.batch([
      read.select(COUNTERS).from(epoch),
      ...stale.map((table) => table.select(read)),
    ]);
    const now = countersOf(counted);
    for (const [index, { name }] of stale.entries()) {
      kept.set(name, { n: now.get(name) ?? 0, rows: all[index] as readonly unknown[] });
    }
    return now;
  }

  async function rows<Row>(table: KeptTable<Row>): Promise<readonly Row[]> {
    const scope = current();
    if (scope?.isAssumed && !scope.isDeciding) await prove();
    let counters = scope?.counters ?? null;
    if (counters === null) {
      counters = kept.size === 0 ? await load(new Map()) : await currentCounters();
      if (scope !== null) await confirm(scope, counters);
    }
    while (!isKept(table, counters)) {
      counters = await load(counters);
      if (scope !== null) await confirm(scope, counters);
    }
    // Each table has the rows that its own select gives.
    return (kept.get(table.name)?.rows ?? []) as readonly Row[];
  }

  async function prove(): Promise<void> {
    const scope = current();
    if (scope?.isAssumed) await confirm(scope, await currentCounters());
  }

  async function allow(
    check: () => Promise<void>,
    { isProvedByRead = false }: { readonly isProvedByRead?: boolean } = {},
  ): Promise<void> {
    const scope = current();
    if (scope === null) return check();
    const isKnown = ACCESS_TABLES.every(({ name }) => kept.has(name));
    const isUnproved = scope.counters === null || scope.isAssumed;
    if (isProvedByRead && isKnown && isUnproved) await assume(scope, check);
    else await check();
    scope.recheck = check;
  }

  async function assume(scope: Scope, check: () => Promise<void>): Promise<void> {
    scope.counters ??= new Map([...kept].map(([name, { n }]) => [name, n]));
    scope.isAssumed = true;
    scope.isDeciding = true;
    try {
      await check();
    } catch {
      // Not before it is known that the rows are current.
      scope.isDeciding = false;
      await prove();
      await check();
    } finally {
      scope.isDeciding = false;
    }
  }

  /** Violates a constraint, and so rolls the commit back, if the table has changed since. */
  function guard(counters: Counters, { name }: KeptTable<unknown>) {
    const n = sql`CASE WHEN ${epoch.n} = ${sql.param(counters.get(name) ?? 0, epoch.n)} THEN ${epoch.n} END`;
    return write.update(epoch).set({ n }).where(sql`${epoch.part} = ${name}`);
  }

  /**
   * Commits, and learns within a scope where the commit has left the counters.
   * @param isGuarded whether the commit depends on what the work is allowed by; else that stays as it was decided on.
   */
  async function commitAndCount(
    statements: readonly Statement[],
    { isGuarded, ...options }: CommitOptions & { readonly isGuarded: boolean },
  ): Promise<readonly unknown[]> {
    const scope = current();
    if (scope === null || scope.counters === null || statements.length === 0)
      return database.commit(statements, options);
    const results: readonly unknown[] = await database.commit([...statements, countersSelect()], options);
    const now = countersOf(results.at(-1) as CountersRow[]);
    const decidedOn = ACCESS_TABLES.map(({ name }) => [name, scope.counters?.get(name) ?? 0] as const);
    scope.counters = isGuarded ? now : new Map([...now, ...decidedOn]);
    scope.isAssumed &&= !isGuarded;
    return results.slice(0, -1);
  }

  async function commit<const T extends readonly Statement[]>(
    decisive: readonly KeptTable<unknown>[],
    statements: T,
  ): Promise<BatchResponse<T> | null> {
    const recheck = current()?.recheck ?? null;
    const guarded = recheck === null ? decisive : [...new Set([...decisive, ...ACCESS_TABLES])];
    if (guarded.length === 0)
      return (await commitAndCount(statements, { isGuarded: false })) as BatchResponse<T>;
    const scope = current();
    const seen = scope?.counters ?? (await currentCounters());
    try {
      const guards = guarded.map((table) => guard(seen, table));
      const results = await commitAndCount([...guards, ...statements], { isGuarded: recheck !== null });
      return results.slice(guards.length) as BatchResponse<T>;
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      const now = await currentCounters();
      if (guarded.every(({ name }) => now.get(name) === seen.get(name))) throw error;
      if (scope !== null) await confirm(scope, now);
      return null;
    }
  }

  /** The first read of a work brings the counters along. */
  const readAlong = drizzleAround(read, async (statements, execute) => {
    const scope = current();
    if (scope === null || (scope.counters !== null && !scope.isAssumed)) return execute(statements);
    const [counted, ...results] = await execute([countersText, ...statements]);
    await confirm(scope, countersFrom(counted));
    return results;
  });

  return {
    async run(work) {
      const scope: Scope = {
        ...{ counters: null, recheck: null },
        ...{ isAssumed: false, isDeciding: false, isOver: false },
      };
      try {
        return await scopes.run(scope, work);
      } finally {
        scope.isOver = true;
      }
    },
    ...{ rows, allow, prove, commit },
    database: {
      kind: database.kind,
      read: readAlong,
      write,
      prepare: database.prepare.bind(database),
      append: database.append.bind(database),
      async commit<const T extends readonly Statement[]>(statements: T, options?: CommitOptions) {
        // What the work may do is proved before it writes.
        await prove();
        return (await commitAndCount(statements, { ...options, isGuarded: false })) as BatchResponse<T>;
      },
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    },
  };
}

function countersOf([row]: readonly CountersRow[]): Counters {
  return new Map(Object.entries(JSON.parse(row?.counters ?? "{}")));
}

/** Reads the counters from a result of the driver. */
function countersFrom(result: ResultSet | undefined): Counters {
  return countersOf([{ counters: String(result?.rows[0]?.counters ?? "{}") }]);
}
