import { getLogger } from "@logtape/logtape";
import type { Usage } from "../access/reroutes.ts";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import type { Run } from "./background.ts";
import { type SettingsService, serverSettings, serversOf } from "./settings.ts";
import type { ValidatedPlugin } from "./validate.ts";

const log = getLogger(["sealpost", "plugin"]);

/** A plugin that is set up. */
export interface RegisteredPlugin {
  readonly plugin: ValidatedPlugin;
  readonly instance: PluginInstance;
}

interface ServerUsageDeps {
  readonly run: Run;
  readonly settings: Pick<SettingsService, "read">;
  /** Returns the names of the stored definitions. */
  readonly serverNames: () => Promise<readonly string[]>;
}

/** Which plugins send through which SMTP servers, by their settings and what they report. */
export interface ServerUsage {
  /** Returns the servers of one plugin. */
  of(plugin: RegisteredPlugin): Promise<readonly string[]>;
  /** Returns the plugins of all servers. */
  users(): Promise<ServerUsers>;
  /** Returns the names of the plugins of each server that does not exist. */
  missing(): Promise<ReadonlyMap<string, readonly string[]>>;
  /** Logs which servers do not exist. */
  warnOfMissing(): Promise<void>;
}

/** The plugins of all servers at one moment. */
export interface ServerUsers {
  /** Returns the plugins that send through this server. */
  of(identifier: string): Usage;
}

export function createServerUsage(
  registered: readonly RegisteredPlugin[],
  { run, settings, serverNames }: ServerUsageDeps,
): ServerUsage {
  async function named({ plugin, instance }: RegisteredPlugin) {
    const names = serverSettings(plugin.options.settings);
    const configured = names.length > 0 ? [...(await settings.read(names)).values()] : [];
    const list = async () => (await instance.servers?.()) ?? [];
    const inTables = await run(plugin.name, "list its SMTP servers", list, null);
    const servers = [...new Set([...configured.flatMap(serversOf), ...(inTables ?? [])])];
    return { plugin: plugin.name, servers, isComplete: inTables !== null };
  }

  async function byServer() {
    const all = await Promise.all(registered.map(named));
    const found = new Map<string, string[]>();
    for (const { plugin, servers } of all) {
      for (const server of servers) found.set(server, [...(found.get(server) ?? []), plugin]);
    }
    return { found, isComplete: all.every(({ isComplete }) => isComplete) };
  }

  async function missing(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { found } = await byServer();
    const existing = found.size > 0 ? await serverNames() : [];
    return new Map([...found].filter(([server]) => !existing.includes(server)));
  }

  return {
    of: async (plugin) => (await named(plugin)).servers,

    async users() {
      const { found, isComplete } = await byServer();
      return { of: (identifier) => ({ plugins: found.get(identifier) ?? [], isComplete }) };
    },

    missing,

    async warnOfMissing() {
      for (const [server, plugins] of await missing()) {
        log.warning(
          "No SMTP server is named {server}, but {plugins} use it: create it or change their settings",
          { server, plugins },
        );
      }
    },
  };
}
