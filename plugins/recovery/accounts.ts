import {
  addressKey,
  type Directory,
  type DirectoryUser,
  nameKey,
  type PluginContext,
  parseAddress,
  type UserName,
} from "sealpost/plugin";

/** Whom a request means, as far as there is such a user. */
export interface Account {
  readonly name: UserName;
  readonly found: DirectoryUser | null;
  /** Keyed hash under which its code is kept; there is one for a name that nobody has, too. */
  readonly key: string;
}

/** Bound to the user's id: two names may look alike to us and not to a directory. */
export async function findAccount(
  { secrets: { mac } }: Pick<PluginContext, "secrets">,
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

/**
 * So many characters at its beginning say which code is meant: what begins otherwise is no try of it, or anybody could
 * void the code of a user by the name alone. Eight of the alphabet are 46 bits, which nobody guesses in its time.
 */
const BEGINNING_CHARACTERS = 8;

/** What is kept of a code: keyed hashes, good for its account alone. */
export interface CodeHash {
  readonly beginning: string;
  readonly whole: string;
}

export async function hashCode(
  { secrets: { mac } }: Pick<PluginContext, "secrets">,
  { key }: Account,
  code: string,
): Promise<CodeHash> {
  const beginning = code.slice(0, BEGINNING_CHARACTERS);
  return {
    beginning: await mac(JSON.stringify(["beginning", key, beginning])),
    whole: await mac(JSON.stringify(["code", key, code])),
  };
}

/** How the audit log names an account. */
export function identifierOf({ name }: Pick<Account, "name">): string {
  return `${name.username}@${name.realm}`;
}

/**
 * Gives the answer of some work when so much time has gone by, and no sooner: what is left of a difference between a
 * user whom there is and one whom there is not, as in a directory far away, stays below it.
 */
export async function noSooner<T>(leastMs: number, work: () => Promise<T>): Promise<T> {
  const time = leastMs > 0 ? new Promise<void>((resolve) => setTimeout(resolve, leastMs)) : undefined;
  const [outcome] = await Promise.allSettled([work(), time]);
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}
