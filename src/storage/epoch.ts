import { AsyncLocalStorage } from "node:async_hooks";
import type { InStatement, ResultSet } from "@libsql/client";
import { sql } from "drizzle-orm";
import type { BatchResponse } from "drizzle-orm/batch";
import type {
  BoundStatement,
  CommitOptions,
  Database,
  KeptTable,
  SelectStatement,
  Statement,
} from "../contracts/database.ts";
import { SealpostError } from "../errors.ts";
import { drizzleAround, type Execute, prepareFor, prepareStatement, STATEMENTS } from "./drizzle.ts";
import { isConstraintError } from "./errors.ts";
import { ACCESS_TABLES, CORE_TABLES, SERVERS } from "./kept-tables.ts";
import { epoch } from "./schema.ts";

/**
 * Number of times a change is decided again after another request changed its basis. Each restart means that another
 * change was committed, so of a hundred saves at once all succeed.
 */
const MAX_RESTARTS = 100;
/** All counters in one row, which is faster than one row for each. */
const COUNTERS = {
  counters: sql<string>`json_group_object(${epoch.part}, ${epoch.n})`.as("counters"),
};
const selectCounters = prepareStatement(() => STATEMENTS.select(COUNTERS).from(epoch));
/**
 * Violates a constraint, and so rolls the commit back, if a table has changed since its counter was `seen`. It writes
 * nothing otherwise, not even the same value.
 */
const assertUnchanged = prepareStatement(() =>
  STATEMENTS.run(sql`INSERT INTO ${epoch} (part, n) SELECT part, NULL FROM ${epoch}
    JOIN json_each(${sql.placeholder("seen")}) AS seen ON seen.key = part WHERE n <> seen.value`),
);
const selectAll = prepareFor((table: KeptTable<unknown>) => table.select(STATEMENTS));
interface CountersRow {
  readonly counters: string;
}

/** The number of changes of each table, by table name. */
type Counters = ReadonlyMap<string, number>;

/** One request, or another unit of work. */
interface Scope {
  /** The counters that the work is based on, confirmed or assumed; `null` before the first. */
  counters: Counters | null;
  /** Whether the counters are only the last known of this process. Only the decision on a right may use them. */
  isAssumed: boolean;
  /** Whether a right is being decided on assumed counters, so that rows need no proof. */
  isDeciding: boolean;
  /** Repeats the check of the work's right; rejects if the right is gone. */
  recheck: (() => Promise<void>) | null;
  /** The tables on which that check depends. */
  basis: readonly KeptTable<unknown>[];
  /** Whether the work has ended. Anything that outlives it reads for itself. */
  isOver: boolean;
}

/** Called after a commit. @param results absent if they are not known. */
type OnCommitted = (statements: readonly Statement[], results?: readonly unknown[]) => void;

/**
 * Caches rows that change rarely, and never uses them unchecked. Each unit of work reads the epoch once, a few counters;
 * the cached rows of a table are valid only if its counter matches. The first read of the work brings the counters along,
 * and so does each commit. A change that any process has acknowledged is seen by the next request of every process.
 */
export class Epoch {
  /** The database. Its reads and commits within {@link run} bring the counters along. */
  readonly database: Database;
  readonly #inner: Database;
  readonly #onCommitted: OnCommitted;
  readonly #tables: readonly KeptTable<unknown>[];
  readonly #scopes = new AsyncLocalStorage<Scope>();
  /** Holds values, never promises: on Workers a promise belongs to the request that created it. */
  readonly #kept = new Map<string, { readonly n: number; readonly rows: readonly unknown[] }>();
  /** Names of the tables of which {@link row} has read a row alone. */
  readonly #readAlone = new Set<string>();
  /** The latest counters and their text. Most reads return the same. */
  #parsed: { readonly text: string; readonly counters: Counters } | null = null;
  /** The counters of a file, and the change mark before they were read. */
  #latest: { readonly mark: string; readonly counters: Counters } | null = null;

  /** @param ofPlugins kept tables of plugins. */
  constructor(
    database: Database,
    ofPlugins: readonly KeptTable<unknown>[] = [],
    onCommitted: OnCommitted = () => undefined,
  ) {
    this.#inner = database;
    this.#onCommitted = onCommitted;
    this.#tables = [...CORE_TABLES, ...ofPlugins];
    const { read, write } = database;
    this.database = {
      kind: database.kind,
      read: drizzleAround(read, (statements, execute) => this.#readAlong(statements, execute)),
      write,
      prepare: database.prepare.bind(database),
      append: async (...statements) => {
        await database.append(...statements);
        onCommitted(statements);
      },
      ...(database.busyCount && { busyCount: database.busyCount }),
      commit: async <const T extends readonly Statement[]>(statements: T, options?: CommitOptions) => {
        // Prove the right of the work before it writes.
        await this.prove();
        return (await this.#commitAndCount(statements, {
          ...options,
          isGuarded: false,
        })) as BatchResponse<T>;
      },
      [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    };
  }

  /** Runs a unit of work, such as a request. Calls that outlive it see the rows as they are. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const scope: Scope = {
      counters: null,
      recheck: null,
      basis: ACCESS_TABLES,
      isAssumed: false,
      isDeciding: false,
      isOver: false,
    };
    try {
      return await this.#scopes.run(scope, work);
    } finally {
      scope.isOver = true;
    }
  }

  /** Whether the caller runs in a unit of work. */
  get isRunning(): boolean {
    return this.#current() !== null;
  }

  /** Returns the rows of a table as they are now. Within {@link run}: as of the latest read that confirmed them. */
  async rows<Row>(table: KeptTable<Row>): Promise<readonly Row[]> {
    const scope = this.#current();
    const hasRows = this.#kept.has(table.name);
    if (hasRows && scope?.isAssumed && !scope.isDeciding) await this.prove();
    let counters = scope?.counters ?? null;
    if (hasRows && counters === null) {
      counters = await this.#currentCounters();
      if (scope !== null) await this.#confirm(scope, counters);
    }
    while (counters === null || !this.#isKept(table, counters)) {
      counters = await this.#load(counters, table);
      if (scope !== null) await this.#confirm(scope, counters);
    }
    // The rows of a table come from its own select.
    return (this.#kept.get(table.name)?.rows ?? []) as readonly Row[];
  }

  /**
   * Returns one row of a table, as {@link rows} has it. The first one is read alone, so that the first response of a start
   * does not wait for the others.
   * @param select selects the row.
   */
  async row<Row>(
    table: KeptTable<Row>,
    isWanted: (row: Row) => boolean,
    select: BoundStatement<SelectStatement<Row>>,
  ): Promise<Row | undefined> {
    if (this.#kept.has(table.name) || this.#readAlone.has(table.name))
      return (await this.rows(table)).find(isWanted);
    this.#readAlone.add(table.name);
    const [counted, [row]] = await this.#inner.read.batch([selectCounters(), select]);
    const scope = this.#current();
    if (scope !== null) await this.#confirm(scope, this.#countersOf(counted));
    return row;
  }

  /**
   * Within {@link run}: checks a right of the work. From then on, its commits depend on it, and on those checked before.
   * @param options `isProvedByRead`: check by the rows that this process knows. The first read of the work proves them,
   * and if they were outdated, repeats the check. Return or send nothing before that read. A rejection is proved first.
   * @throws the error of the check.
   */
  async allow(
    check: () => Promise<void>,
    { isProvedByRead = false }: { readonly isProvedByRead?: boolean } = {},
  ): Promise<void> {
    const scope = this.#current();
    if (scope === null) return check();
    const isKnown = ACCESS_TABLES.every(({ name }) => this.#kept.has(name));
    const isUnproved = scope.counters === null || scope.isAssumed;
    if (isProvedByRead && isKnown && isUnproved) await this.#assume(scope, check);
    else await check();
    const earlier = scope.recheck;
    scope.recheck = async () => {
      await earlier?.();
      await check();
    };
  }

  /**
   * Within {@link run}: adds a check to that of {@link allow}. From then on, commits depend on it and on these tables, too.
   * @throws the error of the check.
   */
  async allowAlso(check: () => Promise<void>, tables: readonly KeptTable<unknown>[]): Promise<void> {
    const scope = this.#current();
    if (scope === null) return check();
    let before: Counters | null;
    do {
      before = scope.counters;
      await check();
      // Tables that the check has read one after the other have to be from one moment.
    } while (scope.counters !== null && (before === null || hasChanged(tables, before, scope.counters)));
    const earlier = scope.recheck;
    scope.recheck = async () => {
      await earlier?.();
      await check();
    };
    scope.basis = [...new Set([...scope.basis, ...tables])];
  }

  /** Within {@link run}: proves assumed counters. @throws the error of the check of {@link allow}. */
  async prove(): Promise<void> {
    const scope = this.#current();
    if (scope?.isAssumed) await this.#confirm(scope, await this.#currentCounters());
  }

  /**
   * Commits a decision that is based on these tables, as the work has seen them, and on its right.
   * @returns `null` if one of the tables has changed since: nothing was written, and {@link rows} returns the new rows.
   * @throws the error of the check of {@link allow}, if the right is gone.
   */
  async commit<const T extends readonly Statement[]>(
    decisive: readonly KeptTable<unknown>[],
    statements: T,
  ): Promise<BatchResponse<T> | null> {
    const scope = this.#current();
    const recheck = scope?.recheck ?? null;
    const guarded = [...new Set([...decisive, ...(recheck === null ? [] : (scope?.basis ?? []))])];
    if (guarded.length === 0)
      return (await this.#commitAndCount(statements, { isGuarded: false })) as BatchResponse<T>;
    const seen = scope?.counters ?? (await this.#currentCounters());
    try {
      const numbers = Object.fromEntries(guarded.map(({ name }) => [name, seen.get(name) ?? 0]));
      const all = [assertUnchanged({ seen: JSON.stringify(numbers) }), ...statements];
      const [, ...results] = await this.#commitAndCount(all, { isGuarded: recheck !== null });
      return results as readonly unknown[] as BatchResponse<T>;
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      const now = await this.#currentCounters();
      if (!hasChanged(guarded, seen, now)) throw error;
      if (scope !== null) await this.#confirm(scope, now);
      return null;
    }
  }

  #current(): Scope | null {
    const scope = this.#scopes.getStore();
    return scope === undefined || scope.isOver ? null : scope;
  }

  /** Whether the rows of a table are kept, as of these counters. @param counters `null`: as of any. */
  #isKept({ name }: KeptTable<unknown>, counters: Counters | null): boolean {
    const entry = this.#kept.get(name);
    return entry !== undefined && (counters === null || entry.n === counters.get(name));
  }

  /** Returns the current counters; without a statement if nothing was committed since they were read. */
  async #currentCounters(): Promise<Counters> {
    const mark = this.#inner.changeMark?.() ?? null;
    if (mark !== null && this.#latest?.mark === mark) return this.#latest.counters;
    const [rows] = await this.#inner.read.batch([selectCounters()]);
    const counters = this.#countersOf(rows);
    this.#remember(mark, counters);
    return counters;
  }

  /** @param mark the change mark before the counters were read. It is older, so a commit in between changes it. */
  #remember(mark: string | null, counters: Counters): void {
    if (mark !== null) this.#latest = { mark, counters };
  }

  /** Bases the work on these counters. @throws the error of its check. */
  async #confirm(scope: Scope, counters: Counters): Promise<void> {
    const before = scope.counters;
    scope.counters = counters;
    scope.isAssumed = false;
    if (before !== null && hasChanged(scope.basis, before, counters)) await scope.recheck?.();
  }

  /** Reads the changed tables together with the counters, so that all are from one moment. */
  async #load(counters: Counters | null, wanted: KeptTable<unknown>): Promise<Counters> {
    const { kind, read } = this.#inner;
    // A start waits for the first read. There may be hundreds of definitions, and a request for one reads it alone.
    const isFirst = this.#kept.size === 0 && kind === "local";
    const isLeftOut = (table: KeptTable<unknown>) => isFirst && table === SERVERS && table !== wanted;
    const stale = this.#tables.filter((table) => !isLeftOut(table) && !this.#isKept(table, counters));
    const mark = this.#inner.changeMark?.() ?? null;
    const [counted, ...all] = await read.batch([selectCounters(), ...stale.map(selectAll)]);
    const now = this.#countersOf(counted);
    this.#remember(mark, now);
    for (const [index, { name }] of stale.entries()) {
      this.#kept.set(name, { n: now.get(name) ?? 0, rows: all[index] as readonly unknown[] });
    }
    return now;
  }

  async #assume(scope: Scope, check: () => Promise<void>): Promise<void> {
    scope.counters ??= new Map([...this.#kept].map(([name, { n }]) => [name, n]));
    scope.isAssumed = true;
    scope.isDeciding = true;
    try {
      await check();
    } catch {
      // Reject only by current rows.
      scope.isDeciding = false;
      await this.prove();
      await check();
    } finally {
      scope.isDeciding = false;
    }
  }

  /**
   * Commits and, within a scope, reads the counters after the commit.
   * @param isGuarded whether the commit depends on the right; otherwise the right stays based on the earlier counters.
   */
  async #commitAndCount(
    statements: readonly Statement[],
    { isGuarded, ...options }: CommitOptions & { readonly isGuarded: boolean },
  ): Promise<readonly unknown[]> {
    const scope = this.#current();
    const readsCounters = scope !== null && scope.counters !== null && statements.length > 0;
    const all = readsCounters ? [...statements, selectCounters()] : statements;
    const results: readonly unknown[] = await this.#inner.commit(all, options);
    this.#onCommitted(statements, results);
    if (!readsCounters) return results;
    const now = this.#countersOf(results.at(-1) as CountersRow[]);
    const decidedOn = scope.basis.map(({ name }) => [name, scope.counters?.get(name) ?? 0] as const);
    scope.counters = isGuarded ? now : new Map([...now, ...decidedOn]);
    scope.isAssumed &&= !isGuarded;
    return results.slice(0, -1);
  }

  /** Adds the counters to the first read of a unit of work. */
  async #readAlong(statements: readonly InStatement[], execute: Execute): Promise<readonly ResultSet[]> {
    const scope = this.#current();
    if (scope === null || (scope.counters !== null && !scope.isAssumed)) return execute(statements);
    const [counted, ...results] = await execute([selectCounters().getQuery().sql, ...statements]);
    // As the driver returns them.
    await this.#confirm(scope, this.#countersOf(counted?.rows as CountersRow[] | undefined));
    return results;
  }

  #countersOf([row]: readonly CountersRow[] = []): Counters {
    const text = row?.counters ?? "{}";
    if (this.#parsed?.text !== text)
      this.#parsed = { text, counters: new Map(Object.entries(JSON.parse(text))) };
    return this.#parsed.counters;
  }
}

/**
 * Repeats an attempt until no other request has changed its basis meanwhile. Outside a unit of work it is one of its own,
 * so that the commit depends on the rows that the attempt has read, and not on those of the moment before the commit.
 * @param attempt returns `null` if another request has; see {@link Epoch.commit}.
 * @throws {SealpostError} `database_unavailable` after 100 restarts.
 */
export function untilCommitted<T>(
  epoch: Pick<Epoch, "run" | "isRunning">,
  attempt: () => Promise<T | null>,
): Promise<T> {
  const repeat = async () => {
    for (let restarts = 0; restarts <= MAX_RESTARTS; restarts++) {
      const result = await attempt();
      if (result !== null) return result;
    }
    throw new SealpostError(
      "database_unavailable",
      "Other requests keep changing the same data: try again in a moment",
    );
  };
  return epoch.isRunning ? repeat() : epoch.run(repeat);
}

function hasChanged(tables: readonly KeptTable<unknown>[], before: Counters, now: Counters): boolean {
  return before !== now && tables.some(({ name }) => before.get(name) !== now.get(name));
}
