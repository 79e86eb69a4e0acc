import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { open, seal } from "../secrets/seal.ts";
import type { InstanceSecretRepository } from "../storage/instance-secrets.ts";
import type { SealedRepository } from "../storage/sealed-values.ts";

/** Opens if the keys are those that sealed this database. */
const KEY_CHECK = "key_check";
const KEY_CHECK_TEXT = "sealpost";
const TOKEN_SECRET = "token_secret";
const TOKEN_SECRET_BYTES = 32;

/** Rows that {@link createInstanceSecrets} starts with. */
export type InstanceSecretRows = readonly [
  keyIds: readonly { readonly id: string }[],
  secrets: readonly { readonly name: string; readonly value: string }[],
];

/** What this database holds about itself: the proof that the keys fit, and the secret that signs tokens. */
export function createInstanceSecrets(parts: {
  readonly database: Database;
  readonly repository: InstanceSecretRepository;
  readonly sealed: SealedRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
}) {
  const { database, repository, sealed, keyring, platform } = parts;
  let tokenKey: CryptoKey | undefined;
  /** As they were at the start, sealed; they do not change, but for the key that seals them. */
  let known: ReadonlyMap<string, string> = new Map();

  const readOrMake = async (name: string, make: () => string) =>
    openOrMake(name, known.get(name) ?? (await repository.read(name)), make);

  async function openOrMake(name: string, stored: string | undefined, make: () => string): Promise<string> {
    const context = { table: "instance", row: name, column: "value" };
    if (stored !== undefined) return (await open(keyring, stored, context)).reveal();
    await database.commit([repository.insert(name, await seal(keyring, make(), context, platform))]);
    return openOrMake(name, await repository.read(name), make);
  }

  async function checkKeys(stored: string | undefined): Promise<void> {
    const text = await openOrMake(KEY_CHECK, stored, () => KEY_CHECK_TEXT);
    if (text !== KEY_CHECK_TEXT) throw new SealpostError("unsealable", "The sealed check value is damaged");
  }

  function secretKey(): CryptoKey {
    if (tokenKey) return tokenKey;
    throw new SealpostError("internal", "start() has to run before the first request");
  }

  return {
    /** Selects for {@link start}, which can share a round trip with others. */
    selects: () => [sealed.selectKeyIds(), repository.select()] as const,

    /**
     * Checks the keys and opens the token secret; on a new database, makes both. Several processes may do it at once.
     * @throws {SealpostError} `bad_setting` if a key is missing or is not the one that sealed.
     */
    async start([keyIds, rows]: InstanceSecretRows): Promise<void> {
      const missing = keyIds.map(({ id }) => id).filter((id) => !keyring.ids.includes(id));
      if (missing.length > 0) throw keysMissing(missing, keyring.ids);
      known = new Map(rows.map(({ name, value }) => [name, value]));
      await checkKeys(known.get(KEY_CHECK)).catch((error) => {
        throw asSetting(error);
      });
      const secret = await readOrMake(TOKEN_SECRET, () =>
        platform.randomBytes(TOKEN_SECRET_BYTES).toBase64(),
      );
      const usages: ("sign" | "verify")[] = ["sign", "verify"];
      const algorithm = { name: "HMAC", hash: "SHA-256" };
      tokenKey = await crypto.subtle.importKey(
        "raw",
        Uint8Array.fromBase64(secret),
        algorithm,
        false,
        usages,
      );
    },

    /** A random secret under this name, as base64; made when it is asked for first. */
    secret: (name: string, bytes: number) => readOrMake(name, () => platform.randomBytes(bytes).toBase64()),

    /** Whether the database answers and the keys open it. */
    checkKeys: async () => checkKeys(await repository.read(KEY_CHECK)),

    tokenKey: secretKey,

    /** A keyed hash, in hex: whoever has the database alone cannot guess what was hashed. */
    async mac(text: string): Promise<string> {
      // No text of ours looks like the header of a token.
      const bytes = new TextEncoder().encode(`mac\n${text}`);
      return new Uint8Array(await crypto.subtle.sign("HMAC", secretKey(), bytes)).toHex();
    },
  };
}

function keysMissing(missing: readonly string[], given: readonly string[]): SealpostError {
  const names = missing.map((id) => `"${id}"`).join(", ");
  const message = `SEALPOST_KEYS: this database is sealed with key ${names}, which is not among the given (${given.join(", ")}); add it here or in the key file`;
  return new SealpostError("bad_setting", message, { parameter: "SEALPOST_KEYS" });
}

function asSetting(error: unknown): unknown {
  if (!(error instanceof SealpostError) || error.code !== "unsealable") return error;
  return new SealpostError("bad_setting", `SEALPOST_KEYS: ${error.message}`, {
    parameter: "SEALPOST_KEYS",
    cause: error,
  });
}
