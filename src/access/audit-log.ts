import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import {
  type AuditActor,
  type AuditQuery,
  type AuditTarget,
  auditEntry,
  type StoredAuditEntry,
} from "../domain/audit.ts";
import { clientNetwork } from "../domain/network.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { commitSlices } from "../storage/slices.ts";
import type { AuditRecord } from "./rate-limit.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** The audit log, for rows that are not committed with a change. */
export interface AuditLog {
  /** Returns one page, and how many rows match in all. */
  page(query: AuditQuery): Promise<{ entries: StoredAuditEntry[]; total: number }>;
  /** Records that a secret was shown. */
  revealed(actor: AuditActor, identifier: string, fields: string): Promise<void>;
  /** Records a rejected or failed request. */
  failed(actor: AuditActor, target: AuditTarget, info: string): Promise<void>;
  /** Records a rejected login or token: one row with a count for each network of a client and minute. */
  notAuthenticated(actor: AuditActor, info: string): Promise<void>;
  /** Returns the row of {@link notAuthenticated} for another commit. */
  notAuthenticatedRecord(actor: AuditActor, info: string): AuditRecord & { readonly shareKey: string };
  /** Deletes rows past their retention. */
  prune(): Promise<void>;
}

export function createAuditLog(deps: {
  readonly database: Database;
  readonly repository: AuditRepository;
  readonly platform: Platform;
  readonly keepDays: number;
}): AuditLog {
  const { database, repository, platform, keepDays } = deps;

  function notAuthenticatedRecord(actor: AuditActor, info: string) {
    const now = platform.now();
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    const shareKey = `authentication ${clientNetwork(actor.client)} ${minute}`;
    return { entry: auditEntry(actor, now, { success: false, info }), shareKey };
  }

  return {
    page: (query) => repository.page(query),

    async revealed(actor, identifier, fields) {
      const entry = auditEntry(actor, platform.now(), { success: true, identifier, fields });
      await database.append(repository.insert(entry));
    },

    async failed(actor, target, info) {
      const entry = auditEntry(actor, platform.now(), { success: false, ...target, info });
      await database.append(repository.insert(entry));
    },

    async notAuthenticated(actor, info) {
      const { entry, shareKey } = notAuthenticatedRecord(actor, info);
      await database.append(repository.count(entry, shareKey));
    },

    notAuthenticatedRecord,

    async prune() {
      const before = new Date(platform.now().getTime() - keepDays * DAY_MS);
      await commitSlices(database, [repository.prune(before)]);
    },
  };
}
