import type { Database, Statement } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { type AuditActor, auditEntry } from "../../domain/audit.ts";
import { isPending, type MailAttempt, type QueuedMail, stateOf } from "../../domain/queued-mail.ts";
import { SealpostError } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import { decide } from "../../storage/decide.ts";
import type { MailStats, ReadMailStats } from "../../storage/mail-stats.ts";
import type { OutboxRepository } from "../../storage/outbox.ts";
import {
  changedRows,
  type MailChange,
  type MailQuery,
  type ManagedMail,
  type QueuedMailRepository,
} from "../../storage/queued-mail.ts";
import type { Circuit } from "../circuit.ts";
import { type Notify, notifyOutcomes } from "../events.ts";
import { takeOver } from "../worker/outcomes.ts";
import { missedEntries, unreported } from "./final-report.ts";
import { giveUpAt, revive } from "./lifetime.ts";

/** Bound on repeating a change because a worker had leased the message meanwhile. */
const MAX_ROUNDS = 10;

export type { MailQuery, MailStats, ReadMailStats };

interface MailWithAttempts {
  readonly mail: QueuedMail;
  readonly attempts: readonly MailAttempt[];
  readonly canRetry: boolean;
}

/** Queued mail, for admins. */
export interface MailQueue {
  /** Returns one page, newest first, and the number of all matches. */
  page(query: MailQuery): Promise<{ mails: QueuedMail[]; total: number }>;
  readonly stats: ReadMailStats;
  /** Returns a message with all its attempts, and whether {@link retry} accepts it now; `null` if there is none. */
  get(id: string): Promise<MailWithAttempts | null>;
  /**
   * Makes a message and the probe of its server due now. The message waits for its next attempt, or has failed through
   * the server's fault and still has its content. A message that has failed, or whose time is over, gets as much time as a
   * new one.
   * @throws {SealpostError} `resource_not_found`; `conflict` if it is final otherwise, has expired or is being sent.
   */
  retry(id: string, actor: AuditActor): Promise<void>;
  /**
   * Cancels a message for the recipients that have no final state yet, and reports those of the others. A recipient that may
   * have got it becomes `unknown`.
   * @throws {SealpostError} `resource_not_found`; `conflict` if it is final or is being sent.
   */
  cancel(id: string, actor: AuditActor): Promise<void>;
  /** Holds all messages that wait now: none of them is sent, or expires, before a release. @returns their number. */
  hold(actor: AuditActor): Promise<number>;
  /** Makes held messages due again, and the work of plugins that a restore holds. @returns their number. */
  release(actor: AuditActor): Promise<number>;
}

interface MailQueueDeps {
  readonly database: Database;
  readonly repository: QueuedMailRepository;
  readonly outbox: Pick<OutboxRepository, "recordAttempts" | "applyUpdates">;
  readonly audit: AuditRepository;
  readonly circuit: Pick<Circuit, "makeProbeDue">;
  readonly wake: Wake;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
}

/** Creates what admins do with queued mail. */
export function createMailQueue(deps: MailQueueDeps): MailQueue {
  const { database, repository, audit, circuit, wake, platform } = deps;
  const entryOf = (actor: AuditActor) => auditEntry(actor, platform.now(), { success: true });
  // Before the release, because each of its statements may change nothing.
  const auditRelease = audit.prepareInsert(repository.isAnyHeld, {});
  return {
    page: repository.page,
    stats: repository.stats,

    async get(id) {
      const found = await repository.withAttempts(id);
      return found && { ...found, canRetry: canRetry(found.mail, platform.now()) };
    },

    async retry(id, actor) {
      await manage(deps, id, actor, retried, ({ identifier }) => [circuit.makeProbeDue(identifier)]);
      // If the wake is lost, the next sweep finds the message.
      await wake.notify([id]).catch(() => undefined);
    },

    async cancel(id, actor) {
      await manage(deps, id, actor, canceled);
    },

    async hold(actor) {
      const [{ rowsAffected }] = await database.commit([
        repository.hold(),
        audit.insertIfChanged(entryOf(actor)),
      ]);
      return rowsAffected;
    },

    async release(actor) {
      const [, ...results]: readonly unknown[] = await database.commit([
        auditRelease(entryOf(actor), {}),
        ...repository.release(),
      ]);
      const released = changedRows(results);
      // The request that releases also drains, where no worker polls.
      if (released > 0) await wake.notify([actor.requestId]).catch(() => undefined);
      return released;
    },
  };
}

/**
 * Changes a message, once it is taken over from a worker that has died.
 * @throws {SealpostError} `resource_not_found`, `conflict`, and what `change` throws.
 */
async function manage(
  { database, repository, outbox, audit, notify, platform }: MailQueueDeps,
  id: string,
  actor: AuditActor,
  change: (mail: QueuedMail, now: Date) => MailChange,
  extraStatements: (mail: QueuedMail) => readonly Statement[] = () => [],
): Promise<void> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const mail = await repository.find(id);
    if (!mail) throw new SealpostError("resource_not_found", "The requested Mail could not be found.");
    const now = platform.now();
    if (isBeingSent(mail, now)) throw conflict("is being sent: try again in a minute");
    const recipient = mail.recipients.map(({ address }) => address).join(",");
    const fields = { success: true, identifier: mail.identifier, recipient, info: id };
    const to = isLeased(mail) ? takeOver(mail, now) : change(withLosses(mail, now), now);
    const isTakenOver = "lease" in to;
    const changes = isTakenOver
      ? [
          repository.takeLease(mail, to.lease, now),
          outbox.recordAttempts([to]),
          outbox.applyUpdates([to], now),
        ]
      : [repository.update(mail, to, now), audit.insertIfChanged(auditEntry(actor, now, fields))];
    const ended = to.dueAt === null ? unreported(to.recipients) : [];
    const reports = missedEntries(mail, ended, now).map(audit.insertIfChanged);
    const statements = [...changes, ...reports, ...extraStatements(mail)];
    const { results } = await decide(database, statements, repository.updated(id, to, now));
    const isChanged = results === null || changedRows(results.slice(0, 1)) > 0;
    if (isChanged) notifyOutcomes(notify, mail, ended);
    if (isChanged && !isTakenOver) return;
  }
  throw conflict("was claimed by a worker: try again");
}

function canRetry(mail: ManagedMail, now: Date): boolean {
  if (isBeingSent(mail, now)) return false;
  return retryProblem(withLosses(mail, now), now) === null;
}

/** Returns a message as it is without its worker, which has died, or sends the original of a held copy. */
function withLosses(mail: ManagedMail, now: Date): QueuedMail {
  if (mail.state !== "sending") return mail;
  const { state, recipients, contentUntil } = takeOver(mail, now);
  return { ...mail, state, recipients, contentUntil: contentUntil === null ? null : new Date(contentUntil) };
}

/** Whether a worker has the message, or had it when it died. */
function isLeased({ state, held }: QueuedMail): boolean {
  return state === "sending" && !held;
}

function isBeingSent(mail: ManagedMail, now: Date): boolean {
  return isLeased(mail) && (mail.dueAt ?? 0) > now.getTime();
}

/** Returns why a message that is not being sent cannot be retried; `null` if it can. */
function retryProblem(mail: QueuedMail, now: Date): string | null {
  const { recipients, expiresAt, contentUntil } = mail;
  if (expiresAt && expiresAt <= now) return "has expired: submit a new one";
  const hasContent = recipients.some(isPending) || (contentUntil !== null && contentUntil > now);
  return hasContent ? null : isFinal(mail);
}

function retried(mail: QueuedMail, now: Date): MailChange {
  const problem = retryProblem(mail, now);
  if (problem !== null) throw conflict(problem);
  if (mail.recipients.some(isPending)) return dueNow(mail, now);
  const revived = revive(mail, now);
  // Those that stay final were reported when the message became final.
  const recipients = revived.recipients.map((one) =>
    isPending(one) ? one : ({ ...one, reported: true } as const),
  );
  return { ...revived, recipients };
}

/** A message that was held for long gets as much time as a new one. */
function dueNow(mail: QueuedMail, now: Date): MailChange {
  const dueAt = now.getTime();
  const isOver = mail.giveUpAt <= now;
  const due = mail.recipients.map((one) => {
    if (!isPending(one)) return one;
    const startsNow = isOver || (one.startsAt ?? 0) > dueAt;
    return { ...one, dueAt, ...(startsNow ? { startsAt: dueAt } : {}) };
  });
  const until = isOver ? giveUpAt(now, mail.expiresAt) : mail.giveUpAt;
  return { state: stateOf(due), recipients: due, dueAt, giveUpAt: until, contentUntil: null };
}

function canceled(mail: QueuedMail): MailChange {
  // A held copy may have lost all its recipients.
  if (!mail.held && !mail.recipients.some(isPending)) throw conflict(isFinal(mail));
  const recipients = mail.recipients.map((one) =>
    isPending(one) ? ({ ...one, state: one.mayBeSent ? "unknown" : "cancelled", dueAt: null } as const) : one,
  );
  return { state: stateOf(recipients), recipients, dueAt: null, giveUpAt: mail.giveUpAt, contentUntil: null };
}

function isFinal({ state }: QueuedMail): string {
  return `is final (${state}) and its content is erased: submit a new one`;
}

function conflict(problem: string): SealpostError {
  return new SealpostError("conflict", `This message ${problem}`);
}
