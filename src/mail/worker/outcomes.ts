import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import { type AuditEntry, auditEntry } from "../../domain/audit.ts";
import { isPending, type RecipientProgress } from "../../domain/queued-mail.ts";
import type { MailRow, MailUpdate } from "../../storage/outbox.ts";
import { latestClaim } from "../../storage/outbox-statements.ts";
import type { Meter } from "../../telemetry/meter.ts";
import type { Circuit } from "../circuit.ts";
import { type Notify, notifyOutcomes } from "../events.ts";
import { countQueued } from "../measure.ts";
import { afterUnknown, stateAtEnd } from "../queue/after-attempt.ts";
import { missedEntries, unreported, WORKER } from "../queue/final-report.ts";
import { type AttemptRecord, LeasedMail } from "./leased-mail.ts";
import type { LeaseTimes } from "./leases.ts";
import type { OutcomeRecorder } from "./outcome-recorder.ts";

const log = getLogger(["sealpost", "worker"]);

/** The outcomes of leased messages. No function rejects. */
export interface Outcomes {
  /** Records the progress of a message, and reports its end. Resolves to `false` if the lease was lost. */
  record(mail: LeasedMail): Promise<boolean>;
  /** Ends a message that is past its `giveUpAt`, and releases it. */
  expire(mail: LeasedMail): Promise<void>;
  /** Moves a message to a definition whose circuit is closed, if it may leave through another one, and releases it. */
  failOver(mail: LeasedMail): Promise<void>;
  /** Decides on recipients whose outcome a worker left unknown. Resolves to `false` if the lease was lost. */
  recover(mail: LeasedMail): Promise<boolean>;
}

interface OutcomesDeps {
  readonly recorder: OutcomeRecorder;
  readonly circuit: Circuit;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
  readonly lease: LeaseTimes;
  readonly meter: Meter;
}

/** Creates what records outcomes, and decides on recipients without an attempt. */
export function createOutcomes(deps: OutcomesDeps): Outcomes {
  const { recorder, circuit, platform, lease } = deps;

  async function record(mail: LeasedMail): Promise<boolean> {
    const now = platform.now();
    const update = mail.takeUpdate({ now, leaseEndsAt: new Date(now.getTime() + lease.leaseMs) });
    const isFinal = update.dueAt === null && mail.takeFinal();
    const ended = isFinal ? unreported(mail.recipients) : [];
    const entries = missedEntries(mail.row, ended, now);
    if (isFinal && update.state === "sent") entries.push(...(await failoverEntries(mail, now)));
    if (!(await recorder.record({ ...update, entries }))) return false;
    logMissed(mail, update);
    countQueued(mail.row.queueName !== "", update, deps.meter);
    notifyOutcomes(deps.notify, mail.row, ended);
    return true;
  }

  /** @throws if the database is unavailable. */
  async function moveOn(mail: LeasedMail): Promise<void> {
    const target = await circuit.firstHealthy(mail.alternatives);
    if (target === undefined) return;
    const { phase = "", code = "" } = (await circuit.lastFailure(mail.row.queueName)) ?? {};
    const date = platform.now();
    mail.moveTo(target);
    for (const index of mail.due(date.getTime())) {
      const before = mail.recipients[index];
      if (!before) continue;
      const attempt = withoutDialog(mail, before, date, { phase, code });
      mail.advance(index, before, { ...attempt, outcome: "not-sent", decision: "next-server" });
    }
  }

  return {
    record,

    async expire(mail) {
      const now = platform.now().getTime();
      for (const [index, recipient] of mail.recipients.entries()) {
        if (isPending(recipient)) mail.advance(index, expired(mail, recipient, now), null);
      }
      await record(mail);
    },

    async failOver(mail) {
      await moveOn(mail).catch((error) => {
        log.error("Cannot move message {mailId}, which is claimed again: {error}", {
          mailId: mail.id,
          error,
        });
      });
      await record(mail);
    },

    async recover(mail) {
      const date = platform.now();
      loseAttempts(mail, date);
      // Recipients that are to be repeated keep the lease.
      mail.remaining = mail.due(date.getTime()).length;
      return record(mail);
    },
  };
}

/** Decides on the recipients whose outcome the worker that had the message before left unknown. */
function loseAttempts(mail: LeasedMail, date: Date): void {
  for (const index of mail.due(date.getTime())) {
    const before = mail.recipients[index];
    if (!before || mail.wasNotSent(before)) continue;
    const { progress, ...after } = afterUnknown(before, "lost", mail.attemptContext(date.getTime(), 0));
    mail.advance(index, progress, {
      ...withoutDialog(mail, before, date, { phase: "", code: "" }),
      ...after,
    });
  }
}

/** Returns the update of a message whose lease has ended, as by the next worker. It belongs to a lease that follows that one. */
export function takeOver(row: Omit<MailRow, "content">, now: Date): MailUpdate {
  // The claim before that one says nothing about its attempts.
  const lease = ` ${latestClaim(row.lease)}`;
  const taken = { lost: Math.max(row.lost, row.started ? 2 : 1), lease, content: "" };
  const mail = new LeasedMail({ ...row, ...taken }, { aim: "send", leaseEndsMs: 0 });
  if (mail.hasUnknownOutcome) loseAttempts(mail, now);
  return mail.takeUpdate({ now, leaseEndsAt: now });
}

/** Returns the progress of a recipient when its message expires. */
export function expired(mail: LeasedMail, progress: RecipientProgress, now: number): RecipientProgress {
  return { ...progress, state: stateAtEnd(progress, mail.attemptContext(now, 0)), dueAt: null };
}

/** Returns the fields that identify an attempt. */
export function attemptTarget({ row }: LeasedMail, { address }: RecipientProgress, date: Date) {
  return { recipient: address, identifier: row.queueName || row.identifier, date };
}

function withoutDialog(
  mail: LeasedMail,
  recipient: RecipientProgress,
  date: Date,
  failure: Pick<AttemptRecord, "phase" | "code">,
) {
  return { ...attemptTarget(mail, recipient, date), ...failure, reply: null, timingMs: {} };
}

/** Returns the audit entry of a message that left through another definition than it was accepted for, so perhaps with another From. */
async function failoverEntries({ row, content, recipients }: LeasedMail, now: Date): Promise<AuditEntry[]> {
  const { builtFor = "", source = null } = (await content) ?? {};
  if (source === null || builtFor === row.queueName) return [];
  const recipient = recipients.map(({ address }) => address).join(",");
  const info = `failover from ${builtFor}; ${row.id}`;
  return [
    auditEntry(WORKER, now, { success: true, identifier: row.queueName, recipient, outcome: "sent", info }),
  ];
}

/** Logs the first failed attempt of an update, or the end of a message without one. */
function logMissed({ row, recipients }: LeasedMail, { attempts, dueAt, state }: MailUpdate): void {
  const failed = attempts.find(({ code }) => code !== "");
  const isMissed = dueAt === null && state !== "sent" && state !== "cancelled";
  if (!failed && !isMissed) return;
  const fields = {
    mailId: row.id,
    identifier: failed?.identifier ?? row.identifier,
    state: isMissed ? state : "deferred",
  };
  const isLost = attempts.some(({ outcome }) => outcome === "lost");
  const last = isLost ? null : recipients.find((recipient) => recipient.state !== "sent")?.failure;
  const failure = failed ?? last;
  if (failure) {
    const { code, phase } = failure;
    const properties = { ...fields, code, phase };
    log.warning("Message {mailId} through {identifier} {state}: {code} in phase {phase}", properties);
  } else {
    const wasSent = isLost || recipients.some(({ mayBeSent }) => mayBeSent);
    const reason = wasSent ? "its worker ended while it was sent" : "it was not attempted";
    log.warning("Message {mailId} through {identifier} {state}: {reason}", { ...fields, reason });
  }
}
