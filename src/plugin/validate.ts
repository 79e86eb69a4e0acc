import { getTableName } from "drizzle-orm";
import type { CheckedPlugin, Plugin } from "../contracts/plugin.ts";
import { CORE_RIGHTS } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { CORE_EVENTS } from "./event-names.ts";

/** A plugin whose options are good, and what it wants to be. */
export interface Candidate extends Omit<Plugin, "check"> {
  readonly checked: CheckedPlugin;
}

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const ACTION = /^\w+$/;
const CORE = "sealpost";

/**
 * Checks the options of all plugins and that no two want the same.
 * @throws {SealpostError} `bad_setting`, one line with everything that is wrong.
 */
export function checkPlugins(plugins: readonly Plugin[]): Candidate[] {
  const problems: string[] = [];
  const candidates: Candidate[] = [];
  for (const { check, ...rest } of plugins) {
    const checked = check();
    for (const problem of checked.problems) problems.push(`${rest.name}: ${problem}`);
    if ("setup" in checked) candidates.push({ ...rest, checked });
  }
  problems.push(...plugins.flatMap(ownProblems), ...clashes(candidates));
  refuse(problems);
  return candidates;
}

/** @throws {SealpostError} `bad_setting` if there is any problem. */
export function refuse(problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new SealpostError("bad_setting", `Plugins: ${problems.join("; ")}`, { parameter: "plugins" });
}

/** What a plugin wants that there can be only one of, by kind. */
const UNIQUE: Readonly<
  Record<string, { readonly of: (plugin: Candidate) => readonly string[]; readonly core: readonly string[] }>
> = {
  name: { of: ({ name }) => [name], core: [CORE] },
  table: { of: tablesOf, core: [] },
  action: { of: ({ actions }) => Object.keys(actions ?? {}), core: Object.keys(CORE_RIGHTS) },
  "config key": { of: ({ checked }) => Object.keys(checked.config), core: [] },
  capability: { of: ({ provides }) => provides ?? [], core: [] },
  event: { of: ({ events }) => events ?? [], core: Object.keys(CORE_EVENTS) },
};

function clashes(plugins: readonly Candidate[]): string[] {
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

/** What is wrong with a definition by itself. */
function ownProblems(plugin: Plugin): string[] {
  const { name, actions = {}, sealed = [] } = plugin;
  if (!NAME.test(name))
    return [`"${name}" is no name of a plugin: expected lower-case letters, digits and -`];
  const prefix = `${name.replaceAll("-", "_")}_`;
  const tables = tablesOf(plugin);
  const sealedTables = sealed.map(({ row }) => getTableName(row.table));
  return [
    ...tables
      .filter((table) => !table.startsWith(prefix))
      .map((table) => `${name}: the table "${table}" has to begin with ${prefix}`),
    ...sealedTables
      .filter((table) => !tables.includes(table))
      .map((table) => `${name}: the sealed table "${table}" is not among its tables`),
    ...Object.keys(actions)
      .filter((action) => !ACTION.test(action))
      .map((action) => `${name}: "${action}" is no name of an action`),
  ];
}

function tablesOf({ tables = {} }: Pick<Plugin, "tables">): string[] {
  return Object.values(tables).map((table) => getTableName(table));
}

type Dependent = Pick<Plugin, "name" | "requires" | "optional" | "provides">;

/**
 * Puts plugins behind those that provide what they use; otherwise they keep their order.
 * @throws {SealpostError} `bad_setting` naming what nobody provides, or the plugins that wait for each other.
 */
export function inOrder<P extends Dependent>(plugins: readonly P[]): P[] {
  const providerOf = (capability: string) =>
    plugins.find(({ provides = [] }) => provides.some((name) => name === capability));
  refuse(
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
      refuse([`${names.join(" requires ")}: they wait for each other`]);
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
