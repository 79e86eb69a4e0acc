/** The name of an admin, unique in its realm. */
export interface AdminName {
  readonly username: string;
  /** Empty for local admins. */
  readonly realm: string;
}

/** Returns `username`, or `username@realm` for an admin of a realm. */
export function displayName({ username, realm }: AdminName): string {
  return realm === "" ? username : `${username}@${realm}`;
}

/**
 * Folds letter case, width and composition (NFKC): names that people cannot tell apart have the same key. Names are unique
 * by it, and looked up by it.
 */
export function nameKey(name: string): string {
  // ẞ (U+1E9E) becomes "ss", as ß does, only from its small form.
  return name.normalize("NFKC").toLowerCase().toUpperCase().toLowerCase().normalize("NFKC");
}
