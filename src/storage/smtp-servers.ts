import { and, eq, sql } from "drizzle-orm";
import type { Database, WriteStatement } from "../contracts/database.ts";
import { prepareStatement, STATEMENTS } from "./drizzle.ts";
import type { Epoch } from "./epoch.ts";
import { SERVERS } from "./kept-tables.ts";
import { smtpServer } from "./schema.ts";

/** A definition as stored. Secrets are sealed or empty. */
export type SmtpServerRow = typeof smtpServer.$inferSelect;

/** Server definitions by identifier. Writes are unexecuted statements for `commit`. */
export interface SmtpServerRepository {
  /** Lists all definitions by identifier. */
  list(): Promise<readonly SmtpServerRow[]>;
  find(identifier: string): Promise<SmtpServerRow | undefined>;
  /** Affects no row if the identifier is taken. */
  insert(row: SmtpServerRow): WriteStatement;
  /**
   * Affects no row unless `row.version - 1` is the stored version. Leaves the `kept` columns alone: a key rotation may
   * have re-encrypted them after they were read.
   */
  update(row: SmtpServerRow, kept: readonly (keyof SmtpServerRow)[]): WriteStatement;
  /** Affects no row unless this is the stored version. */
  remove(row: Pick<SmtpServerRow, "id" | "version">): WriteStatement;
}

/** Returns a key for one version of one definition that is never reused. */
export function versionKey({ id, version }: Pick<SmtpServerRow, "id" | "version">): string {
  return `${id}:${version}`;
}

const selectOne = prepareStatement(() =>
  STATEMENTS.select()
    .from(smtpServer)
    .where(eq(smtpServer.identifier, sql.placeholder("identifier"))),
);

export function createSmtpServerRepository({ write }: Database, epoch: Epoch): SmtpServerRepository {
  const list = () => epoch.rows(SERVERS);
  const isUnchanged = (id: string, version: number) =>
    and(eq(smtpServer.id, id), eq(smtpServer.version, version));
  return {
    list,

    find: (identifier) =>
      epoch.row(SERVERS, (row) => row.identifier === identifier, selectOne({ identifier })),

    insert: (row) => write.insert(smtpServer).values(row).onConflictDoNothing(),

    update(row, kept) {
      const changed = Object.entries(row).filter(([field]) => !kept.some((name) => name === field));
      return write
        .update(smtpServer)
        .set(Object.fromEntries(changed))
        .where(isUnchanged(row.id, row.version - 1));
    },

    remove: ({ id, version }) => write.delete(smtpServer).where(isUnchanged(id, version)),
  };
}
