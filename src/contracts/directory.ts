import type { SQL } from "drizzle-orm";
import type { Statement } from "./database.ts";

/** Names one user; the same name may be in two realms. */
export interface UserName {
  readonly username: string;
  readonly realm: string;
}

/** What a directory tells of a user; what it does not know is empty. */
export interface DirectoryUser extends UserName {
  /** Stable, and never given to another user. */
  readonly id: string;
  readonly email: string;
  /** As the directory has it, with or without `+`. */
  readonly phone: string;
  readonly givenname: string;
  readonly surname: string;
}

/** A user to be made. */
export interface NewUser extends DirectoryUser {
  /** PHC string, as `ctx.password.hash` makes it; empty: none, the user cannot log in until one is set. */
  readonly passwordHash: string;
}

/**
 * The users that plugins know. The plugin `directory` keeps them in Sealpost's database; a host app brings its own by a
 * plugin with `provides: ["directory"]`.
 */
export interface Directory {
  /** Set by a directory in Sealpost's own database: then plugins read a user in one batch with other rows. */
  readonly lookup?: DirectoryLookup;
  /** Realm of users whose realm nobody says. */
  readonly defaultRealm: string;
  /** @param name `realm` may be left out: the default one. */
  find(name: { readonly username: string; readonly realm?: string }): Promise<DirectoryUser | null>;
  /** Everybody with this address, compared without regard to case, in every realm. */
  findByAddress(email: string): Promise<readonly DirectoryUser[]>;
  /** By realm and name; of one realm if it is given. */
  list(filter?: { readonly realm?: string }): Promise<readonly DirectoryUser[]>;
  /** One more thing that the directory knows of a user, by its own name for it, such as `mobile`; empty: nothing. */
  attribute(user: UserName, name: string): Promise<string>;
  /** Takes as long for a user that there is none of, and for one without a password. */
  verifyPassword(user: UserName, password: string): Promise<boolean>;
  /**
   * @param also statements that are to be committed with the password, or not at all; a directory that lies elsewhere
   * sets the password first and commits them then.
   * @returns false: there is no such user, or this directory does not let its passwords be set; nothing was done.
   */
  setPassword(user: UserName, password: string, also?: readonly Statement[]): Promise<boolean>;
  /**
   * Makes a user. Again with the same `id` it changes nothing and succeeds, so that it may be repeated after a crash.
   * @param also as in {@link Directory.setPassword}.
   * @returns false: another user has this name in this realm; nothing was done, `also` neither.
   */
  create(user: NewUser, also?: readonly Statement[]): Promise<boolean>;
  /** @returns whether there was one. */
  remove(user: UserName): Promise<boolean>;
}

/** Names one user, or several, of which the first counts that there is; `realm` may be left out: the default one. */
export type LookupNames = readonly { readonly username: string; readonly realm?: string }[];

/** Reads of a user as parts of other statements. */
export interface DirectoryLookup {
  /** Selects a user by name, or by an expression for the id. It takes as long if there is none. */
  select(by: { readonly names: LookupNames } | { readonly id: SQL }): Statement;
  /** @param rows the result of {@link DirectoryLookup.select}. */
  user(rows: unknown): DirectoryUser | null;
  /** The id of a user by name, as an expression; NULL if there is none. */
  id(names: LookupNames): SQL;
}
