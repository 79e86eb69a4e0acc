import type { Plugin } from "../contracts/plugin.ts";
import { refuse } from "./validate.ts";

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
