import * as v from "valibot";
import { BACKUP_FORMAT } from "../domain/backup.ts";

/** Names become part of statements. */
const name = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_]*$/), v.maxLength(100));
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const MAX_DATE_MS = 8.64e15;
const date = v.pipe(count, v.maxValue(MAX_DATE_MS));
const hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const value = v.union([
  v.null(),
  v.string(),
  v.pipe(v.number(), v.safeInteger()),
  v.strictObject({ integer: v.pipe(v.string(), v.regex(/^-?\d{1,19}$/)) }),
  v.strictObject({ real: v.union([v.number(), v.picklist(["Infinity", "-Infinity"])]) }),
  v.strictObject({ blob: v.pipe(v.string(), v.base64()) }),
  v.strictObject({ text: v.pipe(v.string(), v.base64()) }),
]);
/** The values of one row. */
export const backupRow = v.pipe(v.array(value), v.minLength(1), v.maxLength(100));

export const backupTable = v.object({
  name,
  columns: v.pipe(v.array(name), v.minLength(1), v.maxLength(100)),
  rows: count,
  lastId: v.nullish(count),
});

/** The first line of a portable backup. */
export const backupHeader = v.object({
  sealpost: v.literal(BACKUP_FORMAT),
  version: v.string(),
  migrations: v.array(v.object({ name: v.string(), hash: hex, appliedAt: date })),
  keys: v.array(v.string()),
  keyCheck: v.string(),
  tables: v.pipe(v.array(backupTable), v.minLength(1)),
});

/** The line before the rows of a table. */
export const tableLine = v.object({ table: name });

/** The last line of a portable backup. */
export const backupTrailer = v.object({ rows: count, sha256: hex });

/** `POST /operator/backup`. */
export const startedBackup = v.object({ id: v.string(), header: backupHeader });

/** `POST /operator/backup/page`. */
export const backupPage = v.object({ rows: v.array(backupRow), next: v.nullable(count) });

/** `POST /operator/restore/finish`. */
export const restored = v.object({ held: count });

/** `POST /operator/keys/rotate`. */
export const rotated = v.object({ resealed: count, current: count });
