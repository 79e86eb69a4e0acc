import { createHmac } from "node:crypto";
import { getTableName } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { HashCaller } from "../access/hash-pool.ts";
import type { Passwords } from "../access/passwords.ts";
import type { Platform } from "../contracts/platform.ts";
import type { PluginRandom } from "../contracts/plugin/context.ts";
import type { PasswordOptions, PluginSecrets, SealedColumns } from "../contracts/plugin/secrets.ts";
import { clientNetwork } from "../domain/network.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { hashPin, verifyPin } from "../secrets/pin.ts";
import { open, type SealContext, seal } from "../secrets/seal.ts";

const PEPPER_BYTES = 32;

/** Creates what one plugin encrypts and hashes with. */
export function createPluginSecrets(deps: {
  readonly plugin: string;
  readonly sealed: readonly SealedColumns[];
  readonly keyring: Keyring;
  readonly passwords: Passwords;
  readonly platform: Platform;
  readonly secret: (name: string, bytes: number) => Promise<Uint8Array>;
}): PluginSecrets {
  const { plugin, sealed, keyring, passwords, platform } = deps;
  const mac = createMac(`pepper ${plugin}`, deps.secret);
  // A separate pepper: replacing the other one voids issued codes, but must not void PINs.
  const pinMac = createMac(`pin pepper ${plugin}`, deps.secret);

  function placeOf(column: SQLiteColumn, row: string): SealContext {
    const isSealed = sealed.some(({ columns }) => columns.includes(column));
    if (isSealed) return { table: getTableName(column.table), row, column: column.name };
    throw new TypeError(`The column "${column.name}" is not among those that ${plugin} lists in "sealed"`);
  }

  return {
    mac,
    pin: {
      hash: (pin) => hashPin(pin, { mac: pinMac, randomBytes: platform.randomBytes }),
      verify: (pin, stored) => verifyPin(pin, stored, pinMac),
    },
    password: {
      assertAllowed: passwords.assertAllowed,
      hash: (text, options) => passwords.hash(text, callerOf(plugin, options)),
      verify: (text, phc, options) => passwords.verify(text, phc, callerOf(plugin, options)),
    },
    seal: async (column, row, text) => seal(keyring, text, placeOf(column, row), platform),
    open: async (column, row, text) => open(keyring, text, placeOf(column, row)),
  };
}

/** Names who takes turns for hashes: the client of the request or, without one, the plugin. */
function callerOf(plugin: string, { request }: PasswordOptions = {}): HashCaller {
  if (!request) return { client: `plugin ${plugin}` };
  const address = request.get("clientAddress");
  return { client: address === null ? "unknown" : clientNetwork(address), request: request.req.raw };
}

/** Creates a keyed hash. Its key is a random secret of this database, created on first use. */
function createMac(name: string, secret: (name: string, bytes: number) => Promise<Uint8Array>) {
  return async (text: string): Promise<string> => {
    const pepper = await secret(name, PEPPER_BYTES);
    // Web Crypto passes each text to another thread, which takes far longer than the hash.
    return createHmac("sha256", pepper).update(text).digest("base64url");
  };
}

/** Creates random values from the platform's source. */
export function createRandom(deps: {
  readonly platform: Platform;
  readonly newId: () => string;
}): PluginRandom {
  const { randomBytes } = deps.platform;
  return { bytes: randomBytes, text: randomText, id: deps.newId };

  /** @param alphabet 2 to 256 characters of one UTF-16 unit each. */
  function randomText(length: number, alphabet: string): string {
    if (alphabet.length < 2 || alphabet.length > 256) {
      throw new TypeError("An alphabet has 2 to 256 characters");
    }
    // Skip the bytes beyond the last multiple of the length: they would favor the first characters.
    const fair = 256 - (256 % alphabet.length);
    let text = "";
    while (text.length < length) {
      for (const byte of randomBytes(length)) {
        if (byte < fair && text.length < length) text += alphabet.charAt(byte % alphabet.length);
      }
    }
    return text;
  }
}
