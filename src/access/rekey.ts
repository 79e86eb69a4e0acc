import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { keyIdOf, open, seal } from "../secrets/seal.ts";
import type { SealedRepository } from "../storage/sealed-values.ts";

export interface RekeyResult {
  /** Values that were re-encrypted with the first key. */
  readonly resealed: number;
  /** Values that were already encrypted with the first key. */
  readonly current: number;
}

/**
 * Re-encrypts every value with the first key of the ring. Each value is its own transaction, so an interrupted run can
 * be repeated. A value that another request changes is skipped, because that request uses the first key.
 * @throws {SealpostError} `unsealable` for a value that no key decrypts.
 */
export async function rekey(deps: {
  readonly database: Database;
  readonly sealed: SealedRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
}): Promise<RekeyResult> {
  const { database, sealed, keyring, platform } = deps;
  let resealed = 0;
  let current = 0;
  for await (const found of sealed.values()) {
    if (keyIdOf(found.value) === keyring.sealingId) {
      current++;
      continue;
    }
    const text = await open(keyring, found.value, found);
    const value = await seal(keyring, text.reveal(), found, platform);
    await database.commit([sealed.replace(found, value)]);
    resealed++;
  }
  return { resealed, current };
}
