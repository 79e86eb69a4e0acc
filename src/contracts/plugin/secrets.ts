import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { Context } from "hono";
import type { Secret } from "../../domain/secret.ts";
import type { Env } from "../env.ts";

/** Columns of one table that hold values encrypted with `seal`. A key rotation re-encrypts the columns listed here. */
export interface SealedColumns {
  /** The column that identifies the row and never changes: a text created before the insert, such as `random.id()`. */
  readonly row: SQLiteColumn;
  readonly columns: readonly SQLiteColumn[];
}

export interface PasswordOptions {
  /** The request that needs the hash. Its client takes turns with others, and no hash starts after it disconnects. */
  readonly request?: Context<Env>;
}

/** Encrypts and hashes. */
export interface PluginSecrets {
  /** HMAC-SHA-256 as 43 characters of base64url, keyed with a random secret of this plugin in this database. */
  mac(text: string): Promise<string>;
  /**
   * Short secrets that rate limits protect, such as PINs: cheap to check, and useless without a secret of this database.
   * Use `password` for passwords.
   */
  readonly pin: {
    /** @returns a text to store. @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes. */
    hash(pin: string): Promise<string>;
    /** Takes as long and returns false for `null` (no such user) and for another kind of hash. */
    verify(pin: string, stored: string | null): Promise<boolean>;
  };
  /** Passwords. Few are hashed at a time, and clients take turns: pass the request where there is one. */
  readonly password: {
    /**
     * Rejects a new password that is too short (8 characters, or more if `minCharacters` says so), among the 10,000 most
     * used, or the name of its user. Check it before a code or an attempt is used up.
     * @throws {SealpostError} `invalid_parameter` for `password`.
     */
    assertAllowed(
      password: string,
      purpose: { readonly username: string; readonly minCharacters?: number },
    ): Promise<void>;
    /** @returns a PHC string. @throws {SealpostError} `invalid_parameter` for more than 1,024 bytes; `busy` if too many wait. */
    hash(password: string, options?: PasswordOptions): Promise<string>;
    /**
     * Takes as long and returns `ok: false` for `null` (no such user).
     * @throws {SealpostError} `busy` if too many wait.
     */
    verify(
      password: string,
      phc: string | null,
      options?: PasswordOptions,
    ): Promise<{ readonly ok: boolean; readonly rehash: boolean }>;
  };
  /**
   * Encrypts a text, bound to its row and column. An empty text stays empty.
   * @throws {TypeError} for a column that is not listed in `sealed`.
   */
  seal(column: SQLiteColumn, row: string, text: string): Promise<string>;
  /** Decrypts it. @throws {SealpostError} `unsealable`. */
  open(column: SQLiteColumn, row: string, sealed: string): Promise<Secret>;
}
