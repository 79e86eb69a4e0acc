import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Keyring } from "../secrets/keyring.ts";
import { keyIdOf, open, seal } from "../secrets/seal.ts";
import type { SealedRepository } from "../storage/sealed-values.ts";

export interface RekeyResult {
  /** Values now sealed with the first key that were not before. */
  readonly resealed: number;
  /** Values that were sealed with the first key already. */
  readonly current: number;
}

/**
 * Seals every value with the first key of the ring. Each value is its own transaction, so it can be interrupted and
 * run again, and a value that somebody changes meanwhile is left to them (they seal with the first key too).
 * @throws {SealpostError} `unsealable` for a value that no key opens.
 */
export async function rekey(parts: {
  readonly database: Database;
  readonly sealed: SealedRepository;
  readonly keyring: Keyring;
  readonly platform: Platform;
}): Promise<RekeyResult> {
  const { database, sealed, keyring, platform } = parts;
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
