import type { Directory, DirectoryUser } from "../contracts/directory.ts";
import type { PluginStore } from "../contracts/plugin/store.ts";
import { type GivenName, lookupNames } from "../domain/names.ts";

/** Finds a user as a client names them. Takes as long for an unknown user. */
export type FindUser = (given: GivenName) => Promise<DirectoryUser | null>;

/** Creates `findUser`. A directory in this database is read by one statement, another one is asked for each name. */
export function createFindUser(
  { read, prepare }: Pick<PluginStore, "read" | "prepare">,
  directory: Directory,
): FindUser {
  const { lookup } = directory;
  if (lookup) {
    const select = prepare(() => lookup.select(lookup.id));
    return async (given) => {
      const [rows] = await read.batch([select(lookup.values(lookupNames(given)))]);
      return lookup.user(rows);
    };
  }
  return async (given) => {
    // Which realms another directory has is not known.
    const found = await Promise.all(lookupNames(given).map((name) => directory.find(name)));
    return found.findLast((user) => user !== null) ?? null;
  };
}
