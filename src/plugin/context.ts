import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { Passwords } from "../access/passwords.ts";
import type { RerouteChange, Reroutes, Usage } from "../access/reroutes.ts";
import type { Database, Statement } from "../contracts/database.ts";
import type { Env } from "../contracts/env.ts";
import type { HttpClient } from "../contracts/http-client.ts";
import type { Platform } from "../contracts/platform.ts";
import type { PluginAudit, PluginAuditEntry } from "../contracts/plugin/audit.ts";
import type {
  Capabilities,
  CapabilityName,
  PluginCapabilities,
  PluginContext,
  PluginLog,
} from "../contracts/plugin/context.ts";
import type { PluginEvents } from "../contracts/plugin/events.ts";
import type { PluginStore } from "../contracts/plugin/store.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import type { CidrBlock } from "../domain/network.ts";
import type { Encryption } from "../mail/encryption.ts";
import type { Idempotency } from "../mail/idempotency.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import type { Keyring } from "../secrets/keyring.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { decide, readAfter } from "../storage/decide.ts";
import type { Epoch } from "../storage/epoch.ts";
import { untilCommitted } from "../storage/epoch.ts";
import { ADMINS } from "../storage/kept-tables.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";
import type { AssertMayReroute, IsAllowed } from "../wire/guard.ts";
import type { RunInBackground } from "./background.ts";
import type { Events } from "./events.ts";
import { createPluginHttp } from "./http.ts";
import { createPluginMail, type SubmitAs } from "./mail.ts";
import { createPluginLimits } from "./rate-limits.ts";
import { createPluginSecrets, createRandom } from "./secrets.ts";
import type { SettingsService } from "./settings.ts";
import type { ValidatedPlugin } from "./validate.ts";

const log = getLogger(["sealpost", "plugin"]);

/** The dependencies of every plugin's context. */
export interface ContextDeps {
  readonly database: Database;
  readonly epoch: Epoch;
  readonly keyring: Keyring;
  readonly platform: Platform;
  readonly passwords: Passwords;
  readonly newId: () => string;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  /** Returns a random secret of this database by its name. */
  readonly secret: (name: string, bytes: number) => Promise<Uint8Array>;
  readonly submitAs: SubmitAs;
  readonly idempotency: Idempotency;
  /** Returns the names of the stored definitions. */
  readonly serverNames: () => Promise<readonly string[]>;
  readonly findServer: (identifier: string) => Promise<StoredDefinition | null>;
  readonly encryption: Pick<Encryption, "assertUsable">;
  readonly isAllowed: IsAllowed;
  readonly assertMayReroute: AssertMayReroute;
  readonly reroutes: Reroutes;
  /** Returns whose codes an SMS gateway routes. */
  readonly gatewayUsage: (gateway: string) => Promise<Usage>;
  readonly background: RunInBackground;
  readonly http: HttpClient;
  readonly baseUrl: string;
  readonly trustedClients: readonly CidrBlock[];
  /** Every right of this instance. */
  readonly rights: readonly string[];
  readonly settingsService: SettingsService;
  readonly emitter: Events;
  readonly eventNames: () => readonly string[];
  /** The capabilities of the plugins that are set up. */
  readonly provided: Partial<Capabilities>;
  /** Asks for the `drain` of all plugins. */
  readonly wake: () => void;
}

/** Creates the context of one plugin. */
export function createContext(plugin: ValidatedPlugin, deps: ContextDeps): PluginContext {
  const { name, sealed = [], options } = plugin;
  const { platform, settingsService: settings } = deps;
  const actorOf = (c: Context<Env> | null) => c?.get("actor") ?? pluginActor(name, c);
  const secrets = createPluginSecrets({ ...deps, plugin: name, sealed });
  return {
    name,
    mail: createPluginMail({ ...deps, plugin: name, settings: options.settings, actorOf }),
    http: createPluginHttp(deps.http, platform.now),
    store: createStore(plugin, deps),
    settings: {
      get: async (key) => (await settings.read([key])).get(key),
      all: async () => Object.fromEntries(await settings.read(Object.keys(options.settings))),
    },
    guard: createGuard(name, deps),
    audit: createAudit(actorOf, deps),
    secrets,
    limits: createPluginLimits({ ...deps, plugin: name, mac: secrets.mac }),
    events: createPluginEvents(plugin, deps),
    capabilities: createCapabilities(plugin, deps.provided),
    time: { now: platform.now },
    random: createRandom(deps),
    log: createLog(name),
    idempotent: createIdempotent(name, deps),
    background: deps.background,
    wake: deps.wake,
    baseUrl: deps.baseUrl,
  };
}

function pluginActor(plugin: string, c: Context<Env> | null): AuditActor {
  return {
    action: c?.get("auditAction") ?? `plugin ${plugin}`,
    administrator: "",
    realm: "",
    client: c?.get("clientAddress") ?? "",
    policies: "",
    requestId: c?.get("requestId") ?? "",
  };
}

function createStore({ name, kept = [] }: ValidatedPlugin, { database, epoch }: ContextDeps): PluginStore {
  const { read, write, prepare, append } = database;
  const commit: PluginStore["commit"] = (statements) =>
    untilCommitted(epoch, () => epoch.commit([], statements));
  return {
    read,
    write,
    prepare,
    append,
    commit,
    kept(table) {
      assertDeclared(
        name,
        "kept table",
        table.name,
        kept.map((declared) => declared.name),
      );
      return epoch.rows(table);
    },
    decide: (statements, verdict) => decide({ read, commit }, statements, verdict),
    readAfter: (error, select) => readAfter(database, error, select),
  };
}

function createGuard(plugin: string, deps: ContextDeps): PluginContext["guard"] {
  const { epoch, isAllowed, assertMayReroute, reroutes, gatewayUsage } = deps;
  const allow = async (c: Context<Env>, change: RerouteChange, usage: () => Promise<Usage>) => {
    const reroute = await reroutes.allow(change, usage, () => assertMayReroute(c));
    return { ...reroute, report: () => reroute.report(c.get("actor")) };
  };
  return {
    isAllowed,
    adminNames: async () => (await epoch.rows(ADMINS)).map(({ username }) => username),
    rerouteGateway: (c, identifier, change) =>
      allow(c, { identifier, change }, () => gatewayUsage(identifier)),
    rerouteOwn: (c, identifier, change) =>
      allow(c, { identifier, change }, async () => ({ plugins: [plugin], isComplete: true })),
  };
}

function createAudit(
  actorOf: (c: Context<Env> | null) => AuditActor,
  { audit, database, platform }: ContextDeps,
): PluginAudit {
  const entryOf = (c: Context<Env> | null, { action, ...fields }: PluginAuditEntry) =>
    auditEntry({ ...actorOf(c), ...(action === undefined ? {} : { action }) }, platform.now(), fields);
  return {
    write: (c, entry) => database.append(audit.insert(entryOf(c, entry))),
    row: (c, entry, ifChanged) =>
      ifChanged ? audit.insertIfChanged(entryOf(c, entry)) : audit.insert(entryOf(c, entry)),
    prepareRow(where, computed = {}) {
      const insert = audit.prepareInsert(where, computed);
      return (c, entry, values) => insert(entryOf(c, entry), values);
    },
  };
}

function createPluginEvents(
  { name, events = [] }: ValidatedPlugin,
  { emitter, eventNames }: ContextDeps,
): PluginEvents {
  return {
    emit(event, data) {
      assertDeclared(name, "event", event, events);
      emitter.emit({ name: event, plugin: name, data });
    },
    names: eventNames,
  };
}

function createCapabilities(
  { name, requires = [], optional = [] }: ValidatedPlugin,
  provided: Partial<Capabilities>,
): PluginCapabilities {
  const get = <N extends CapabilityName>(capability: N): Capabilities[N] | undefined => provided[capability];
  return {
    use(capability) {
      assertDeclared(name, "capability", capability, requires);
      const found = get(capability);
      if (found) return found;
      throw new TypeError(`"${capability}" is declared, but nothing is provided for ${name}`);
    },
    find(capability) {
      assertDeclared(name, "capability", capability, [...requires, ...optional]);
      return get(capability) ?? null;
    },
  };
}

function createIdempotent(
  plugin: string,
  { database, idempotency }: ContextDeps,
): PluginContext["idempotent"] {
  return async (c, content, work) => {
    const key = c.req.header("idempotency-key");
    if (key === undefined) return work();
    const scope = `plugin ${plugin} ${c.get("auditAction")}`;
    const call = await idempotency.reserve({ scope, key, content: JSON.stringify(content) }, "acting");
    if ("response" in call) return JSON.parse(call.response);
    const record = (statement: Statement) =>
      database
        .commit([statement])
        .catch((error) =>
          log.error("Cannot record an idempotent call of {plugin}: {error}", { plugin, error }),
        );
    const response = await work().catch(async (error) => {
      await record(call.release());
      throw error;
    });
    // The work is done. An error here would deny it.
    await record(call.complete(response));
    return response;
  };
}

function createLog(plugin: string): PluginLog {
  const own = getLogger(["sealpost", "plugin", plugin]);
  return {
    info: (text, properties = {}) => own.info(text, properties),
    warning: (text, properties = {}) => own.warning(text, properties),
    error: (text, properties = {}) => own.error(text, properties),
  };
}

/** @throws {TypeError} because the plugin's code and its definition contradict each other. */
function assertDeclared(plugin: string, kind: string, name: string, declared: readonly string[]): void {
  if (declared.includes(name)) return;
  throw new TypeError(`${plugin} does not declare the ${kind} "${name}"`);
}
