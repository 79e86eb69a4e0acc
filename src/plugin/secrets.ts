import { getTableName } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Platform } from "../contracts/platform.ts";
import type { PluginContext, SealedColumns } from "../contracts/plugin.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { hashPin, verifyPin } from "../secrets/pin.ts";
import { open, type SealContext, seal } from "../secrets/seal.ts";

const PEPPER_BYTES = 32;

/** What a plugin keeps secret: values sealed in columns of its own, and texts of which it keeps a keyed hash only. */
export function createPluginSecrets(parts: {
  readonly plugin: string;
  readonly sealed: readonly SealedColumns[];
  readonly keyring: Keyring;
  readonly platform: Platform;
  /** A random secret of this database under a name, as base64. */
  readonly secret: (name: string, bytes: number) => Promise<string>;
}): Pick<PluginContext, "mac" | "pin" | "seal" | "open"> {
  const { plugin, sealed, keyring, platform } = parts;
  const mac = createMac(`pepper ${plugin}`, parts.secret);
  // A secret of its own: a new pepper voids the codes that are out, but must not void PINs.
  const macOfPin = createMac(`pin pepper ${plugin}`, parts.secret);

  function placeOf(column: SQLiteColumn, row: string): SealContext {
    const isSealed = sealed.some(({ columns }) => columns.includes(column));
    if (isSealed) return { table: getTableName(column.table), row, column: column.name };
    throw new TypeError(`The column "${column.name}" is not among those that ${plugin} names in "sealed"`);
  }

  return {
    mac,
    pin: {
      hash: (pin) => hashPin(pin, { mac: macOfPin, randomBytes: platform.randomBytes }),
      verify: (pin, stored) => verifyPin(pin, stored, macOfPin),
    },
    seal: async (column, row, text) => seal(keyring, text, placeOf(column, row), platform),
    open: async (column, row, text) => open(keyring, text, placeOf(column, row)),
  };
}

/** Creates a keyed hash. Its key is a random secret of this database, which is created when it is first needed. */
function createMac(name: string, secret: (name: string, bytes: number) => Promise<string>) {
  let kept: CryptoKey | undefined;

  async function pepper(): Promise<CryptoKey> {
    if (kept) return kept;
    const bytes = Uint8Array.fromBase64(await secret(name, PEPPER_BYTES));
    // Kept when it is there and not before: on Workers one request must not wait for what another has begun.
    kept = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return kept;
  }

  return async (text: string): Promise<string> => {
    const hash = await crypto.subtle.sign("HMAC", await pepper(), new TextEncoder().encode(text));
    return new Uint8Array(hash).toBase64({ alphabet: "base64url", omitPadding: true });
  };
}
