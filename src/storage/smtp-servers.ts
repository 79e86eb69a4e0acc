import { and, eq } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import { type Epoch, SERVERS } from "./epoch.ts";
import { smtpServer } from "./schema.ts";

/** A definition as it lies in its row; the secrets are sealed values, or empty. */
export type SmtpServerRow = typeof smtpServer.$inferSelect;
export type SmtpServerRepository = ReturnType<typeof createSmtpServerRepository>;

/** Names one version of one definition; never used again for another. */
export function versionKey({ id, version }: Pick<SmtpServerRow, "id" | "version">): string {
  return `${id}:${version}`;
}

/** Definitions by identifier. What writes is an unexecuted statement for `commit`. */
export function createSmtpServerRepository({ write }: Database, epoch: Epoch) {
  const unchanged = (id: string, version: number) =>
    and(eq(smtpServer.id, id), eq(smtpServer.version, version));
  return {
    /** All definitions, by identifier. */
    list: (): Promise<readonly SmtpServerRow[]> => epoch.rows(SERVERS),

    async find(identifier: string): Promise<SmtpServerRow | undefined> {
      return (await epoch.rows(SERVERS)).find((row) => row.identifier === identifier);
    },

    /** Affects no row if the identifier is taken. */
    insert(row: SmtpServerRow) {
      return write.insert(smtpServer).values(row).onConflictDoNothing();
    },

    /**
     * Affects no row unless `row.version - 1` is the stored version. The `kept` columns are left as they lie there:
     * a key rotation may have sealed them anew since they were read.
     */
    update(row: SmtpServerRow, kept: readonly (keyof SmtpServerRow)[]) {
      const changed = Object.entries(row).filter(([field]) => !kept.some((name) => name === field));
      return write
        .update(smtpServer)
        .set(Object.fromEntries(changed))
        .where(unchanged(row.id, row.version - 1));
    },

    /** Affects no row unless this is the stored version. */
    remove(row: Pick<SmtpServerRow, "id" | "version">) {
      return write.delete(smtpServer).where(unchanged(row.id, row.version));
    },
  };
}
