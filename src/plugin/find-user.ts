import type { Directory, DirectoryUser, LookupNames } from "../contracts/directory.ts";
import type { PluginStore } from "../contracts/plugin/store.ts";
import { nameKey } from "../domain/names.ts";

/** A user as a client names them. `user` may be `user@realm`, and `realm` is empty if the client sends none. */
export interface GivenName {
  readonly user: string;
  readonly realm: string;
}

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

/**
 * Returns the names to look up. `user@realm` is parted at its last `@` if that realm exists. With a realm it is parted
 * only if both are the same.
 */
export function lookupNames({ user, realm }: GivenName): LookupNames {
  const at = user.lastIndexOf("@");
  const parted = { username: user.slice(0, at), realm: user.slice(at + 1) };
  if (realm !== "") {
    const isSame = at > 0 && nameKey(parted.realm) === nameKey(realm);
    return [isSame ? parted : { username: user, realm }];
  }
  return at < 1 || parted.realm === "" ? [{ username: user }] : [parted, { username: user }];
}
