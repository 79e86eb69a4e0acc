import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as v from "valibot";
import type { BackupHeader, BackupRow, BackupSource, BackupTable } from "../../domain/backup.ts";
import { SealpostError } from "../../errors.ts";
import { backupHeader, backupRow, backupTrailer, tableLine } from "../../http/backup-schema.ts";

/** Bounds of the rows that are restored together. */
const BATCH_ROWS = 500;
const BATCH_CHARACTERS = 1_000_000;
const NEWLINE = 0x0a;

/** Rows of one table, in the order of the file. */
interface RowBatch {
  readonly table: BackupTable;
  readonly rows: readonly BackupRow[];
}

/** A portable backup that is read. */
export interface PortableBackup {
  readonly header: BackupHeader;
  /** Yields all rows. @throws {SealpostError} `conflict`, after the last row at the latest, for a damaged file. */
  batches(): AsyncGenerator<RowBatch>;
}

/** Whether a file is a portable backup, whole or not, rather than a database. */
export async function isPortable(file: string): Promise<boolean> {
  const handle = await open(file).catch(() => null);
  if (handle === null) return false;
  await using _ = handle;
  // A folder can be opened, and not read.
  const read = await handle.read(Buffer.alloc(1), 0, 1, 0).catch(() => null);
  return read?.bytesRead === 1 && read.buffer.toString() === "{";
}

/**
 * Writes a portable backup to an existing file: a line with the header, the rows of each table as JSON arrays after a line
 * with its name, and a line with their number and the SHA-256 of all bytes before it.
 */
export async function writePortable(source: BackupSource, file: string): Promise<void> {
  const { id, header } = await source.begin();
  try {
    await pipeline(Readable.from(withTrailer(linesOf(source, id, header))), createWriteStream(file));
  } catch (error) {
    // An instance that is out of reach keeps its copy until the next backup.
    await source.end(id).catch(() => undefined);
    throw error;
  }
  await source.end(id);
}

async function* linesOf(source: BackupSource, id: string, header: BackupHeader): AsyncGenerator<unknown> {
  yield header;
  for (const table of header.tables) {
    yield { table: table.name };
    for (let start: number | null = 0; start !== null; ) {
      const { rows, next } = await source.page(id, table, start);
      yield* rows;
      start = next;
    }
  }
}

async function* withTrailer(lines: AsyncGenerator<unknown>): AsyncGenerator<string> {
  const hash = createHash("sha256");
  let rows = 0;
  for await (const line of lines) {
    const text = `${JSON.stringify(line)}\n`;
    hash.update(text);
    if (Array.isArray(line)) rows++;
    yield text;
  }
  yield `${JSON.stringify({ rows, sha256: hash.digest("hex") })}\n`;
}

/**
 * Opens a portable backup, and reads it once: a header that was damaged would be rejected for what it seems to say.
 * @throws {SealpostError} `conflict` if it is damaged, or its first line is not the header of one.
 */
export async function openPortable(file: string): Promise<PortableBackup> {
  const header = await readHeader(file);
  const batches = () => readBatches(file, header);
  for await (const _ of batches());
  return { header, batches };
}

async function readHeader(file: string): Promise<BackupHeader> {
  for await (const line of readLines(file)) {
    const header = read(backupHeader, line);
    if (header !== null) return header;
    break;
  }
  const message = `${file} is not a backup that this version of Sealpost reads: use the version that wrote it`;
  throw new SealpostError("conflict", message);
}

async function* readBatches(file: string, { tables }: BackupHeader): AsyncGenerator<RowBatch> {
  const lines = readLines(file);
  // The header.
  await lines.next();
  let table: BackupTable | undefined;
  let batch: BackupRow[] = [];
  let characters = 0;
  let count = 0;
  for await (const line of lines) {
    const row = read(backupRow, line);
    if (row !== null && table !== undefined) {
      batch.push(row);
      count++;
      characters += line.text.length;
      if (batch.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue;
    }
    if (batch.length > 0 && table !== undefined) yield { table, rows: batch };
    [batch, characters] = [[], 0];
    if (row !== null && table !== undefined) continue;
    const trailer = read(backupTrailer, line);
    if (trailer !== null) {
      const isWhole = trailer.rows === count && trailer.sha256 === line.digestBefore();
      if (isWhole && (await lines.next()).done) return;
      break;
    }
    const name = read(tableLine, line)?.table;
    table = tables.find((candidate) => candidate.name === name);
    if (table === undefined) break;
  }
  throw new SealpostError("conflict", `${file} is cut off or damaged: use another backup`);
}

function read<S extends v.GenericSchema>(schema: S, { text }: Line): v.InferOutput<S> | null {
  try {
    const result = v.safeParse(schema, JSON.parse(text));
    return result.success ? result.output : null;
  } catch {
    return null;
  }
}

interface Line {
  readonly text: string;
  /** Returns the SHA-256 of the bytes before the line, in hex. */
  readonly digestBefore: () => string;
}

/** Yields complete lines. What follows the last newline counts as a line of its own, so that it is not overlooked. */
async function* readLines(file: string): AsyncGenerator<Line> {
  const hash = createHash("sha256");
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of createReadStream(file)) {
    rest = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE, start)) {
      const bytes = rest.subarray(start, end + 1);
      yield { text: bytes.toString("utf8"), digestBefore: () => hash.copy().digest("hex") };
      hash.update(bytes);
      start = end + 1;
    }
    rest = rest.subarray(start);
  }
  if (rest.length > 0) yield { text: `${rest.toString("utf8")}\0`, digestBefore: () => "" };
}
