import type { Plugin } from "../contracts/plugin.ts";

/** Lies beside the server: what a setting cannot say. */
export const CONFIG_FILE = "sealpost.config.ts";

/** What `sealpost.config.ts` exports by default. */
export interface PluginConfig {
  /** Plugins with their options; one of a name that the server has on anyway takes its place. */
  readonly plugins?: readonly Plugin[];
  /** Names of those that are not wanted. */
  readonly without?: readonly string[];
}

/** @param standard what the server has on by itself. */
export function pluginsOf(
  { plugins = [], without = [] }: PluginConfig,
  standard: readonly Plugin[],
): readonly Plugin[] {
  const replaced = new Set([...without, ...plugins.map(({ name }) => name)]);
  return [...standard.filter(({ name }) => !replaced.has(name)), ...plugins];
}
