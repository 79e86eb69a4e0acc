import { setTimeout } from "node:timers/promises";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { Database, RowsStatement, Statement } from "../contracts/database.ts";
import type { Decided } from "../contracts/plugin/store.ts";
import { isResponseLost, isUnavailable } from "./errors.ts";

/** Total time for reading a verdict, and the interval between two reads. */
const READ_MS = 5_000;
const READ_INTERVAL_MS = 100;

/** Commits a decision, and reads the verdict if the response is lost. See `PluginContext.decide`. */
export async function decide<Row>(
  database: Pick<Database, "read" | "commit">,
  statements: readonly Statement[],
  verdict: RowsStatement<Row>,
): Promise<Decided<Row>> {
  try {
    return { results: await database.commit(statements), verdict: null };
  } catch (error) {
    const rows = await readAfter(database, error, async (read) => (await read.batch([verdict]))[0]);
    if (rows.length === 0) throw error;
    return { results: null, verdict: rows };
  }
}

/** Reads the rows of a commit that rejected with this error. See `PluginContext.readAfter`. */
export async function readAfter<Row>(
  database: Pick<Database, "read">,
  error: unknown,
  select: (database: LibSQLDatabase) => PromiseLike<readonly Row[]>,
): Promise<readonly Row[]> {
  if (!isResponseLost(error)) return [];
  return readVerdict(() => select(database.read));
}

/** Polls, because the commit may be done or still running. */
async function readVerdict<Row>(read: () => PromiseLike<readonly Row[]>): Promise<readonly Row[]> {
  const endsMs = performance.now() + READ_MS;
  for (;;) {
    try {
      const rows = await read();
      if (rows.length > 0) return rows;
    } catch (error) {
      if (!isUnavailable(error)) throw error;
    }
    if (performance.now() >= endsMs) return [];
    await setTimeout(READ_INTERVAL_MS);
  }
}
