import type { BatchResponse } from "drizzle-orm/batch";
import type { Database, KeptTable, RowsStatement, Statement } from "../database.ts";

/** A select that runs on its own or within a commit. */
type SelectRows<Row> = (database: Database["read"]) => Statement & PromiseLike<readonly Row[]>;

/** The results of a commit or, if they were lost, the rows by which it says what it did. */
export type Decided<Row> =
  | { readonly results: readonly unknown[]; readonly verdict: null }
  | { readonly results: null; readonly verdict: readonly Row[] };

/**
 * The database. Build statements with `read`, `write` and `prepare`; run the ones that belong together in one commit.
 * Nothing is awaited in the middle of a write.
 */
export interface PluginStore extends Pick<Database, "read" | "write" | "append" | "prepare"> {
  /**
   * Runs statements atomically, in order. On a guarded route the commit also depends on the admin's right at that moment;
   * use `append` to record something that has already happened.
   */
  commit<const T extends readonly Statement[]>(statements: T): Promise<BatchResponse<T>>;
  /** The rows of a table declared in `kept`: as of now, or as of the request's first read. */
  kept<Row>(table: KeptTable<Row>): Promise<readonly Row[]>;
  /**
   * Commits a decision, as {@link commit} does. If the response is lost, the verdict is read for 5 s, so that the HTTP
   * response never denies what was done.
   * @param verdict selects a row that the commit writes, by an ID of its own.
   * @returns `results` of the statements or, if they were lost, the rows of the verdict.
   * @throws what `commit` rejects with, if there is no verdict.
   */
  decide<Row>(statements: readonly Statement[], verdict: RowsStatement<Row>): Promise<Decided<Row>>;
  /**
   * After a commit rejected with this error, reads for 5 s what it wrote, because only its response may be lost.
   * @returns no rows if nothing was written.
   */
  readAfter<Row>(error: unknown, select: SelectRows<Row>): Promise<readonly Row[]>;
}
