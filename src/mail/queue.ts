import type { Platform } from "../contracts/platform.ts";
import type { Wake } from "../contracts/wake.ts";
import { type AuditActor, auditEntry } from "../domain/audit.ts";
import {
  isPending,
  type MailAttempt,
  type QueuedMail,
  type RecipientProgress,
  stateOf,
} from "../domain/queued-mail.ts";
import { SealpostError } from "../errors.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Database } from "../storage/database.ts";
import type { MailCount, MailQuery, QueuedMailRepository } from "../storage/queued-mails.ts";

/** How often a change is decided anew because a worker had the mail meanwhile. */
const MOST_ATTEMPTS = 10;

export type { MailCount, MailQuery };
export type MailQueue = ReturnType<typeof createMailQueue>;

/** Queued mail, for people who look and steer. */
export function createMailQueue(parts: {
  readonly database: Database;
  readonly repository: QueuedMailRepository;
  readonly audit: AuditRepository;
  readonly wake: Wake;
  readonly platform: Pick<Platform, "now">;
}) {
  const { database, repository, audit, wake, platform } = parts;

  /** @throws {SealpostError} `resource_not_found`, `conflict`. */
  async function steer(
    id: string,
    actor: AuditActor,
    change: (recipient: RecipientProgress, now: Date) => RecipientProgress,
  ): Promise<void> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const mail = await repository.find(id);
      if (!mail) throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
      if (mail.state === "sending") throw conflict("is being sent at this moment; try again in a minute");
      if (!mail.recipients.some(isPending)) throw conflict(hasEnded(mail));
      const now = platform.now();
      const recipients = mail.recipients.map((one) => (isPending(one) ? change(one, now) : one));
      const state = stateOf(recipients);
      const dueAt = recipients.some(isPending) ? now.getTime() : null;
      const recipient = recipients.map(({ address }) => address).join(",");
      const said = { success: true, identifier: mail.identifier, recipient, info: id };
      const [written] = await database.commit([
        repository.steer(mail, { state, recipients, dueAt }, now),
        audit.insertIfChanged(auditEntry(actor, now, said)),
      ]);
      if (written.rowsAffected > 0) return;
    }
    throw conflict("is on its way; try again");
  }

  return {
    page: (query: MailQuery) => repository.page(query),
    counts: () => repository.counts(),

    /** How many mails of a definition are on their way. */
    waiting: (identifier: string): Promise<number> => repository.waiting(identifier),

    async get(id: string): Promise<{ mail: QueuedMail; attempts: readonly MailAttempt[] } | null> {
      const mail = await repository.find(id);
      return mail ? { mail, attempts: await repository.attempts(id) } : null;
    },

    /**
     * Has a mail tried now that waits for its next try.
     * @throws {SealpostError} `resource_not_found`; `conflict` if it has ended or is being sent.
     */
    async retry(id: string, actor: AuditActor): Promise<void> {
      await steer(id, actor, (recipient, now) => ({ ...recipient, dueAt: now.getTime() }));
      // The sweep finds it if this is lost.
      await wake.notify([id]).catch(() => undefined);
    },

    /**
     * Ends a mail that is not sent yet.
     * @throws {SealpostError} `resource_not_found`; `conflict` if it has ended or is being sent.
     */
    async cancel(id: string, actor: AuditActor): Promise<void> {
      await steer(id, actor, (recipient) => ({ ...recipient, state: "cancelled", dueAt: null }));
    },
  };
}

function hasEnded({ state }: QueuedMail): string {
  return `has ended: ${state}; what it said is erased, so hand in a new one if it is needed`;
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This mail ${problem}`);
}
