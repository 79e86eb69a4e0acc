import {
  addressKey,
  createFindUser,
  type Directory,
  type DirectoryUser,
  type GivenName,
  lookupNames,
  nameKey,
  type PluginContext,
  parseAddress,
  type UserName,
} from "sealpost/plugin";

/** The account that a request names, whether it exists or not. */
export interface Account {
  /** As the directory has it if the user exists. */
  readonly name: UserName;
  readonly found: DirectoryUser | null;
  /** Keyed hash that identifies the account; a name without a user has one as well. */
  readonly key: string;
}

/** Finds an account. Its key comes from the user's ID, because a directory may tell names apart that fold to the same. */
export type FindAccount = (given: GivenName) => Promise<Account>;

export function createFindAccount({
  store,
  secrets: { mac },
  directory,
}: Pick<PluginContext, "store" | "secrets"> & { readonly directory: Directory }): FindAccount {
  const findUser = createFindUser(store, directory);
  return async (given) => {
    const [{ username, realm = directory.defaultRealm }] = lookupNames(given);
    const found = await findUser(given);
    const name = found ?? { username, realm };
    const key = found ? ["user", found.id] : ["nobody", nameKey(name.username), nameKey(name.realm)];
    return { name, found, key: await mac(JSON.stringify(key)) };
  };
}

/** Returns the address in the directory if it matches the given one; otherwise `null`. */
export function addressOf({ found }: Account, given: string): string | null {
  const address = parseAddress(found?.email ?? "");
  return address !== null && addressKey(address) === addressKey(given) ? address : null;
}

/**
 * Only an input that starts like the code counts as an attempt. Otherwise anyone who knows a name could void its code.
 * Eight characters of the alphabet are 46 bits, which cannot be guessed while the code is valid.
 */
const BEGINNING_CHARACTERS = 8;

/** The stored form of a code: keyed hashes, bound to its account. */
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

/** Returns the event data of an account. */
export function eventDataOf({ name: { username, realm } }: Pick<Account, "name">) {
  return { user: username, realm };
}

/** Name of an account in the audit log. */
export function identifierOf({ name }: Pick<Account, "name">): string {
  return `${name.username}@${name.realm}`;
}

/**
 * Returns the result of `work` after at least `minMs`, so that timing does not reveal whether the user exists, even if the
 * directory is far away.
 */
export async function withMinimumDuration<T>(minMs: number, work: () => Promise<T>): Promise<T> {
  const time = minMs > 0 ? new Promise<void>((resolve) => setTimeout(resolve, minMs)) : undefined;
  const [outcome] = await Promise.allSettled([work(), time]);
  if (outcome.status === "rejected") throw outcome.reason;
  return outcome.value;
}
