import type { SQL } from "drizzle-orm";
import type { LookupNames } from "../domain/names.ts";
import type { SelectStatement, Statement } from "./database.ts";

/** Identifies a user. The same name may exist in several realms. */
export interface UserName {
  readonly username: string;
  readonly realm: string;
}

/** A user in a directory. Unknown fields are empty. */
export interface DirectoryUser extends UserName {
  /** Permanent, and never reused for another user. */
  readonly id: string;
  readonly email: string;
  /** As the directory writes it, with or without `+`. */
  readonly phone: string;
  readonly givenname: string;
  readonly surname: string;
  /** Certificate to which mail for the address is encrypted, as PEM text. Absent or empty if there is none. */
  readonly certificate?: string;
}

/** A user to create. */
export interface NewUser extends DirectoryUser {
  /** PHC string from `secrets.password.hash`. If empty, the user cannot log in until a password is set. */
  readonly passwordHash: string;
}

/**
 * The users that plugins work with. The plugin `directory` keeps them in Sealpost's database. A host app provides its own
 * with a plugin that has `provides: ["directory"]`.
 */
export interface Directory {
  /** Only for a directory in Sealpost's own database: plugins then read a user in one batch with other rows. */
  readonly lookup?: DirectoryLookup;
  /** Realm of users that are named without one. */
  readonly defaultRealm: string;
  /** @param name without `realm`, the default one is used. */
  find(name: { readonly username: string; readonly realm?: string }): Promise<DirectoryUser | null>;
  /** Finds all users with this address, in any letter case and any realm. */
  findByAddress(email: string): Promise<readonly DirectoryUser[]>;
  /** Lists users by realm and name, of one realm if it is given. */
  list(filter?: { readonly realm?: string }): Promise<readonly DirectoryUser[]>;
  /** Returns another attribute of a user by the directory's own name for it, such as `mobile`. Returns an empty text if it is unknown. */
  attribute(user: UserName, name: string): Promise<string>;
  /** Takes as long for an unknown user and for a user without a password. */
  verifyPassword(user: UserName, password: string): Promise<boolean>;
  /**
   * Sets a password.
   * @param also statements to commit with the password, all or nothing. An external directory sets the password first and
   * commits them afterwards.
   * @returns false if the user does not exist, or the directory does not support it. Then nothing was done.
   */
  setPassword(user: UserName, password: string, also?: readonly Statement[]): Promise<boolean>;
  /**
   * Creates a user. With the `id` of an existing user it changes nothing and succeeds, so that it can be repeated after a
   * crash.
   * @param also as in {@link Directory.setPassword}.
   * @returns false if another user has this name in this realm. Then nothing was done, including `also`.
   */
  create(user: NewUser, also?: readonly Statement[]): Promise<boolean>;
  /** Removes a user. @returns whether it existed. */
  remove(user: UserName): Promise<boolean>;
}

/** Reads a user as part of other statements, which can be prepared. */
export interface DirectoryLookup {
  /**
   * The ID of a user by name, as an expression with placeholders. NULL if the user does not exist. The names of the
   * placeholders begin with `lookup`, so that those of the statement around it are others.
   */
  readonly id: SQL;
  /** Returns the values of the placeholders in {@link DirectoryLookup.id}. */
  values(names: LookupNames): Readonly<Record<string, string>>;
  /** Selects a user by an expression for the ID. Takes as long if the user does not exist. */
  select(id: SQL): SelectStatement<unknown>;
  /** Returns the selected user. @param rows the result of {@link DirectoryLookup.select}. */
  user(rows: unknown): DirectoryUser | null;
  /** Finds names that look alike. */
  readonly lookAlikes?: DirectoryLookAlikes;
}

/** Users by what their names look like. */
export interface DirectoryLookAlikes {
  /** Computes what is missing: users that an earlier version has stored have no key yet. */
  prepare(): Promise<void>;
  /**
   * Whether a user of the realm has a name that looks like one of these keys, as an expression.
   * @param keys those of `lookAlikeKeys`.
   * @param except the ID of a user that does not count.
   */
  exists(realm: string, keys: readonly string[], except?: string): SQL;
}
