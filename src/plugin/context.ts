import { getLogger } from "@logtape/logtape";
import type { Context } from "hono";
import type { HashCaller } from "../access/hash-pool.ts";
import type { Passwords } from "../access/passwords.ts";
import type { Database } from "../contracts/database.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type {
  Capabilities,
  CapabilityName,
  ConfigKeys,
  PasswordOptions,
  PluginAuditEntry,
  PluginContext,
} from "../contracts/plugin.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { type CidrBlock, clientNetwork } from "../domain/network.ts";
import type { Idempotency } from "../mail/idempotency.ts";
import type { StoredDefinition } from "../mail/servers/definitions.ts";
import type { Keyring } from "../secrets/keyring.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { decide, readAfter } from "../storage/decide.ts";
import type { Epoch } from "../storage/epoch.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";
import { untilCommitted } from "../storage/until-committed.ts";
import type { IsAllowed, RequireRight } from "../wire/guard.ts";
import type { Defer } from "./background.ts";
import { randomText } from "./codes.ts";
import type { Events } from "./events.ts";
import { createOnce } from "./idempotent.ts";
import { createPluginMail, type SubmitAs, toNames } from "./mail.ts";
import { createLimit } from "./rate-limits.ts";
import { createPluginSecrets } from "./secrets.ts";
import type { Settings } from "./settings.ts";
import type { Candidate } from "./validate.ts";

/** What every context is made of. */
export interface ContextParts {
  readonly database: Database;
  readonly epoch: Epoch;
  readonly keyring: Keyring;
  readonly platform: Platform;
  readonly passwords: Passwords;
  readonly newId: () => string;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly secret: (name: string, bytes: number) => Promise<string>;
  readonly submitAs: SubmitAs;
  readonly idempotency: Idempotency;
  /** Names of the definitions that there are. */
  readonly serverNames: () => Promise<readonly string[]>;
  readonly findServer: (identifier: string) => Promise<StoredDefinition | null>;
  readonly requireRight: RequireRight;
  readonly isAllowed: IsAllowed;
  readonly defer: Defer;
  readonly baseUrl: string;
  readonly trustedClients: readonly CidrBlock[];
  readonly actions: readonly string[];
  readonly settings: Settings;
  readonly events: Events;
  readonly eventNames: () => readonly string[];
  readonly provided: Partial<Capabilities>;
}

/** What one plugin can do. */
export function createContext(plugin: Candidate, parts: ContextParts): PluginContext {
  const { name, checked } = plugin;
  const { database, platform, passwords, settings, events } = parts;
  const actorOf = (c: Context<Env> | null) => c?.get("actor") ?? nobody(name, c);
  const serverKey = Object.entries(checked.config).find(([, key]) => key.namesServer)?.[0];
  const secrets = createPluginSecrets({ ...parts, plugin: name, sealed: plugin.sealed ?? [] });

  const isTrustedClient: PluginContext["isTrustedClient"] = (c) => {
    const client = c.get("clientAddress");
    return client !== null && parts.trustedClients.some((block) => block.contains(client));
  };
  const entryOf = (c: Context<Env> | null, { action, ...fields }: PluginAuditEntry) =>
    auditEntry({ ...actorOf(c), ...(action === undefined ? {} : { action }) }, platform.now(), fields);
  const auditRow = (c: Context<Env> | null, entry: PluginAuditEntry, ifChanged?: "ifChanged") =>
    ifChanged ? parts.audit.insertIfChanged(entryOf(c, entry)) : parts.audit.insert(entryOf(c, entry));

  return {
    name,
    mail: createPluginMail({
      ...{ ...parts, plugin: name, actorOf, isHandling: events.isHandling },
      configured: async () =>
        serverKey === undefined ? [] : toNames((await settings.read([serverKey])).get(serverKey)),
    }),
    store: {
      ...{ read: database.read, write: database.write, prepare: database.prepare },
      commit: (statements) => untilCommitted(() => parts.epoch.commit([], statements)),
      append: database.append,
    },
    kept(table) {
      refuseUnknown(
        name,
        "kept table",
        table.name,
        (plugin.kept ?? []).map((one) => one.name),
      );
      return parts.epoch.rows(table);
    },

    requireRight(action, options) {
      refuseUnknown(name, "action", action, parts.actions);
      return (c, next) => parts.requireRight(action, c.get("auditAction"), options)(c, next);
    },
    isAllowed: parts.isAllowed,
    audit: (c, entry) => database.append(auditRow(c, entry)),
    auditRow,
    auditRowWhere: (c, entry, where, decided = {}) =>
      parts.audit.insertWhere(entryOf(c, entry), where, decided),
    decide: (statements, verdict) => decide(database, statements, verdict),
    readAfter: (error, select) => readAfter(database, error, select),
    clientAddress: (c) => c.get("clientAddress"),
    isTrustedClient,

    emit(event, data) {
      refuseUnknown(name, "event", event, plugin.events ?? []);
      events.emit({ name: event, plugin: name, data });
    },
    eventNames: parts.eventNames,
    use(capability) {
      refuseUnknown(name, "capability", capability, plugin.requires ?? []);
      return given(parts.provided, capability) ?? refuseMissing(name, capability);
    },
    find(capability) {
      refuseUnknown(name, "capability", capability, [...(plugin.requires ?? []), ...(plugin.optional ?? [])]);
      return given(parts.provided, capability) ?? null;
    },

    config: createConfig(checked.config, settings),
    ...secrets,
    password: {
      hash: (text, options) => passwords.hash(text, callerOf(name, options)),
      verify: (text, phc, options) => passwords.verify(text, phc, callerOf(name, options)),
    },
    limit: createLimit({ ...parts, plugin: name, mac: secrets.mac, isTrustedClient }),
    once: createOnce({ ...parts, plugin: name }),
    defer: parts.defer,
    baseUrl: parts.baseUrl,
    log: createLog(name),
    now: platform.now,
    randomBytes: platform.randomBytes,
    randomText: (length, alphabet) => randomText(length, alphabet, platform.randomBytes),
    newId: parts.newId,
  };
}

/** Without a request, all hashes of a plugin share one turn. */
function callerOf(plugin: string, { request }: PasswordOptions = {}): HashCaller {
  if (!request) return { client: `plugin ${plugin}` };
  const address = request.get("clientAddress");
  return { client: address === null ? "unknown" : clientNetwork(address), request: request.req.raw };
}

function nobody(plugin: string, c: Context<Env> | null): AuditActor {
  return {
    action: c?.get("auditAction") ?? `plugin ${plugin}`,
    administrator: "",
    realm: "",
    client: c?.get("clientAddress") ?? "",
    policies: "",
    requestId: c?.get("requestId") ?? "",
  };
}

function createConfig(keys: ConfigKeys, settings: Settings): PluginContext["config"] {
  return {
    get: async (name) => (await settings.read([name])).get(name),
    all: async () => Object.fromEntries(await settings.read(Object.keys(keys))),
  };
}

function createLog(plugin: string): PluginContext["log"] {
  const log = getLogger(["sealpost", "plugin", plugin]);
  return {
    info: (text, properties = {}) => log.info(text, properties),
    warning: (text, properties = {}) => log.warning(text, properties),
    error: (text, properties = {}) => log.error(text, properties),
  };
}

function given<N extends CapabilityName>(
  provided: Partial<Capabilities>,
  name: N,
): Capabilities[N] | undefined {
  return provided[name];
}

function refuseMissing(plugin: string, capability: string): never {
  throw new TypeError(`"${capability}" is declared, but nothing is provided for ${plugin}`);
}

/** A mistake in the plugin. */
function refuseUnknown(plugin: string, kind: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new TypeError(`${plugin} does not declare the ${kind} "${name}"`);
}
