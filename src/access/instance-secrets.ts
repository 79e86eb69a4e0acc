import type { Database, RowsStatement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import { BoundedCache } from "../domain/cache.ts";
import type { Secret } from "../domain/secret.ts";
import { SealpostError } from "../errors.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { open, type SealContext, seal } from "../secrets/seal.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import {
  createInstanceSecretRepository,
  type InstanceSecretRepository,
} from "../storage/instance-secrets.ts";
import type { SealedRepository } from "../storage/sealed-values.ts";

/** Decrypts only with the keys of this database. */
export const KEY_CHECK = "key_check";
const KEY_CHECK_TEXT = "sealpost";
const TOKEN_SECRET = "token_secret";
const TOKEN_SECRET_BYTES = 32;
/** The token secret before its first renewal, kept for the keyed hashes that are stored. */
const MAC_SECRET = "mac_secret";
/** Prefix of the keys of code hashes, one for each plugin. */
const CODE_KEYS = "pepper ";

interface KeyIdRow {
  readonly id: string;
}
export interface SecretRow {
  readonly name: string;
  readonly value: string;
}

/** Secrets that belong to the database: the check of its keys, the key of admin tokens and those of plugins. */
export interface InstanceSecrets {
  /** Returns the selects for {@link start}, which can share a round trip with others. */
  selects(): readonly [keyIds: RowsStatement<KeyIdRow>, secrets: RowsStatement<SecretRow>];
  /**
   * Checks the keys and decrypts the token secret; on a new database, creates both. Several processes may do it
   * concurrently.
   * @throws {SealpostError} `bad_setting` if a key is missing or differs from the one in use.
   */
  start(rows: readonly [keyIds: readonly KeyIdRow[], secrets: readonly SecretRow[]]): Promise<void>;
  /** Returns the random secret of this name, and creates it on first use. Ask again for each use: it may be renewed. */
  secret(name: string, bytes: number): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * Deletes the token secret and the keys of code hashes: outstanding admin tokens and codes are void in every process that
   * starts later, and in this one after {@link reload}. PIN hashes keep their key.
   */
  renewTokens(actor: AuditActor): Promise<void>;
  /** Reads the secrets again, and creates those that were deleted. */
  reload(): Promise<void>;
  /** @throws if the database is unavailable or the keys do not decrypt its values. */
  checkKeys(): Promise<void>;
  /** HMAC-SHA-256, to sign and verify admin tokens. */
  tokenKey(): CryptoKey;
  /** Returns a keyed hash in hex. A copy of the database alone is not enough to guess the text. */
  mac(text: string): Promise<string>;
}

interface InstanceSecretsDeps {
  readonly database: Database;
  readonly sealed: SealedRepository;
  readonly audit: AuditRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
}

export function createInstanceSecrets(deps: InstanceSecretsDeps): InstanceSecrets {
  const { database, sealed, audit, keyring, platform } = deps;
  const repository = createInstanceSecretRepository(database);
  const stored = createStoredSecrets(deps, repository);
  let storedTokenKey: CryptoKey | undefined;
  let storedMacKey: CryptoKey | undefined;

  async function assertKeys(sealedText: string | undefined): Promise<void> {
    const text = await stored.openOrCreate(KEY_CHECK, sealedText, () => KEY_CHECK_TEXT);
    if (text !== KEY_CHECK_TEXT) throw new SealpostError("unsealable", "The key check value is damaged");
  }

  const createTokenSecret = () => randomSecret(platform, TOKEN_SECRET_BYTES);

  async function loadKeys(): Promise<void> {
    const secret = await stored.readOrCreate(TOKEN_SECRET, createTokenSecret);
    storedTokenKey = await hmacKeyOf(keyring, secret);
    const macSecret = stored.known(MAC_SECRET) ? await stored.readOrCreate(MAC_SECRET, () => secret) : secret;
    storedMacKey = await hmacKeyOf(keyring, macSecret);
  }

  return {
    selects: () => [sealed.selectKeyIds(), repository.select()],

    async start([keyIds, rows]) {
      const missing = keyIds.map(({ id }) => id).filter((id) => !keyring.ids.includes(id));
      if (missing.length > 0) throw keysMissing(missing, keyring.ids);
      stored.load(rows);
      await assertKeys(stored.known(KEY_CHECK)).catch((error) => {
        throw keyDiffers(error);
      });
      await loadKeys();
    },

    secret: stored.secret,

    async renewTokens(actor) {
      const old = await repository.read(TOKEN_SECRET);
      const secret = await stored.openOrCreate(TOKEN_SECRET, old, createTokenSecret);
      await database.commit([
        repository.insert(MAC_SECRET, await seal(keyring, secret, contextOf(MAC_SECRET), platform)),
        repository.remove(TOKEN_SECRET),
        repository.removeAll(CODE_KEYS),
        audit.insert(auditEntry(actor, platform.now(), { success: true, fields: "tokens" })),
      ]);
    },

    async reload() {
      const [rows] = await database.read.batch([repository.select()]);
      stored.load(rows);
      await loadKeys();
    },

    checkKeys: async () => assertKeys(await repository.read(KEY_CHECK)),

    tokenKey: () => started(storedTokenKey),

    async mac(text) {
      // The prefix keeps the text from looking like the header of a token.
      const bytes = new TextEncoder().encode(`mac\n${text}`);
      return new Uint8Array(await crypto.subtle.sign("HMAC", started(storedMacKey), bytes)).toHex();
    },
  };
}

/** Creates what reads and creates secrets by name. */
function createStoredSecrets(
  { database, keyring, platform }: Pick<InstanceSecretsDeps, "database" | "keyring" | "platform">,
  repository: InstanceSecretRepository,
) {
  /** Sealed values as of the start or the renewal. Only re-encryption changes them. */
  let known: ReadonlyMap<string, string> = new Map();
  /** Secrets in use: values, no promises, because on Workers a promise belongs to the request that created it. */
  let opened = new Map<string, Uint8Array<ArrayBuffer>>();

  const readOrCreate = async (name: string, create: () => string) =>
    openOrCreate(name, known.get(name) ?? (await repository.read(name)), create);

  async function openOrCreate(
    name: string,
    sealedText: string | undefined,
    create: () => string,
  ): Promise<string> {
    if (sealedText !== undefined) return (await openOnce(keyring, name, sealedText)).reveal();
    await database.commit([
      repository.insert(name, await seal(keyring, create(), contextOf(name), platform)),
    ]);
    return openOrCreate(name, await repository.read(name), create);
  }

  return {
    openOrCreate,
    readOrCreate,
    known: (name: string) => known.get(name),
    load(rows: readonly SecretRow[]): void {
      known = new Map(rows.map(({ name, value }) => [name, value]));
      opened = new Map();
    },
    async secret(name: string, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
      // A renewal replaces the map, so that no call that began before it can store an old secret.
      const current = opened;
      const found = current.get(name);
      if (found) return found;
      const value = Uint8Array.fromBase64(await readOrCreate(name, () => randomSecret(platform, bytes)));
      current.set(name, value);
      return value;
    },
  };
}

/** The secrets that a keyring has decrypted last, by name. */
const decrypted = new WeakMap<
  Keyring,
  Map<string, { readonly sealedText: string; readonly secret: Secret }>
>();

/** Decrypts a secret, unless an earlier instance with this keyring has: an isolate creates its object again and again. */
async function openOnce(keyring: Keyring, name: string, sealedText: string): Promise<Secret> {
  const known = decrypted.get(keyring) ?? new Map();
  decrypted.set(keyring, known);
  const found = known.get(name);
  if (found?.sealedText === sealedText) return found.secret;
  const secret = await open(keyring, sealedText, contextOf(name));
  known.set(name, { sealedText, secret });
  return secret;
}

function contextOf(name: string): SealContext {
  return { table: "instance", row: name, column: "value" };
}

/** Returns random bytes as base64. */
function randomSecret({ randomBytes }: Platform, bytes: number): string {
  return randomBytes(bytes).toBase64();
}

/** Whether the keys decrypt a secret of an instance. None is empty. */
export async function opensSecret(keyring: Keyring, { name, value }: SecretRow): Promise<boolean> {
  if (value === "") return false;
  return open(keyring, value, contextOf(name)).then(
    (text) => name !== KEY_CHECK || text.reveal() === KEY_CHECK_TEXT,
    () => false,
  );
}

function started(key: CryptoKey | undefined): CryptoKey {
  if (key) return key;
  throw new SealpostError("internal", "start() must run before the first request");
}

/** The latest HMAC keys of a keyring by their secrets. */
const hmacKeys = new WeakMap<Keyring, BoundedCache<CryptoKey>>();
/** Those of admin tokens and of keyed hashes. */
const MAX_HMAC_KEYS = 2;

/** Returns the key, which an earlier instance may have imported as well. @param secret base64. */
async function hmacKeyOf(keyring: Keyring, secret: string): Promise<CryptoKey> {
  const known = hmacKeys.get(keyring) ?? new BoundedCache<CryptoKey>(MAX_HMAC_KEYS);
  hmacKeys.set(keyring, known);
  const found = known.get(secret);
  if (found !== undefined) return found;
  const bytes = Uint8Array.fromBase64(secret);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes, algorithm, false, ["sign", "verify"]);
  known.set(secret, key);
  return key;
}

function keysMissing(missing: readonly string[], given: readonly string[]): SealpostError {
  const names = missing.map((id) => `"${id}"`).join(", ");
  const message = `SEALPOST_KEYS: this database is encrypted with key ${names}, which is not among the given keys (${given.join(", ")}): add it here or in the key file`;
  return new SealpostError("bad_setting", message, { parameter: "SEALPOST_KEYS" });
}

/** The error of a key check that cannot be decrypted, though a key of its ID is given. */
function keyDiffers(error: unknown): unknown {
  if (!(error instanceof SealpostError) || error.code !== "unsealable") return error;
  const message =
    "SEALPOST_KEYS: the key of this ID is not the one that encrypted this database: use the keys that were in use, here or in the key file";
  return new SealpostError("bad_setting", message, { parameter: "SEALPOST_KEYS", cause: error });
}
