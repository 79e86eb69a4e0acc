import { getLogger } from "@logtape/logtape";
import type { KeptTable, Migration } from "../contracts/database.ts";
import type { Capabilities, ConfigKeys, Plugin, Running, SealedColumns } from "../contracts/plugin.ts";
import { auditEntry } from "../domain/audit.ts";
import { SealpostError } from "../errors.ts";
import { type Epoch, epochMigration } from "../storage/epoch.ts";
import { createSettingsRepository } from "../storage/settings.ts";
import { bounded } from "./bounded.ts";
import { type ContextParts, createContext } from "./context.ts";
import { CORE_EVENTS, eventNameOf } from "./event-names.ts";
import { createEvents } from "./events.ts";
import { serversOf } from "./mail.ts";
import { mountPlugins, type PluginRoutes } from "./routes.ts";
import { createSettings } from "./settings.ts";
import { type Candidate, checkPlugins, inOrder, refuse } from "./validate.ts";

const log = getLogger(["sealpost", "plugin"]);

/** What plugins add to an instance before any of them is set up. */
export interface PluginSet {
  readonly candidates: readonly Candidate[];
  readonly migrations: readonly Migration[];
  /** Tables whose rows are kept in memory. */
  readonly kept: readonly KeptTable<unknown>[];
  readonly sealed: readonly SealedColumns[];
  /** Names of their rights. */
  readonly actions: readonly string[];
}

/** One plugin as `GET /plugins/` shows it. */
export interface PluginView {
  readonly name: string;
  /** `METHOD /route/<parameter>` */
  readonly routes: readonly string[];
  readonly actions: readonly string[];
  readonly config: readonly string[];
  readonly events: readonly string[];
  /** Names of the SMTP servers that it sends through. */
  readonly servers: readonly string[];
}

export type Registry = ReturnType<typeof createRegistry>;

/**
 * Checks plugins against each other and puts them in order.
 * @throws {SealpostError} `bad_setting`, one line with everything that is wrong.
 */
export function readPlugins(plugins: readonly Plugin[]): PluginSet {
  const candidates = inOrder(checkPlugins(plugins));
  return {
    candidates,
    migrations: candidates.flatMap(({ name, migrations = [], kept = [] }) => [
      ...migrations.map((migration) => ({ ...migration, name: `${name}/${migration.name}` })),
      ...kept.map((table) => ({ name: `${name}/kept_${table.name}`, sql: epochMigration(table.name) })),
    ]),
    kept: candidates.flatMap(({ kept = [] }) => kept),
    sealed: candidates.flatMap(({ sealed = [] }) => sealed),
    actions: candidates.flatMap(({ actions = {} }) => Object.keys(actions)),
  };
}

/** Sets plugins up, without I/O, and leads them through the life of an instance. */
export function createRegistry(
  { candidates }: PluginSet,
  parts: Omit<ContextParts, "settings" | "events" | "eventNames" | "provided"> & {
    /** Bound of a request to a plugin, in milliseconds. */
    readonly requestMs: number;
    readonly epoch: Epoch;
  },
) {
  const { database, audit, platform, defer } = parts;
  const keys: ConfigKeys = Object.assign({}, ...candidates.map(({ checked }) => checked.config));
  const settings = createSettings({
    ...parts,
    keys,
    repository: createSettingsRepository(database, parts.epoch),
  });
  const events = createEvents({
    ...{ defer, platform },
    async failed(plugin, { name, client, requestId, actor }, info) {
      const by = { administrator: actor?.username ?? "", realm: actor?.realm ?? "", client: client ?? "" };
      const who = { ...by, action: `plugin ${plugin}`, policies: "", requestId };
      const said = { success: false, identifier: name, info: `event handler: ${info}` };
      await database.append(audit.insert(auditEntry(who, platform.now(), said)));
    },
  });
  let routes: PluginRoutes | undefined;
  let coreActions: readonly string[] = [];
  const eventNames = () => {
    const actions = [...coreActions, ...(routes?.actions.values() ?? [])].flat();
    const told = [...Object.keys(CORE_EVENTS), ...candidates.flatMap((plugin) => plugin.events ?? [])];
    return [...new Set([...actions.map(eventNameOf), ...told])].toSorted();
  };

  const provided: Partial<Capabilities> = {};
  const running = candidates.map((plugin) => {
    const context = createContext(plugin, { ...parts, settings, events, eventNames, provided });
    const run = plugin.checked.setup(context);
    refuse(unkept(plugin, run));
    Object.assign(provided, run.provides);
    events.listen(plugin.name, run.on ?? {});
    return { name: plugin.name, plugin, running: run };
  });

  /** Work that is a plugin's own: what goes wrong in it, or does not end, is logged and costs nobody else anything. */
  async function own<T>(plugin: string, what: string, work: () => Promise<T> | undefined, otherwise: T) {
    try {
      const late = () => new SealpostError("too_slow", `It did not end within ${parts.requestMs} ms`);
      return (await bounded((async () => work())(), parts.requestMs, late)) ?? otherwise;
    } catch (error) {
      log.error("Plugin {plugin} could not {what}: {error}", { plugin, what, error });
      return otherwise;
    }
  }

  /** Where the plugin sends, as far as it says. */
  async function serversNamed({ name, plugin, running: run }: (typeof running)[number]): Promise<string[]> {
    const names = Object.entries(plugin.checked.config).flatMap(([key, { namesServer }]) =>
      namesServer ? [key] : [],
    );
    const configured = names.length > 0 ? [...(await settings.read(names)).values()] : [];
    const told = await own(name, "say where it sends", () => run.servers?.(), []);
    return [...new Set([...configured.flatMap(serversOf), ...told])];
  }

  async function warnOfMissing(): Promise<void> {
    const users = new Map<string, string[]>();
    for (const one of running) {
      for (const server of await serversNamed(one))
        users.set(server, [...(users.get(server) ?? []), one.name]);
    }
    const known = users.size > 0 ? await parts.serverNames() : [];
    for (const [server, plugins] of users) {
      if (known.includes(server)) continue;
      log.warning("There is no SMTP server {server}, which {plugins} would send through", {
        server,
        plugins,
      });
    }
  }

  return {
    settings,
    emit: events.emit,

    /** Makes the routes, once. @throws {SealpostError} `bad_setting` if they clash. */
    mount(core: readonly { readonly method: string; readonly path: string }[], coreNames: readonly string[]) {
      routes ??= mountPlugins(running, core, parts.requestMs);
      coreActions = coreNames;
      return routes;
    },

    /** In order of the set-up; after the migrations. */
    async start(): Promise<void> {
      for (const { name, running: run } of running) {
        const late = () => new Error(`It did not end within ${parts.requestMs} ms`);
        await bounded((async () => run.start?.())(), parts.requestMs, late).catch((cause) => {
          throw cause instanceof SealpostError ? cause : new Error(`Plugin ${name} did not start`, { cause });
        });
      }
    },

    /** Says in the log which SMTP servers are named and not there; returns at once. */
    warnOfMissing(): void {
      if (running.length > 0) defer(warnOfMissing());
    },

    async prune(): Promise<void> {
      for (const { name, running: run } of running) {
        await own(name, "prune", () => run.prune?.(), undefined);
      }
    },

    async list(): Promise<PluginView[]> {
      return Promise.all(
        running.map(async (one) => ({
          name: one.name,
          routes: routes?.actions.get(one.name) ?? [],
          actions: Object.keys(one.plugin.actions ?? {}),
          config: Object.keys(one.plugin.checked.config),
          events: one.plugin.events ?? [],
          servers: await serversNamed(one),
        })),
      );
    },

    /** Names of the plugins that send through this definition. A plugin that cannot say so does not count. */
    async usersOf(identifier: string): Promise<string[]> {
      const named = await Promise.all(running.map(serversNamed));
      return running.filter((_, at) => named[at]?.includes(identifier)).map(({ name }) => name);
    },

    /** In reverse order of the set-up; one that fails or hangs does not keep the others from closing. */
    async close(): Promise<void> {
      for (const { name, running: run } of running.toReversed()) {
        await own(name, "close", () => run.close?.(), undefined);
      }
    },
  };
}

/** Capabilities that a plugin has promised and not brought, or the other way round. */
function unkept({ name, provides = [] }: Candidate, run: Running): string[] {
  const brought = Object.keys(run.provides ?? {});
  return [
    ...provides.filter((one) => !brought.includes(one)).map((one) => `${name} provides no "${one}"`),
    ...brought
      .filter((one) => !provides.some((promised) => promised === one))
      .map((one) => `${name} does not declare that it provides "${one}"`),
  ];
}
