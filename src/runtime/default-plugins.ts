import { directory } from "sealpost/plugins/directory";
import { emailToken } from "sealpost/plugins/email-token";
import { events } from "sealpost/plugins/events";
import { recovery } from "sealpost/plugins/recovery";
import { registration } from "sealpost/plugins/registration";
import { smsGateway } from "sealpost/plugins/sms-gateway";
import type { Plugin } from "../contracts/plugin/definition.ts";

/** The plugins that a server enables by default, each with its default options. */
export const DEFAULT_PLUGINS: readonly Plugin[] = [
  directory(),
  smsGateway(),
  emailToken(),
  events(),
  recovery(),
  registration(),
];

/** The default export of `sealpost.config.ts`, a file next to the server for what environment variables cannot hold. */
export interface PluginConfig {
  /** Plugins with their options. One with the name of a default plugin replaces it. */
  readonly plugins?: readonly Plugin[];
  /** Names of default plugins to leave out. */
  readonly without?: readonly string[];
}

/** Returns the plugins of a server: the default ones, changed as the configuration says. */
export function pluginsOf(
  { plugins = [], without = [] }: PluginConfig,
  defaults: readonly Plugin[] = DEFAULT_PLUGINS,
): readonly Plugin[] {
  const replaced = new Set([...without, ...plugins.map(({ name }) => name)]);
  return [...defaults.filter(({ name }) => !replaced.has(name)), ...plugins];
}
