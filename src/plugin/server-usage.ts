import { getLogger } from "@logtape/logtape";
import type { Usage } from "../access/reroutes.ts";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import type { Run } from "./background.ts";
import { type SettingsService, settingsThat, usedBy } from "./settings.ts";
import type { ValidatedPlugin } from "./validate.ts";

const log = getLogger(["sealpost", "plugin"]);

/** A plugin that is set up. */
export interface RegisteredPlugin {
  readonly plugin: ValidatedPlugin;
  readonly instance: PluginInstance;
}

interface UsageDeps {
  readonly run: Run;
  readonly settings: Pick<SettingsService, "read">;
}

/** Which plugins send through what, by their settings and what they report. */
interface PluginUsage {
  /** Returns the names that one plugin uses. */
  of(plugin: RegisteredPlugin): Promise<readonly string[]>;
  /** Returns the plugins of all names. */
  users(): Promise<PluginUsers>;
}

/** The plugins of all names at one moment. */
export interface PluginUsers {
  readonly names: readonly string[];
  /** Returns the plugins that use this name. */
  of(identifier: string): Usage;
}

/** A kind of thing that plugins send through. */
interface Kind {
  readonly title: string;
  /** The flag of the settings that name them. */
  readonly setting: "namesServer" | "namesGateway";
  readonly inTables: (instance: PluginInstance) => Promise<readonly string[]> | undefined;
}

export const SERVERS: Kind = {
  title: "SMTP servers",
  setting: "namesServer",
  inTables: (instance) => instance.servers?.(),
};
export const GATEWAYS: Kind = {
  title: "SMS gateways",
  setting: "namesGateway",
  inTables: (instance) => instance.gateways?.(),
};

/** Creates the index of which plugin sends through which server or gateway. */
export function createPluginUsage(
  registered: readonly RegisteredPlugin[],
  { title, setting, inTables }: Kind,
  { run, settings }: UsageDeps,
): PluginUsage {
  async function named({ plugin, instance }: RegisteredPlugin) {
    const names = settingsThat(setting, plugin.options.settings);
    const configured = names.length > 0 ? [...(await settings.read(names)).values()] : [];
    const list = async () => (await inTables(instance)) ?? [];
    const reported = await run(plugin.name, `list its ${title}`, list, null);
    const used = [...new Set([...configured.flatMap(usedBy), ...(reported ?? [])])];
    return { plugin: plugin.name, used, isComplete: reported !== null };
  }

  return {
    of: async (plugin) => (await named(plugin)).used,

    async users() {
      const all = await Promise.all(registered.map(named));
      const found = new Map<string, string[]>();
      for (const { plugin, used } of all) {
        for (const name of used) found.set(name, [...(found.get(name) ?? []), plugin]);
      }
      const isComplete = all.every((one) => one.isComplete);
      return {
        names: [...found.keys()],
        of: (identifier) => ({ plugins: found.get(identifier) ?? [], isComplete }),
      };
    },
  };
}

/**
 * Returns the plugins of each server that they use and that does not exist.
 * @param serverNames returns the names of the stored definitions.
 */
export async function missingServers(
  servers: PluginUsage,
  serverNames: () => Promise<readonly string[]>,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const users = await servers.users();
  const existing = users.names.length > 0 ? await serverNames() : [];
  const missing = users.names.filter((name) => !existing.includes(name));
  return new Map(missing.map((name) => [name, users.of(name).plugins]));
}

/** Logs which servers do not exist. */
export function warnOfMissing(missing: ReadonlyMap<string, readonly string[]>): void {
  for (const [server, plugins] of missing) {
    log.warning(
      "No SMTP server is named {server}, but {plugins} use it: create it or change their settings",
      {
        server,
        plugins,
      },
    );
  }
}
