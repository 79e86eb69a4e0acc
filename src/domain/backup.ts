/** The form of a portable backup. A reader accepts only this one. */
export const BACKUP_FORMAT = 1;

/** One value of a row. A number is an integer; other values that JSON does not have name their kind. */
export type BackupValue =
  | null
  | string
  | number
  | { readonly integer: string }
  | { readonly real: number | "Infinity" | "-Infinity" }
  | { readonly blob: string }
  /** Base64 of a text with a NUL, which the parameters of a call must not have. */
  | { readonly text: string };
/** The values of one row, in the order of the columns. */
export type BackupRow = readonly BackupValue[];

/** A migration as the database has recorded it. */
export interface AppliedMigration {
  readonly name: string;
  /** SHA-256 of its text, in hex. */
  readonly hash: string;
  /** Milliseconds since the Unix epoch. */
  readonly appliedAt: number;
}

export interface BackupTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Number of rows. */
  readonly rows: number;
  /** The last ID that was given, where none is given again. Absent in backups of older versions. */
  readonly lastId?: number | null | undefined;
}

/** The start of a backup: all that decides whether an instance can take its rows. */
export interface BackupHeader {
  readonly sealpost: typeof BACKUP_FORMAT;
  /** Version of Sealpost that wrote the backup. */
  readonly version: string;
  readonly migrations: readonly AppliedMigration[];
  /** IDs of the keys that encrypt its secrets. */
  readonly keys: readonly string[];
  /** A sealed value that only the keys of the instance decrypt. Empty if the instance never started. */
  readonly keyCheck: string;
  readonly tables: readonly BackupTable[];
}

/** Part of the rows of one table. */
export interface BackupPage {
  readonly rows: readonly BackupRow[];
  /** Where the next page starts; `null` after the last. */
  readonly next: number | null;
}

/** An instance that is backed up. */
export interface BackupSource {
  /** Keeps a consistent copy of all tables until {@link end}, or until another backup begins. */
  begin(): Promise<{ readonly id: string; readonly header: BackupHeader }>;
  /** @throws {SealpostError} `conflict` if another backup has begun meanwhile. */
  page(id: string, table: BackupTable, start: number): Promise<BackupPage>;
  end(id: string): Promise<void>;
}

export interface RestoreOptions {
  /** Whether an instance that has data loses it. */
  readonly replace: boolean;
}

/** The result of a restore. */
export interface Restored {
  /** Messages that wait until the queue is released. */
  readonly held: number;
}

/** An instance that takes the data of a backup. Until {@link finish} resolves, it has its own data. */
export interface RestoreTarget {
  /**
   * Checks that this instance can take the backup.
   * @returns the ID of the restore.
   * @throws {SealpostError} `conflict`, one line that says what to do.
   */
  begin(header: BackupHeader, options: RestoreOptions): Promise<string>;
  insert(id: string, table: BackupTable, rows: readonly BackupRow[]): Promise<void>;
  /** Puts the data in place, in one commit, and holds its queued mail. */
  finish(id: string, header: BackupHeader, options: RestoreOptions): Promise<Restored>;
}
