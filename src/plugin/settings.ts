import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import type { AssertReroute, Reroute, Reroutes } from "../access/reroutes.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Setting, Settings } from "../contracts/plugin/settings.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { nearestTo } from "../domain/nearest.ts";
import { type Notice, notice } from "../domain/notices.ts";
import { CENSORED } from "../domain/secret.ts";
import { invalidParameter, missingParameter, SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { open, seal } from "../secrets/seal.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Epoch } from "../storage/epoch.ts";
import { untilCommitted } from "../storage/epoch.ts";
import { SETTINGS } from "../storage/kept-tables.ts";
import type { SettingRow, SettingsRepository } from "../storage/settings.ts";
import { coerce } from "../wire/validate.ts";

const log = getLogger(["sealpost", "plugin"]);
/** The definition or gateway used if none is named. */
const DEFAULT_NAME = "default";

/** The settings of all plugins, read from the database at every call. */
export interface SettingsService {
  readonly names: readonly string[];
  /** Returns the values in effect. @throws {SealpostError} `invalid_parameter` for an unknown name. */
  read(names: readonly string[]): Promise<ReadonlyMap<string, unknown>>;
  /** Returns what an admin may see: a secret is censored if it is set. */
  shown(names: readonly string[]): Promise<Record<string, unknown>>;
  /** Returns the name. @throws {SealpostError} `resource_not_found` if there is no such setting. */
  known(name: string): string;
  /**
   * Stores new values, all of them or none. Each is validated as a parameter of that name.
   * @returns for each name whether it was set before.
   * @param assertReroute called before mail of a plugin goes elsewhere.
   * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first invalid one.
   */
  set(
    values: ReadonlyMap<string, unknown>,
    actor: AuditActor,
    assertReroute: AssertReroute,
  ): Promise<Record<string, "insert" | "update">>;
  /** Returns what keeps new values from having an effect. Invalid ones have no notices. */
  noticesOf(values: ReadonlyMap<string, unknown>): Promise<readonly Notice[]>;
  /** Returns the names of the settings whose stored value is no longer valid. */
  invalid(): Promise<readonly string[]>;
  /** Resets a setting to the option or the default. @returns whether a value was set. */
  remove(name: string, actor: AuditActor, assertReroute: AssertReroute): Promise<boolean>;
}

interface SettingsDeps {
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly repository: SettingsRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
  readonly settings: Settings;
  readonly baseUrl: string;
  /** Returns the names of the stored definitions. */
  readonly serverNames: () => Promise<readonly string[]>;
  readonly reroutes: Reroutes;
  /** Returns the plugin of a setting. */
  readonly pluginOf: (name: string) => string;
}

/** Creates the settings of all plugins. */
export function createSettings(deps: SettingsDeps): SettingsService {
  const { repository, settings, baseUrl, serverNames } = deps;
  const codec = createSettingCodec(deps);
  const { settingOf, parsed, currentValue } = codec;

  async function read(names: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const rows = await repository.find(names);
    const stored = await Promise.all(
      rows.map(async (row) => [row.key, await currentValue(row.key, row)] as const),
    );
    return new Map([...names.map((name) => [name, settingOf(name).fallback] as const), ...stored]);
  }

  return {
    read,
    names: Object.keys(settings),

    async shown(names) {
      const values = await read(names);
      return Object.fromEntries(
        names.map((name) => {
          const value = values.get(name);
          return [name, settingOf(name).secret ? censored(value) : value];
        }),
      );
    },

    async noticesOf(values) {
      const existing = await serverNames();
      return [...values].flatMap(([name, given]): readonly Notice[] => {
        const { schema, namesServer, needsBaseUrl } = settingOf(name);
        const { success, output } = v.safeParse(schema, coerce(schema, given));
        if (!success) return [];
        const missing = (namesServer ? usedBy(output) : []).filter((server) => !existing.includes(server));
        return [
          ...missing.map((identifier) => notice("server_missing", name, { identifier })),
          ...(needsBaseUrl && output && baseUrl === ""
            ? [notice("base_url_missing", name, { parameter: name })]
            : []),
        ];
      });
    },

    known(name) {
      if (Object.hasOwn(settings, name)) return name;
      throw new SealpostError("resource_not_found", "The requested Setting could not be found.");
    },

    async invalid() {
      const known = (await repository.find(Object.keys(settings))).map(async (row) => ({
        name: row.key,
        isValid: (await parsed(row.key, row)).success,
      }));
      return (await Promise.all(known)).filter(({ isValid }) => !isValid).map(({ name }) => name);
    },

    ...createChanges(deps, codec, read),
  };
}

/** Returns the settings that name SMTP servers, or those that name SMS gateways. */
export function settingsThat(names: "namesServer" | "namesGateway", settings: Settings): readonly string[] {
  return Object.keys(settings).filter((name) => settings[name]?.[names]);
}

/** Returns the servers or gateways that the value of a setting names, or the default one if it is empty. */
export function usedBy(value: unknown): readonly string[] {
  const names = toNames(value);
  return names.length > 0 ? names : [DEFAULT_NAME];
}

/** Returns the names in the value of a setting that names one server or several. */
export function toNames(value: unknown): readonly string[] {
  const names = Array.isArray(value) ? value : [value];
  return names.filter((name) => typeof name === "string" && name !== "");
}

/** Creates what changes settings. */
function createChanges(
  deps: SettingsDeps,
  codec: SettingCodec,
  read: SettingsService["read"],
): Pick<SettingsService, "set" | "remove"> {
  const { epoch, audit, repository, platform } = deps;
  const allowReroute = createAllowReroute(deps, codec, read);
  return {
    async set(values, actor, assertReroute) {
      const rows = await Promise.all([...values].map(([name, value]) => codec.rowOf(name, value)));
      const names = rows.map(({ key }) => key);
      const before = await untilCommitted(epoch, async () => {
        const known = (await repository.find(names)).map(({ key }) => key);
        const reroute = await allowReroute(new Map(rows.map((row) => [row.key, row])), assertReroute);
        const { info } = reroute;
        const entry = auditEntry(actor, platform.now(), { success: true, fields: names.join(","), info });
        const statements = [...rows.map((row) => repository.put(row)), audit.insert(entry)];
        if ((await epoch.commit([SETTINGS], statements)) === null) return null;
        reroute.report(actor);
        return known;
      });
      return Object.fromEntries(names.map((name) => [name, before.includes(name) ? "update" : "insert"]));
    },

    remove: (name, actor, assertReroute) =>
      untilCommitted(epoch, async () => {
        const reroute = await allowReroute(new Map([[name, undefined]]), assertReroute);
        const outcome = { success: true, identifier: name, info: reroute.info };
        const entry = audit.insert(auditEntry(actor, platform.now(), outcome));
        const results = await epoch.commit([], [repository.remove(name), entry]);
        if (results === null) return null;
        reroute.report(actor);
        return results[0].rowsAffected > 0;
      }),
  };
}

/** Creates the authorization of new values of settings that name definitions or gateways. */
function createAllowReroute(
  { reroutes, pluginOf }: Pick<SettingsDeps, "reroutes" | "pluginOf">,
  { settingOf, currentValue }: SettingCodec,
  read: SettingsService["read"],
) {
  /** @param rows the new rows by name; `undefined` resets a setting. */
  return (
    rows: ReadonlyMap<string, SettingRow | undefined>,
    assertReroute: AssertReroute,
  ): Promise<Reroute> => {
    const routing = [...rows.keys()].filter((name) => {
      const { namesServer, namesGateway } = settingOf(name);
      return namesServer || namesGateway;
    });
    const change = { identifier: routing.join(","), change: routing.join(",") };
    const usage = async () => {
      const current = await read(routing);
      const changes = routing.map(async (name) => {
        const next = await currentValue(name, rows.get(name));
        return JSON.stringify(next) === JSON.stringify(current.get(name)) ? [] : [pluginOf(name)];
      });
      return { plugins: [...new Set((await Promise.all(changes)).flat())], isComplete: true };
    };
    return reroutes.allow(change, usage, assertReroute);
  };
}

/** Converts the values of settings to rows and back. */
interface SettingCodec {
  /** @throws {SealpostError} `invalid_parameter` for an unknown name. */
  settingOf(name: string): Setting;
  /** Parses a stored value. */
  parsed(name: string, row: SettingRow): Promise<v.SafeParseResult<v.GenericSchema>>;
  /** Returns the value in effect: the stored one, or the fallback if there is no row or its value is no longer valid. */
  currentValue(name: string, row: SettingRow | undefined): Promise<unknown>;
  /** Validates a value and encrypts a secret. @throws {SealpostError} `missing_parameter` or `invalid_parameter`. */
  rowOf(name: string, value: unknown): Promise<SettingRow>;
}

function createSettingCodec({
  keyring,
  platform,
  settings,
  baseUrl,
}: Pick<SettingsDeps, "keyring" | "platform" | "settings" | "baseUrl">): SettingCodec {
  function settingOf(name: string): Setting {
    const setting = Object.hasOwn(settings, name) ? settings[name] : undefined;
    if (setting) return setting;
    const nearest = nearestTo(name, Object.keys(settings));
    throw invalidParameter(name, `there is no such setting; the nearest known name is ${nearest || "none"}`);
  }

  async function parsed(name: string, row: SettingRow): Promise<v.SafeParseResult<v.GenericSchema>> {
    const { schema, secret } = settingOf(name);
    const text = secret ? (await open(keyring, row.sealed, placeOf(name))).reveal() : row.value;
    return v.safeParse(schema, JSON.parse(text));
  }

  async function currentValue(name: string, row: SettingRow | undefined): Promise<unknown> {
    const { fallback } = settingOf(name);
    if (!row) return fallback;
    const result = await parsed(name, row);
    if (result.success) return result.output;
    log.warning("The stored value of {name} is no longer valid: the default is used until it is set again", {
      name,
    });
    return fallback;
  }

  async function rowOf(name: string, given: unknown): Promise<SettingRow> {
    const setting = settingOf(name);
    const { schema, secret } = setting;
    const value = coerce(schema, given);
    if (value === undefined) throw missingParameter(name);
    const text = JSON.stringify(value);
    if (!text.isWellFormed() || text.includes("\\u0000"))
      throw invalidParameter(name, "expected Unicode text without NUL");
    const result = v.safeParse(schema, value, { abortEarly: true });
    if (!result.success) throw invalidParameter(name, result.issues[0].message);
    const problem = setting.problemOf(result.output, baseUrl);
    if (problem !== null) throw invalidParameter(name, problem);
    if (!secret) return { key: name, value: text, sealed: "" };
    return { key: name, value: "", sealed: await seal(keyring, text, placeOf(name), platform) };
  }

  return { settingOf, parsed, currentValue, rowOf };
}

function placeOf(name: string) {
  return { table: "plugin_config", row: name, column: "sealed" };
}

/** Returns what an admin may see of a secret: whether it is set. */
export function censored(value: unknown): string {
  return value === "" ? "" : CENSORED;
}
