import { getLogger } from "@logtape/logtape";
import type { PluginInstance } from "../contracts/plugin/definition.ts";
import { serverSettings } from "./mail.ts";
import { type SettingsService, serversOf } from "./settings.ts";
import type { ValidatedPlugin } from "./validate.ts";

const log = getLogger(["sealpost", "plugin"]);

/** A plugin that is set up. */
export interface RegisteredPlugin {
  readonly plugin: ValidatedPlugin;
  readonly instance: PluginInstance;
}

/** Runs work of one plugin. A failure, or a run that takes too long, is logged and does not affect other plugins. */
export type Run = <T>(
  plugin: string,
  what: string,
  work: () => Promise<T> | undefined,
  otherwise: T,
) => Promise<T>;

interface ServerUsageDeps {
  readonly run: Run;
  readonly settings: Pick<SettingsService, "read">;
  /** Returns the names of the stored definitions. */
  readonly serverNames: () => Promise<readonly string[]>;
}

/** Which plugins send through which SMTP servers, by their settings and what they report. */
export interface ServerUsage {
  /** Returns the servers of one plugin. */
  of(plugin: RegisteredPlugin): Promise<string[]>;
  /** Returns the names of the plugins of each server. */
  users(): Promise<ReadonlyMap<string, string[]>>;
  /** Returns the same for the servers that do not exist. */
  missing(): Promise<ReadonlyMap<string, string[]>>;
  /** Logs which servers do not exist. */
  warnOfMissing(): Promise<void>;
}

export function createServerUsage(
  registered: readonly RegisteredPlugin[],
  { run, settings, serverNames }: ServerUsageDeps,
): ServerUsage {
  async function of({ plugin, instance }: RegisteredPlugin): Promise<string[]> {
    const names = serverSettings(plugin.options.settings);
    const configured = names.length > 0 ? [...(await settings.read(names)).values()] : [];
    const inTables = await run(plugin.name, "list its SMTP servers", () => instance.servers?.(), []);
    return [...new Set([...configured.flatMap(serversOf), ...inTables])];
  }

  async function users(): Promise<ReadonlyMap<string, string[]>> {
    const named = await Promise.all(registered.map(of));
    const found = new Map<string, string[]>();
    for (const [index, { plugin }] of registered.entries()) {
      for (const server of named[index] ?? []) found.set(server, [...(found.get(server) ?? []), plugin.name]);
    }
    return found;
  }

  async function missing(): Promise<ReadonlyMap<string, string[]>> {
    const found = await users();
    const existing = found.size > 0 ? await serverNames() : [];
    return new Map([...found].filter(([server]) => !existing.includes(server)));
  }

  return {
    of,
    users,
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
