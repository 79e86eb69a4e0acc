import { getLogger } from "@logtape/logtape";
import * as v from "valibot";
import type { Platform } from "../contracts/platform.ts";
import type { ConfigKey, ConfigKeys } from "../contracts/plugin.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { CENSORED } from "../domain/secret.ts";
import { invalidParameter, missingParameter, SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { open, seal } from "../secrets/seal.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { type Epoch, SETTINGS } from "../storage/epoch.ts";
import type { SettingRow, SettingsRepository } from "../storage/settings.ts";
import { untilCommitted } from "../storage/until-committed.ts";
import { coerce } from "../wire/coerce.ts";

const log = getLogger(["sealpost", "plugin"]);

export type Settings = ReturnType<typeof createSettings>;

/** What admins may set at run time: the keys of all plugins. Nothing is kept from one call to the next. */
export function createSettings(parts: {
  readonly epoch: Epoch;
  readonly audit: AuditRepository;
  readonly repository: SettingsRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
  readonly keys: ConfigKeys;
}) {
  const { epoch, audit, repository, keyring, platform, keys } = parts;

  function keyOf(name: string): ConfigKey {
    const key = Object.hasOwn(keys, name) ? keys[name] : undefined;
    if (key) return key;
    throw invalidParameter(name, "there is no such setting");
  }

  async function heldValue(name: string, key: ConfigKey, row: SettingRow | undefined): Promise<unknown> {
    if (!row) return key.fallback;
    const text = key.secret ? (await open(keyring, row.sealed, placeOf(name))).reveal() : row.value;
    const result = v.safeParse(key.schema, JSON.parse(text));
    if (result.success) return result.output;
    log.warning("The setting {name} is not what it has to be any more; its default holds", { name });
    return key.fallback;
  }

  async function read(names: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const rows = await repository.find(names);
    const entries = names.map(async (name): Promise<[string, unknown]> => {
      const row = rows.find(({ key }) => key === name);
      return [name, await heldValue(name, keyOf(name), row)];
    });
    return new Map(await Promise.all(entries));
  }

  return {
    read,
    names: Object.keys(keys),

    /** What an admin may see: a secret only as far as there is one. */
    async shown(names: readonly string[]): Promise<Record<string, unknown>> {
      const values = await read(names);
      return Object.fromEntries(
        names.map((name) => {
          const value = values.get(name);
          return [name, keyOf(name).secret ? (value === "" ? "" : CENSORED) : value];
        }),
      );
    },

    /** @throws {SealpostError} `resource_not_found`. */
    known(name: string): string {
      if (Object.hasOwn(keys, name)) return name;
      throw new SealpostError("resource_not_found", "The requested Setting could not be found.");
    },

    /**
     * Stores new values, all of them or none; each is checked as a parameter of that name.
     * @returns for each key whether it was set before.
     * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first that is wrong.
     */
    async set(
      values: ReadonlyMap<string, unknown>,
      actor: AuditActor,
    ): Promise<Record<string, "insert" | "update">> {
      const rows = await Promise.all([...values].map(([name, value]) => toRow(name, value)));
      const names = rows.map(({ key }) => key);
      const entry = auditEntry(actor, platform.now(), { success: true, fields: names.join(",") });
      const before = await untilCommitted(async () => {
        const known = (await repository.find(names)).map(({ key }) => key);
        const statements = [...rows.map((row) => repository.put(row)), audit.insert(entry)];
        return (await epoch.commit([SETTINGS], statements)) && known;
      });
      return Object.fromEntries(names.map((name) => [name, before.includes(name) ? "update" : "insert"]));
    },

    /** Forgets what was set. @returns whether anything was. */
    async remove(name: string, actor: AuditActor): Promise<boolean> {
      const entry = auditEntry(actor, platform.now(), { success: true, identifier: name });
      const [removed] = await untilCommitted(() =>
        epoch.commit([], [repository.remove(name), audit.insert(entry)]),
      );
      return removed.rowsAffected > 0;
    },
  };

  async function toRow(name: string, given: unknown): Promise<SettingRow> {
    const { schema, secret } = keyOf(name);
    const value = coerce(schema, given);
    if (value === undefined) throw missingParameter(name);
    const text = JSON.stringify(value);
    if (!text.isWellFormed() || text.includes("\\u0000"))
      throw invalidParameter(name, "expected Unicode text without NUL");
    const result = v.safeParse(schema, value, { abortEarly: true });
    if (!result.success) throw invalidParameter(name, result.issues[0].message);
    if (!secret) return { key: name, value: text, sealed: "" };
    return { key: name, value: "", sealed: await seal(keyring, text, placeOf(name), platform) };
  }
}

function placeOf(name: string) {
  return { table: "plugin_config", row: name, column: "sealed" };
}
