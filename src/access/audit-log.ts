import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, type AuditQuery, type AuditTarget, auditEntry } from "../domain/audit.ts";
import type { AuditRepository } from "../storage/audit-log.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

export type AuditLog = ReturnType<typeof createAuditLog>;

/** The audit log, for what is not written together with a change. */
export function createAuditLog(parts: {
  readonly database: Database;
  readonly repository: AuditRepository;
  readonly platform: Platform;
  readonly keepDays: number;
}) {
  const { database, repository, platform, keepDays } = parts;

  function notAuthenticated(actor: AuditActor, info: string) {
    const now = platform.now();
    const minute = Math.floor(now.getTime() / MINUTE_MS);
    const shareKey = `authentication ${actor.client} ${minute}`;
    return { entry: auditEntry(actor, now, { success: false, info }), shareKey };
  }

  return {
    page: (query: AuditQuery) => repository.page(query),

    /** Something was shown that not everybody may see. */
    async revealed(actor: AuditActor, identifier: string, fields: string): Promise<void> {
      const entry = auditEntry(actor, platform.now(), { success: true, identifier, fields });
      await database.append(repository.insert(entry));
    },

    /** Something was refused, or failed. */
    async failed(actor: AuditActor, target: AuditTarget, info: string): Promise<void> {
      const entry = auditEntry(actor, platform.now(), { success: false, ...target, info });
      await database.append(repository.insert(entry));
    },

    /** A log-in or token was refused: one row a minute for each address, with a count. */
    async notAuthenticated(actor: AuditActor, info: string): Promise<void> {
      const { entry, shareKey } = notAuthenticated(actor, info);
      await database.append(repository.count(entry, shareKey));
    },

    /** The same as a part of another commit. */
    notAuthenticatedRecord: notAuthenticated,

    /** Deletes what has been kept for long enough. */
    async prune(): Promise<void> {
      await database.commit([repository.prune(new Date(platform.now().getTime() - keepDays * DAY_MS))]);
    },
  };
}
