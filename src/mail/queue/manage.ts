import type { Database, Statement } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { isPending, type MailAttempt, type QueuedMail, stateOf } from "../../domain/queued-mail.ts";
import { SealpostError } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { MailChange, MailCount, MailQuery, QueuedMailRepository } from "../../storage/queued-mail.ts";
import type { Circuit } from "../circuit.ts";
import { revive } from "./lifetime.ts";

/** How often a change is decided anew because a worker had the mail meanwhile. */
const MOST_ATTEMPTS = 10;

export type { MailCount, MailQuery };
export type MailQueue = ReturnType<typeof createMailQueue>;

/** Queued mail, for people who look and steer. */
export function createMailQueue(parts: {
  readonly database: Database;
  readonly repository: QueuedMailRepository;
  readonly audit: AuditRepository;
  readonly circuit: Pick<Circuit, "makeProbeDue">;
  readonly wake: Wake;
  readonly platform: Pick<Platform, "now">;
}) {
  const { database, repository, audit, circuit, wake, platform } = parts;

  /** @throws {SealpostError} `resource_not_found`, `conflict`, and what `change` throws. */
  async function steer(
    id: string,
    actor: AuditActor,
    change: (mail: QueuedMail, now: Date) => MailChange,
    alongside: (mail: QueuedMail) => readonly Statement[] = () => [],
  ): Promise<void> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const mail = await repository.find(id);
      if (!mail) throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
      if (mail.state === "sending") throw conflict("is being sent at this moment; try again in a minute");
      const now = platform.now();
      const changed = change(mail, now);
      const recipient = mail.recipients.map(({ address }) => address).join(",");
      const said = { success: true, identifier: mail.identifier, recipient, info: id };
      const [written] = await database.commit([
        repository.update(mail, changed, now),
        audit.insertIfChanged(auditEntry(actor, now, said)),
        ...alongside(mail),
      ]);
      if (written.rowsAffected > 0) return;
    }
    throw conflict("is on its way; try again");
  }

  return {
    page: (query: MailQuery) => repository.page(query),
    counts: () => repository.counts(),

    get: (id: string): Promise<{ mail: QueuedMail; attempts: readonly MailAttempt[] } | null> =>
      repository.withAttempts(id),

    /**
     * Makes a message due now, and the probe of its server: one that waits for its next attempt, or one that the
     * server's fault has ended and whose content is kept, which gets as much time as a new one.
     * @throws {SealpostError} `resource_not_found`; `conflict` if it is final otherwise, has expired or is being sent.
     */
    async retry(id: string, actor: AuditActor): Promise<void> {
      const retried = (mail: QueuedMail, now: Date) =>
        mail.recipients.some(isPending) ? dueNow(mail, now) : revived(mail, now);
      await steer(id, actor, retried, ({ identifier }) => [circuit.makeProbeDue(identifier)]);
      // The sweep finds it if this is lost.
      await wake.notify([id]).catch(() => undefined);
    },

    /**
     * Ends a mail that is not sent yet.
     * @throws {SealpostError} `resource_not_found`; `conflict` if it has ended or is being sent.
     */
    async cancel(id: string, actor: AuditActor): Promise<void> {
      await steer(id, actor, cancelled);
    },
  };
}

function dueNow({ recipients, giveUpAt }: QueuedMail, now: Date): MailChange {
  const dueAt = now.getTime();
  const due = recipients.map((one) => (isPending(one) ? { ...one, dueAt } : one));
  return { state: stateOf(due), recipients: due, dueAt, giveUpAt, contentUntil: null };
}

function revived(mail: QueuedMail, now: Date): MailChange {
  const { expiresAt, contentUntil } = mail;
  if (expiresAt && expiresAt <= now) throw conflict("has expired; submit a new one");
  if (contentUntil === null || contentUntil <= now) throw conflict(hasEnded(mail));
  return revive(mail, now);
}

function cancelled(mail: QueuedMail): MailChange {
  if (!mail.recipients.some(isPending)) throw conflict(hasEnded(mail));
  const recipients = mail.recipients.map((one) =>
    isPending(one) ? ({ ...one, state: "cancelled", dueAt: null } as const) : one,
  );
  return { state: stateOf(recipients), recipients, dueAt: null, giveUpAt: mail.giveUpAt, contentUntil: null };
}

function hasEnded({ state }: QueuedMail): string {
  return `has ended: ${state}; what it said is erased, so hand in a new one if it is needed`;
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This mail ${problem}`);
}
