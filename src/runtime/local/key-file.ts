import { link, readFile, rm, writeFile } from "node:fs/promises";
import type { Platform } from "../../contracts/platform.ts";
import { generateKey } from "../../secrets/keyring.ts";

/** Only the owner may read the keys. */
const KEY_FILE_MODE = 0o600;
/** Two databases made by accident do not share a key id, so a wrong key file is told by name. */
const KEY_ID_BYTES = 4;

/** The keys in the key file, in the form of `SEALPOST_KEYS` or one a line; null if there is no file. */
export async function readKeyFile(path: string): Promise<string | null> {
  try {
    const lines = (await readFile(path, "utf8")).split("\n").map((line) => line.trim());
    return lines.filter((line) => line !== "").join(",");
  } catch (error) {
    if (isFileError(error, "ENOENT")) return null;
    throw error;
  }
}

/**
 * Makes a key file with one fresh key. Of several processes one wins, whole: the file appears under its name only
 * when it is written, and never replaces another.
 * @returns the text of the file that is there in the end.
 */
export async function makeKeyFile(path: string, platform: Platform): Promise<string> {
  const id = platform.randomBytes(KEY_ID_BYTES).toHex();
  const draft = `${path}.${id}`;
  try {
    await writeFile(draft, `${generateKey(id, platform)}\n`, {
      mode: KEY_FILE_MODE,
      flag: "wx",
      flush: true,
    });
    await link(draft, path);
  } catch (error) {
    if (!isFileError(error, "EEXIST")) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return (await readKeyFile(path)) ?? "";
}

export function isFileError(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
