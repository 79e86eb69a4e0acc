import type { SQLiteColumn, SQLiteTable } from "drizzle-orm/sqlite-core";
import { withDeadline } from "../async/abort.ts";
import type { KeptTable, Migration } from "../contracts/database.ts";
import type { Directory } from "../contracts/directory.ts";
import type { Capabilities } from "../contracts/plugin/context.ts";
import type { Plugin, PluginInstance } from "../contracts/plugin/definition.ts";
import type { SealedColumns } from "../contracts/plugin/secrets.ts";
import type { Settings } from "../contracts/plugin/settings.ts";
import type { Route } from "../contracts/route.ts";
import { auditEntry } from "../domain/audit.ts";
import { problem } from "../domain/findings.ts";
import { SealpostError } from "../errors.ts";
import type { Checks } from "../mail/doctor/doctor.ts";
import { keptMigration } from "../storage/kept-tables.ts";
import { createSettingsRepository } from "../storage/settings.ts";
import { actionsOf, eventNameOf } from "../wire/route.ts";
import { createRun } from "./background.ts";
import { type ContextDeps, createContext } from "./context.ts";
import { CORE_EVENTS, createEvents, type Events } from "./events.ts";
import { collectRoutes, type PluginRoutes } from "./routes.ts";
import {
  createPluginUsage,
  GATEWAYS,
  missingServers,
  type PluginUsers,
  type RegisteredPlugin,
  SERVERS,
  warnOfMissing,
} from "./server-usage.ts";
import { censored, createSettings, type SettingsService } from "./settings.ts";
import { assertNoProblems, type ValidatedPlugin, validatePlugins } from "./validate.ts";
import { createPluginWork, type PluginWork, type PluginWorkDeps } from "./work.ts";

/** Bound of the start of a plugin. A Durable Object whose start takes 30 s in all is ended, and no log would name the plugin. */
const MAX_START_MS = 15_000;

/** The plugins of an instance before their setup, and the parts of an instance that depend on them. */
export interface PluginSet {
  readonly plugins: readonly ValidatedPlugin[];
  readonly migrations: readonly Migration[];
  /** Tables whose rows are kept in memory. */
  readonly kept: readonly KeptTable<unknown>[];
  readonly sealed: readonly SealedColumns[];
  /** Columns with due times of their work. */
  readonly dueTimes: readonly SQLiteColumn[];
  /** Tables whose rows may be lost. */
  readonly transient: readonly SQLiteTable[];
  /** Names of their rights. */
  readonly rights: readonly string[];
}

/** A setting without the value in effect. */
interface SettingView {
  readonly name: string;
  readonly description: string;
  readonly secret: boolean;
  /** Used until an admin sets a value. A secret is censored. */
  readonly default: unknown;
}

/** One plugin as `GET /plugins/` shows it. */
interface PluginView {
  readonly name: string;
  /** `METHOD /route/<parameter>` */
  readonly routes: readonly string[];
  /** Names of its rights. */
  readonly actions: readonly string[];
  /** Names of its settings. */
  readonly config: readonly string[];
  readonly settings: readonly SettingView[];
  readonly events: readonly string[];
  /** Names of the SMTP servers that it sends through. */
  readonly servers: readonly string[];
}

export interface Registry {
  readonly settings: SettingsService;
  readonly emit: Events["emit"];
  /**
   * Returns the routes of the plugins.
   * @param core the routes of Sealpost itself.
   * @throws {SealpostError} `bad_setting` if routes clash, or if one needs a right.
   */
  routes(core: readonly Route[]): PluginRoutes;
  /** Starts the plugins in order of their setup, after the migrations. */
  start(): Promise<void>;
  /** Logs which SMTP servers are named but do not exist. Returns immediately. */
  warnOfMissing(): void;
  prune(): Promise<void>;
  readonly work: PluginWork;
  list(): Promise<PluginView[]>;
  /** Returns the certificates of the users with this address, as PEM texts; empty if there are none. */
  certificatesOf(address: string): Promise<string>;
  /** Returns which plugins send through which definition, by their settings and what they report. */
  serverUsers(): Promise<PluginUsers>;
  /** Checks of the doctor: the settings of plugins, and what they name. */
  readonly checks: Checks;
  /** Closes the plugins in reverse order; one that fails or hangs does not keep the others from closing. */
  close(): Promise<void>;
}

/** The last set that was valid. The next instance of a process most often has the same plugins. */
let latest: { readonly registered: readonly Plugin[]; readonly set: PluginSet } | null = null;

/**
 * Validates plugins, and sorts them in the order of their setup.
 * @throws {SealpostError} `bad_setting`, one line with every problem.
 */
export function readPlugins(registered: readonly Plugin[]): PluginSet {
  if (latest !== null && hasSameItems(latest.registered, registered)) return latest.set;
  const set = pluginSetOf(validatePlugins(registered));
  // A copy, because the host may change its list.
  latest = { registered: [...registered], set };
  return set;
}

function hasSameItems(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((item, at) => item === right[at]);
}

function pluginSetOf(plugins: readonly ValidatedPlugin[]): PluginSet {
  return {
    plugins,
    migrations: plugins.flatMap(({ name, migrations = [], kept = [] }) => [
      ...migrations.map((migration) => ({ ...migration, name: `${name}/${migration.name}` })),
      ...kept.map((table) => keptMigration(name, table.name)),
    ]),
    kept: plugins.flatMap(({ kept = [] }) => kept),
    sealed: plugins.flatMap(({ sealed = [] }) => sealed),
    dueTimes: plugins.flatMap(({ dueTimes = [] }) => dueTimes),
    transient: plugins.flatMap(({ transient = [] }) => transient),
    rights: plugins.flatMap(({ rights = {} }) => Object.keys(rights)),
  };
}

type RegistryDeps = Omit<
  ContextDeps,
  "settingsService" | "emitter" | "eventNames" | "provided" | "gatewayUsage" | "wake"
> &
  PluginWorkDeps & {
    /** Time limit of a request to a plugin, in milliseconds. */
    readonly requestMs: number;
  };

/** Sets plugins up, without I/O, and runs them as long as the instance lives. */
export function createRegistry({ plugins }: PluginSet, deps: RegistryDeps): Registry {
  const { database, background, requestMs } = deps;
  const all: Settings = Object.assign({}, ...plugins.map(({ options }) => options.settings));
  const found = { repository: createSettingsRepository(database, deps.epoch), pluginOf: ownersOf(plugins) };
  const settings = createSettings({ ...deps, ...found, settings: all });
  const emitter = createEvents({ ...deps, recordFailure: createRecordFailure(deps) });
  let routes: PluginRoutes | undefined;
  let coreRoutes: readonly Route[] = [];
  const eventNames = () => eventNamesOf(plugins, actionsOf([...coreRoutes, ...(routes?.routes ?? [])]));

  const provided: Partial<Capabilities> = {};
  const work = createPluginWork(deps);
  const gatewayUsage = async (gateway: string) => (await gateways.users()).of(gateway);
  const late = { settingsService: settings, emitter, eventNames, provided, gatewayUsage, wake: work.wake };
  const registered = plugins.map((plugin): RegisteredPlugin => {
    const instance = plugin.options.setup(createContext(plugin, { ...deps, ...late }));
    assertNoProblems(brokenPromises(plugin, instance));
    Object.assign(provided, instance.provides);
    emitter.listen(plugin.name, instance.on ?? {});
    work.add(plugin.name, instance);
    return { plugin, instance };
  });
  const run = createRun(requestMs);
  const servers = createPluginUsage(registered, SERVERS, { run, settings });
  const gateways = createPluginUsage(registered, GATEWAYS, { run, settings });
  const missing = () => missingServers(servers, deps.serverNames);

  return {
    settings,
    work,
    emit: emitter.emit,
    routes(core) {
      routes = collectRoutes(plugins, registered, core, deps);
      coreRoutes = core;
      return routes;
    },
    async start() {
      for (const { plugin, instance } of registered) {
        if (instance.start === undefined) continue;
        const startMs = Math.min(requestMs, MAX_START_MS);
        const late = () => new Error(`It did not finish within ${startMs} ms`);
        await withDeadline((async () => instance.start?.())(), startMs, late).catch((cause) => {
          if (cause instanceof SealpostError) throw cause;
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new Error(`Plugin ${plugin.name} did not start: ${reason}`, { cause });
        });
      }
    },
    warnOfMissing() {
      if (registered.length > 0) background(deps.epoch.run(async () => warnOfMissing(await missing())));
    },
    async prune() {
      for (const { plugin, instance } of registered) {
        await run(plugin.name, "prune", () => instance.prune?.(), undefined);
      }
    },
    list: () =>
      Promise.all(
        registered.map(async ({ plugin, instance }) => ({
          name: plugin.name,
          routes: routes?.actionsOf(plugin.name) ?? [],
          actions: Object.keys(plugin.rights ?? {}),
          ...settingViewsOf(plugin.options.settings),
          events: plugin.events ?? [],
          servers: await servers.of({ plugin, instance }),
        })),
      ),
    serverUsers: servers.users,
    checks: pluginChecks(settings, missing),
    certificatesOf: (address) => certificatesOf(provided.directory, address),
    async close() {
      for (const { plugin, instance } of registered.toReversed()) {
        await run(plugin.name, "close", () => instance.close?.(), undefined);
      }
    },
  };
}

function settingViewsOf(settings: Settings): Pick<PluginView, "config" | "settings"> {
  const views = Object.entries(settings).map(([name, { description, secret, fallback }]) => ({
    name,
    description,
    secret,
    default: secret ? censored(fallback) : fallback,
  }));
  return { config: Object.keys(settings), settings: views };
}

/** Returns the names of all events: those of API actions, and those that Sealpost and plugins emit. */
function eventNamesOf(plugins: readonly ValidatedPlugin[], actions: readonly string[]): readonly string[] {
  const emitted = [...Object.keys(CORE_EVENTS), ...plugins.flatMap(({ events = [] }) => events)];
  return [...new Set([...actions.map(eventNameOf), ...emitted])].toSorted();
}

/** Returns a lookup of the plugin that has a setting. */
function ownersOf(plugins: readonly ValidatedPlugin[]) {
  return (setting: string) =>
    plugins.find(({ options }) => Object.hasOwn(options.settings, setting))?.name ?? "";
}

async function certificatesOf(directory: Directory | undefined, address: string): Promise<string> {
  const users = (await directory?.findByAddress(address)) ?? [];
  return users.map(({ certificate = "" }) => certificate).join("\n");
}

function createRecordFailure({ database, audit, platform }: RegistryDeps) {
  return async (
    ...[plugin, event, info]: Parameters<Parameters<typeof createEvents>[0]["recordFailure"]>
  ) => {
    const { name, client, requestId, actor } = event;
    const by = { administrator: actor?.username ?? "", realm: actor?.realm ?? "", client: client ?? "" };
    const entry = { success: false, identifier: name, info: `event handler: ${info}` };
    const auditActor = { ...by, action: `plugin ${plugin}`, policies: "", requestId };
    await database.append(audit.insert(auditEntry(auditActor, platform.now(), entry)));
  };
}

function pluginChecks(settings: SettingsService, missing: () => ReturnType<typeof missingServers>): Checks {
  return {
    settings: {
      fine: "All settings are valid.",
      find: async () => (await settings.invalid()).map((name) => problem("setting_invalid", { name })),
    },
    base_url: {
      fine: "No setting lacks SEALPOST_BASE_URL.",
      find: async () =>
        (await settings.noticesOf(await settings.read(settings.names)))
          .filter(({ code }) => code === "base_url_missing")
          .map(({ parameter }) => problem("base_url_missing", { parameter })),
    },
    plugins: {
      fine: "All SMTP servers that plugins name exist.",
      find: async () =>
        [...(await missing())].map(([identifier, plugins]) =>
          problem("server_missing", { identifier, plugins: plugins.join(", ") }),
        ),
    },
  };
}

/** Returns the capabilities that a plugin declares but does not provide, or provides but does not declare. */
function brokenPromises({ name, provides = [] }: ValidatedPlugin, instance: PluginInstance): string[] {
  const provided = Object.keys(instance.provides ?? {});
  return [
    ...provides.filter((one) => !provided.includes(one)).map((one) => `${name} provides no "${one}"`),
    ...provided
      .filter((one) => !provides.some((declared) => declared === one))
      .map((one) => `${name} does not declare that it provides "${one}"`),
  ];
}
