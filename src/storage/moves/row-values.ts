import { type SQL, sql } from "drizzle-orm";
import type { BackupRow, BackupValue } from "../../domain/backup.ts";

/** Name of the column with the kinds of a row's values. */
const KINDS = "sealpost_kinds";

/** Selects columns so that {@link readRow} restores each value exactly: a driver returns 5 and 5.0 as the same number. */
export function selectExactly(columns: readonly string[]): SQL {
  const kinds = columns.map((name) => sql`substr(typeof(${sql.identifier(name)}), 1, 1)`);
  const values = columns.map((name) => {
    const column = sql.identifier(name);
    // Drivers round integers beyond 2^53, cut text at a NUL, and fail at an infinite number.
    return sql`CASE typeof(${column})
      WHEN 'integer' THEN iif(${column} BETWEEN -9007199254740991 AND 9007199254740991, ${column}, CAST(${column} AS TEXT))
      WHEN 'text' THEN iif(instr(${column}, char(0)), CAST(${column} AS BLOB), ${column})
      WHEN 'real' THEN CASE ${column} WHEN 9e999 THEN 'Infinity' WHEN -9e999 THEN '-Infinity' ELSE ${column} END
      ELSE ${column} END AS ${column}`;
  });
  return sql.join([sql`${sql.join(kinds, sql` || `)} AS ${sql.identifier(KINDS)}`, ...values], sql`, `);
}

/** Reads a row that {@link selectExactly} selected. */
export function readRow(row: Readonly<Record<string, unknown>>, columns: readonly string[]): BackupRow {
  const kinds = String(row[KINDS]);
  return columns.map((name, index) => backupValueOf(kinds[index], row[name]));
}

function backupValueOf(kind: string | undefined, value: unknown): BackupValue {
  if (value === null || value === undefined) return null;
  if (kind === "b") return { blob: bytesOf(value).toBase64() };
  if (kind === "r") return { real: realOf(Number(value)) };
  if (kind === "i") return typeof value === "string" ? { integer: value } : Number(value);
  return typeof value === "string" ? value : { text: bytesOf(value).toBase64() };
}

/** JSON has no infinity. */
function realOf(value: number): number | "Infinity" | "-Infinity" {
  if (Number.isFinite(value)) return value;
  return value > 0 ? "Infinity" : "-Infinity";
}

/** Returns the value as an expression that has its kind in every database. */
export function expressionOf(value: BackupValue): SQL {
  if (value === null || typeof value !== "object") return sql`${value}`;
  if ("integer" in value) return sql`CAST(${value.integer} AS INTEGER)`;
  // Drivers bind finite numbers only.
  if ("real" in value && typeof value.real === "string")
    return value.real === "Infinity" ? sql`9e999` : sql`-9e999`;
  if ("real" in value) return sql`CAST(${value.real} AS REAL)`;
  if ("text" in value) return sql`CAST(${Uint8Array.fromBase64(value.text)} AS TEXT)`;
  return sql`${Uint8Array.fromBase64(value.blob)}`;
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  throw new TypeError("A blob is not bytes");
}
