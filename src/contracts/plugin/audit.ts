import type { SQL } from "drizzle-orm";
import type { Context } from "hono";
import type { AuditEntry } from "../../domain/audit.ts";
import type { Statement } from "../database.ts";
import type { Env } from "../env.ts";

/** The plugin's part of an audit row; the rest comes from the request. Never contains a secret, a code or a body. */
export type PluginAuditEntry = { readonly success: boolean } & Partial<
  Pick<AuditEntry, "action" | "identifier" | "recipient" | "fields" | "outcome" | "phase" | "info">
>;

/** Fields of an audit row that its own commit computes. */
type AuditExpressions = Readonly<Partial<Record<"success" | "identifier" | "info", SQL>>>;

/** Writes the audit log. `c` is the request that an entry is about; `null` if there is none. */
export interface PluginAudit {
  /** Writes a row in a commit of its own. */
  write(c: Context<Env> | null, entry: PluginAuditEntry): Promise<void>;
  /**
   * Builds a row, to be committed with the change that it records.
   * @param ifChanged writes the row only if the statement before it in the commit changed a row.
   */
  row(c: Context<Env> | null, entry: PluginAuditEntry, ifChanged?: "ifChanged"): Statement;
  /**
   * Prepares a row that is written if a condition holds, with fields that the commit computes. Each call of the result
   * builds a row, and binds values to the placeholders of these expressions, which are not named like fields of a row.
   */
  prepareRow(
    where: SQL,
    computed?: AuditExpressions,
  ): (c: Context<Env> | null, entry: PluginAuditEntry, values: object) => Statement;
}
