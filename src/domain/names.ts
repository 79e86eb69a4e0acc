/** The name of an admin, unique in its realm. */
export interface AdminName {
  readonly username: string;
  /** Empty for local admins. */
  readonly realm: string;
}

/** The longest name that a login accepts. */
const MAX_ADMIN_NAME_CHARACTERS = 255;
/** The form of names for which {@link isAdminName} is true. */
export const ADMIN_NAME_FORM = `1 to ${MAX_ADMIN_NAME_CHARACTERS} characters, no control characters, no blank at either end`;

/** Whether an admin, or a realm of admins, may have this name: one that people can type and recognize in a list. */
export function isAdminName(text: string): boolean {
  const isPlain = text.trim() === text && !/\p{Cc}/u.test(text);
  return text !== "" && isPlain && text.length <= MAX_ADMIN_NAME_CHARACTERS;
}

/** Returns `username`, or `username@realm` for an admin of a realm. */
export function displayName({ username, realm }: AdminName): string {
  return realm === "" ? username : `${username}@${realm}`;
}

/** Most names. The long way of folding would only change their letter case, and take several times as long. */
const ASCII = /^[\x20-\x7e]*$/;

/**
 * Folds letter case, width and composition (NFKC): names that people cannot tell apart have the same key. Names are unique
 * by it, and looked up by it.
 */
export function nameKey(name: string): string {
  if (ASCII.test(name)) return name.toLowerCase();
  // ẞ (U+1E9E) becomes "ss", as ß does, only from its small form.
  return name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");
}

/** A user as a client names them. `user` may be `user@realm`, and `realm` is empty if the client sends none. */
export interface GivenName {
  readonly user: string;
  readonly realm: string;
}

interface LookupName {
  readonly username: string;
  /** Absent for the default one, which always exists. */
  readonly realm?: string;
}

/** The name of a user, and another one that is used if the realm of the first does not exist. */
export type LookupNames = readonly [LookupName] | readonly [LookupName, otherwise: LookupName];

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
