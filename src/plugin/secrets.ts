import { getTableName } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Platform } from "../contracts/platform.ts";
import type { PluginContext, SealedColumns } from "../contracts/plugin.ts";
import type { Keyring } from "../secrets/keyring.ts";
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
}): Pick<PluginContext, "mac" | "seal" | "open"> {
  const { plugin, sealed, keyring, platform } = parts;
  let kept: CryptoKey | undefined;

  async function pepper(): Promise<CryptoKey> {
    if (kept) return kept;
    const bytes = Uint8Array.fromBase64(await parts.secret(`pepper ${plugin}`, PEPPER_BYTES));
    // Kept when it is there and not before: on Workers one request must not wait for what another has begun.
    kept = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    return kept;
  }

  function placeOf(column: SQLiteColumn, row: string): SealContext {
    const isSealed = sealed.some(({ columns }) => columns.includes(column));
    if (isSealed) return { table: getTableName(column.table), row, column: column.name };
    throw new TypeError(`The column "${column.name}" is not among those that ${plugin} names in "sealed"`);
  }

  return {
    async mac(text) {
      const hash = await crypto.subtle.sign("HMAC", await pepper(), new TextEncoder().encode(text));
      return new Uint8Array(hash).toBase64({ alphabet: "base64url", omitPadding: true });
    },
    seal: async (column, row, text) => seal(keyring, text, placeOf(column, row), platform),
    open: async (column, row, text) => open(keyring, text, placeOf(column, row)),
  };
}
