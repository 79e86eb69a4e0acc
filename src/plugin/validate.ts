import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Plugin, ValidOptions } from "../contracts/plugin/definition.ts";
import { CORE_RIGHTS } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { CORE_EVENTS } from "./events.ts";

/** A plugin before its setup, with valid options. */
export interface ValidatedPlugin extends Omit<Plugin, "validate"> {
  readonly options: ValidOptions;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const RIGHT = /^\w+$/;
const CORE = "sealpost";

/**
 * Validates the options of all plugins, and that no two claim the same name.
 * @returns the plugins, each after the ones that provide what it uses.
 * @throws {SealpostError} `bad_setting`, one line with every problem.
 */
export function validatePlugins(plugins: readonly Plugin[]): ValidatedPlugin[] {
  const problems: string[] = [];
  const valid: ValidatedPlugin[] = [];
  for (const { validate, ...rest } of plugins) {
    const options = validate();
    for (const problem of options.problems) problems.push(`${rest.name}: ${problem}`);
    if ("setup" in options) valid.push({ ...rest, options });
  }
  problems.push(...plugins.flatMap(problemsOf), ...clashes(valid));
  assertNoProblems(problems);
  return inOrder(valid);
}

/** @throws {SealpostError} `bad_setting` if there is any problem. */
export function assertNoProblems(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new SealpostError("bad_setting", `Plugins: ${problems.join("; ")}`, { parameter: "plugins" });
}

/** Names that only one plugin can have, by kind; `core` are those of Sealpost itself. */
const UNIQUE: Readonly<
  Record<
    string,
    { readonly of: (plugin: ValidatedPlugin) => readonly string[]; readonly core: readonly string[] }
  >
> = {
  name: { of: ({ name }) => [name], core: [CORE] },
  table: { of: tablesOf, core: [] },
  right: { of: ({ rights }) => Object.keys(rights ?? {}), core: Object.keys(CORE_RIGHTS) },
  setting: { of: ({ options }) => Object.keys(options.settings), core: [] },
  capability: { of: ({ provides }) => provides ?? [], core: [] },
  event: { of: ({ events }) => events ?? [], core: Object.keys(CORE_EVENTS) },
};

function clashes(plugins: readonly ValidatedPlugin[]): string[] {
  return Object.entries(UNIQUE).flatMap(([kind, { of, core }]) => {
    const owners = new Map(core.map((thing) => [thing, CORE]));
    return plugins.flatMap((plugin) =>
      of(plugin).flatMap((thing) => {
        const owner = owners.get(thing);
        owners.set(thing, plugin.name);
        return owner === undefined ? [] : [`${owner} and ${plugin.name} both have the ${kind} "${thing}"`];
      }),
    );
  });
}

/** Returns the problems of a definition by itself. */
function problemsOf(plugin: Plugin): string[] {
  const { name, rights = {}, sealed = [], dueTimes = [], transient = [] } = plugin;
  if (!NAME.test(name)) return [`"${name}" is not a plugin name: expected lowercase letters, digits and -`];
  const prefix = `${name.replaceAll("-", "_")}_`;
  const tables = tablesOf(plugin);
  const named = [
    ...sealed.map(({ row }) => ["sealed", getTableName(row.table)] as const),
    ...transient.map((table) => ["transient", getTableName(table)] as const),
  ];
  return [
    ...tables
      .filter((table) => !table.startsWith(prefix))
      .map((table) => `${name}: the name of the table "${table}" must start with ${prefix}`),
    ...named
      .filter(([, table]) => !tables.includes(table))
      .map(([kind, table]) => `${name}: the ${kind} table "${table}" is not among its tables`),
    ...dueTimes.flatMap((column) => dueTimeProblems(plugin, column).map((problem) => `${name}: ${problem}`)),
    ...Object.keys(rights)
      .filter((right) => !RIGHT.test(right))
      .map((right) => `${name}: "${right}" is not a name of a right: expected letters, digits and _`),
  ];
}

function dueTimeProblems({ tables = {} }: Pick<Plugin, "tables">, column: SQLiteColumn): string[] {
  const named = `the due time "${getTableName(column.table)}.${column.name}" is not`;
  const own = Object.values(tables).find((table) => getTableName(table) === getTableName(column.table));
  const isOwn = own && Object.values(getTableColumns(own)).some(({ name }) => name === column.name);
  if (!isOwn) return [`${named} a column of its tables`];
  return isMilliseconds(column) ? [] : [`${named} an integer in milliseconds`];
}

/** Whether a column may have milliseconds: Drizzle stores neither seconds, flags nor texts in it. */
function isMilliseconds(column: SQLiteColumn): boolean {
  const { columnType } = column;
  if (columnType !== "SQLiteTimestamp") return columnType === "SQLiteInteger";
  return "mode" in column && column.mode === "timestamp_ms";
}

function tablesOf({ tables = {} }: Pick<Plugin, "tables">): string[] {
  return Object.values(tables).map((table) => getTableName(table));
}

type Dependent = Pick<Plugin, "name" | "requires" | "optional" | "provides">;

/**
 * Sorts plugins after those that provide what they use. Otherwise they keep their order.
 * @throws {SealpostError} `bad_setting` naming a missing capability, or plugins that require each other.
 */
function inOrder<P extends Dependent>(plugins: readonly P[]): P[] {
  const providerOf = (capability: string) =>
    plugins.find(({ provides = [] }) => provides.some((name) => name === capability));
  assertNoProblems(
    plugins.flatMap(({ name, requires = [] }) =>
      requires
        .filter((capability) => !providerOf(capability))
        .map((capability) => `${name} requires "${capability}", which no plugin provides`),
    ),
  );

  const ordered: P[] = [];
  const visit = (plugin: P, waiting: readonly P[]): void => {
    if (ordered.includes(plugin)) return;
    if (waiting.includes(plugin)) {
      const names = [...waiting.slice(waiting.indexOf(plugin)), plugin].map(({ name }) => name);
      assertNoProblems([`${names.join(" requires ")}: they wait for each other`]);
    }
    const uses = [...(plugin.requires ?? []), ...(plugin.optional ?? [])];
    for (const provider of uses.map(providerOf)) {
      if (provider && provider !== plugin) visit(provider, [...waiting, plugin]);
    }
    ordered.push(plugin);
  };
  for (const plugin of plugins) visit(plugin, []);
  return ordered;
}
