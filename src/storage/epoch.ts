import { AsyncLocalStorage } from "node:async_hooks";
import { asc, sql } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import { type Database, isConstraintError, type Statement } from "./database.ts";
import { admin, epoch, pluginConfig, policy, smtpServer } from "./schema.ts";

/** The rows that change rarely, by the part of the epoch that counts their changes. */
export interface KeptRows {
  readonly admins: readonly (typeof admin.$inferSelect)[];
  /** By priority and name. */
  readonly policies: readonly (typeof policy.$inferSelect)[];
  readonly settings: readonly (typeof pluginConfig.$inferSelect)[];
  /** By identifier. */
  readonly servers: readonly (typeof smtpServer.$inferSelect)[];
}
export type KeptPart = keyof KeptRows;
type Counters = Readonly<Record<KeptPart, number>>;

export const KEPT_PARTS = [
  "admins",
  "policies",
  "settings",
  "servers",
] as const satisfies readonly KeptPart[];

/** What decides who may do what. */
const ACCESS_PARTS = ["admins", "policies"] as const satisfies readonly KeptPart[];

/** Rows as they were at one moment, which the database has confirmed. */
interface Moment {
  readonly counters: Counters;
  readonly rows: KeptRows;
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
 * Rarely changed rows, kept in memory and never used without asking: each piece of work reads the epoch once, a single
 * row, and the kept rows count only if it says that they are current. A change that any process has acknowledged holds
 * at the next request of every other.
 */
export interface Epoch {
  /** Runs a piece of work, such as a request, that sees the rows of one moment. What outlives it sees them as they are. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** The rows of this part, as they are now or, within {@link run}, as they were when the work first asked. */
  rows<P extends KeptPart>(part: P): Promise<KeptRows[P]>;
  /** Within {@link run}: the next call asks the database again, because something was changed. */
  forget(): void;
  /** Within {@link run}: from now on commits depend on the admins and policies that this work was allowed by. */
  allowed(recheck: () => Promise<void>): void;
  /**
   * Commits what was decided on these parts, as this work has seen them, and on what it was allowed by.
   * @returns null if one of them has changed since: nothing was written, and the next {@link rows} shows them anew.
   * @throws what the check of {@link allowed} rejects with, if the work is no longer allowed.
   */
  commit<const T extends readonly Statement[]>(
    parts: readonly KeptPart[],
    statements: T,
  ): Promise<BatchResponse<T> | null>;
}

export function createEpoch(database: Database): Epoch {
  const { read, write } = database;
  const scopes = new AsyncLocalStorage<Scope>();
  const counters = read.select().from(epoch).prepare();
  const selects = {
    admins: read.select().from(admin).orderBy(asc(admin.realm), asc(admin.username)),
    policies: read.select().from(policy).orderBy(asc(policy.priority), asc(policy.name)),
    settings: read.select().from(pluginConfig),
    servers: read.select().from(smtpServer).orderBy(asc(smtpServer.identifier)),
  };
  /** Values, never promises: on Workers a promise belongs to the request that made it. */
  let kept: Moment | null = null;

  /** Epoch and rows in one batch, so that they are of one moment. */
  async function load(): Promise<Moment> {
    const [counted, admins, policies, settings, servers] = await read.batch([
      read.select().from(epoch),
      selects.admins,
      selects.policies,
      selects.settings,
      selects.servers,
    ]);
    const [row] = counted;
    if (!row) throw new TypeError("The database has no epoch");
    kept = { counters: row, rows: { admins, policies, settings, servers } };
    return kept;
  }

  async function ask(): Promise<Moment> {
    const known = kept;
    if (known === null) return load();
    const row = await counters.get();
    const isCurrent = row !== undefined && KEPT_PARTS.every((part) => row[part] === known.counters[part]);
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

  function forget(): void {
    const scope = current();
    if (scope !== null) scope.moment = null;
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
    rows: async (part) => (await moment()).rows[part],
    forget,
    allowed(recheck) {
      const scope = current();
      if (scope !== null) scope.recheck = recheck;
    },
    commit,
  };

  /** Violates a constraint, and so rolls the commit back, if a part has changed. */
  function guard(seen: Counters, parts: readonly KeptPart[]) {
    const isSame = sql.join(
      parts.map((part) => sql`${epoch[part]} = ${sql.param(seen[part], epoch[part])}`),
      sql` AND `,
    );
    return write.update(epoch).set({ id: sql`CASE WHEN ${isSame} THEN ${epoch.id} END` });
  }

  async function commit<const T extends readonly Statement[]>(
    parts: readonly KeptPart[],
    statements: T,
  ): Promise<BatchResponse<T> | null> {
    const recheck = current()?.recheck ?? null;
    const decisive: readonly KeptPart[] =
      recheck === null ? parts : [...new Set([...parts, ...ACCESS_PARTS])];
    const seen = (await moment()).counters;
    try {
      const results: readonly unknown[] = await database.commit([guard(seen, decisive), ...statements]);
      forget();
      return results.slice(1) as BatchResponse<T>;
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      forget();
      const now = (await moment()).counters;
      if (decisive.every((part) => now[part] === seen[part])) throw error;
      await recheck?.();
      return null;
    }
  }
}
