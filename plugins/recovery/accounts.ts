import {
  addressKey,
  type Directory,
  type DirectoryUser,
  nameKey,
  type PluginContext,
  parseAddress,
  type UserName,
} from "sealpost";

/** Whom a request means, as far as there is such a user. */
export interface Account {
  readonly name: UserName;
  readonly found: DirectoryUser | null;
  /** Keyed hash under which its code is kept; there is one for a name that nobody has, too. */
  readonly key: string;
}

/** Bound to the user's id: two names may look alike to us and not to a directory. */
export async function findAccount(
  { mac }: Pick<PluginContext, "mac">,
  directory: Directory,
  given: { readonly user: string; readonly realm: string },
): Promise<Account> {
  const name = { username: given.user, realm: given.realm || directory.defaultRealm };
  const found = await directory.find(name);
  const key = found ? ["user", found.id] : ["nobody", nameKey(name.username), nameKey(name.realm)];
  return { name, found, key: await mac(JSON.stringify(key)) };
}

/** The address that a code may go to: the one that the directory has, if it is the given one. */
export function addressOf({ found }: Account, given: string): string | null {
  const address = parseAddress(found?.email ?? "");
  return address !== null && addressKey(address) === addressKey(given) ? address : null;
}

/** The keyed hash of a code, good for its account alone. */
export function hashCode(
  { mac }: Pick<PluginContext, "mac">,
  { key }: Account,
  code: string,
): Promise<string> {
  return mac(JSON.stringify(["code", key, code]));
}

/** How the audit log names an account. */
export function identifierOf({ name }: Pick<Account, "name">): string {
  return `${name.username}@${name.realm}`;
}
