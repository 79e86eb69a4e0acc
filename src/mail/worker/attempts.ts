import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { auditEntry } from "../../domain/audit.ts";
import { notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import { isPending, type RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import { isUnavailable } from "../../storage/errors.ts";
import type { Build } from "../build.ts";
import type { Circuit } from "../circuit.ts";
import type { Deliver } from "../deliver.ts";
import type { Notify } from "../events.ts";
import { type AfterAttempt, afterAttempt, afterUnknown, stateAtEnd } from "../queue/after-attempt.ts";
import type { ContentSeal, MailContent } from "../queue/content.ts";
import type { LeasedMail } from "./leased-mail.ts";
import type { LeaseTimes } from "./leases.ts";
import type { OutcomeRecorder } from "./outcome-recorder.ts";

/** RFC 5321 4.5.3.2.6 asks for ten minutes; to give up early makes duplicates. */
const FINAL_REPLY_MS = 300_000;
/** When to look again at a mail that no key of this instance opens, or after an error of the database or of ours. */
const UNSEALABLE_MS = 600_000;
const AFTER_AWAY_MS = 1_000;
const AFTER_ERROR_MS = 60_000;
const RANDOM_BYTES = 4;
const ACTOR = { administrator: "", realm: "", client: "", policies: "", requestId: "" };

const log = getLogger(["sealpost", "worker"]);

export interface AttemptOptions {
  /** How long to wait for the reply to the end of the body, in milliseconds; default: five minutes. */
  readonly finalReplyTimeoutMs?: number | undefined;
  /** Whether messages may still be begun; one that waited in the transport meanwhile is given back. */
  readonly mayBegin: () => boolean;
}

export type Attempts = ReturnType<typeof createAttempts>;

/** The tries to bring held mails to their recipients, and what follows from each. */
export function createAttempts(parts: {
  readonly database: Database;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly build: Build;
  readonly deliver: Deliver;
  readonly contentSeal: ContentSeal;
  readonly records: OutcomeRecorder;
  readonly circuit: Circuit;
  readonly audit: AuditRepository;
  readonly notify: Notify;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
}) {
  const { database, loadServer, build, deliver, contentSeal, records, circuit, audit, notify } = parts;
  const { platform, lease } = parts;
  const nowMs = () => platform.now().getTime();
  const random = () => new DataView(platform.randomBytes(RANDOM_BYTES).buffer).getUint32(0) / 2 ** 32;

  /** What is sent and through what; a receipt if it comes to nothing before. */
  async function prepare(
    { row }: LeasedMail,
    content: MailContent,
  ): Promise<
    | { readonly server: ResolvedServer; readonly from: string; readonly bytes: Uint8Array<ArrayBuffer> }
    | Receipt
  > {
    const server = content.server ?? (await loadServer(row.queueName));
    if (server === null) return notAttempted(notSent("policy", "server_unknown"));
    const { source, bytes, builtFor } = content;
    if (source === null || server.identifier === builtFor) return { server, from: row.sender, bytes };
    const built = await build(server, source.message, (from) => ({ ...source.identity, from }));
    return built.failure ? notAttempted(built.failure) : { server, ...built };
  }

  async function send(mail: LeasedMail, recipient: string, content: MailContent, options: AttemptOptions) {
    const ready = await prepare(mail, content);
    if ("successful" in ready) return ready;
    const { finalReplyTimeoutMs = FINAL_REPLY_MS } = options;
    const mayTransact = () => mail.mayBegin(lease.marginMs) && options.mayBegin();
    const [result] = await deliver(
      { ...ready, recipients: [recipient] },
      { signal: mail.signal, finalReplyTimeoutMs, mayTransact },
    );
    if (!result) throw new Error("One recipient has one result");
    const { receipt } = result;
    if (mail.row.queueName !== "") {
      await circuit.observe(mail.row.queueName, receipt.successful ? null : receipt.failure);
    }
    return receipt;
  }

  function open(mail: LeasedMail): Promise<MailContent> {
    mail.content ??= contentSeal.open(mail.id, mail.row.content);
    return mail.content;
  }

  /** @returns null if the mail is no longer held. */
  async function attempt(
    mail: LeasedMail,
    before: RecipientProgress,
    options: AttemptOptions,
  ): Promise<{ readonly after: AfterAttempt; readonly receipt: Receipt | null } | null> {
    const context = mail.attemptContext(nowMs(), random());
    if (context.now >= context.giveUpAt) return { after: atEnd(mail, before, context.now), receipt: null };
    if (mail.signal.aborted || !mail.mayBegin(lease.marginMs)) return null;
    const content = await open(mail);
    if (content.decoy)
      return { after: silently({ ...before, state: "cancelled", dueAt: null }), receipt: null };
    if (mail.row.onUnknown === "stop") {
      mail.begun ??= records.begin({ id: mail.id, lease: mail.lease });
      // A slow commit may have used up the lease.
      if (!(await mail.begun) || !mail.mayBegin(lease.marginMs)) return null;
    }
    const receipt = await send(mail, before.address, content, options);
    if (
      !receipt.successful &&
      receipt.failure.code === "cancelled" &&
      !options.mayBegin() &&
      !mail.signal.aborted
    )
      return null;
    return { after: afterAttempt(before, receipt, { ...context, now: nowMs() }), receipt };
  }

  async function settle(mail: LeasedMail): Promise<boolean> {
    const now = platform.now();
    const settlement = mail.settlement({ now, leaseEndsAt: new Date(now.getTime() + lease.leaseMs) });
    const isEnd = settlement.dueAt === null && mail.takeEnd();
    const isHeld = await records.settle(settlement);
    const { state } = settlement;
    if (isHeld && isEnd && state === "sent") await tellOfDetour(mail);
    else if (isHeld && isEnd && state !== "cancelled") await tellOfFailure(mail);
    return isHeld;
  }

  /** That a mail left by another definition than it was accepted for, and so perhaps in another name. */
  async function tellOfDetour({ row, content, recipients }: LeasedMail): Promise<void> {
    const { builtFor = "", source = null } = (await content) ?? {};
    if (source === null || builtFor === row.queueName) return;
    const recipient = recipients.map(({ address }) => address).join(",");
    const info = `failover from ${builtFor}; ${row.id}`;
    await note({ success: true, identifier: row.queueName, recipient, outcome: "sent", info });
  }

  async function note(fields: Parameters<typeof auditEntry>[2]): Promise<void> {
    const entry = auditEntry({ ...ACTOR, action: "worker" }, platform.now(), fields);
    await database
      .append(audit.insert(entry))
      .catch((error) => log.error("No audit row for a mail: {error}", { error }));
  }

  async function tellOfFailure(mail: LeasedMail): Promise<void> {
    const { row } = mail;
    const missed = mail.recipients.filter((one) => one.state !== "sent");
    for (const { address, state, failure } of missed) {
      const said = { phase: failure?.phase ?? "", info: [state, failure?.code ?? "", row.id].join(" ") };
      const outcome = state === "unknown" ? "unknown" : "not-sent";
      const target = { success: false, identifier: row.identifier, recipient: address, outcome };
      await note({ ...target, ...said });
    }
    notify("mail_failed", {
      mailId: row.id,
      identifier: row.identifier,
      submitter: row.submitter,
      recipients: missed.map(({ address }) => address),
      state: missed[0]?.state ?? "",
      code: missed[0]?.failure?.code ?? "",
    });
  }

  return {
    /**
     * Attempts one recipient; what became of it is in the mail, to be settled. Never rejects.
     * @param at the recipient's place in the mail.
     */
    async attempt(mail: LeasedMail, at: number, options: AttemptOptions): Promise<void> {
      const before = mail.recipients[at];
      const date = platform.now();
      try {
        if (!before) return;
        const tried = await attempt(mail, before, options);
        if (tried === null) return;
        const { after, receipt } = tried;
        mail.advance(
          at,
          after.progress,
          receipt && { ...said(mail, before, date), ...attemptOf(after, receipt) },
        );
      } catch (error) {
        log.error("Mail {mailId} could not be tried: {error}", { mailId: mail.id, error });
        const waitMs = waitAfterError(error);
        const dueAt = Math.min(nowMs() + waitMs, mail.row.giveUpAt.getTime());
        if (before) mail.advance(at, { ...before, dueAt }, null);
      } finally {
        // Not before: the mail would be let go of with its last recipients on their way, and they would get it twice.
        mail.left--;
      }
    },

    /**
     * Opens a mail before its turn, so that no connection waits for it; a large one only then, as hundreds may be held.
     * Never rejects: the attempt does.
     */
    async open(mail: LeasedMail): Promise<void> {
      if (mail.row.content !== "") await open(mail).catch(() => undefined);
    },

    /** Writes down how far a mail is; false: it is no longer held. Never rejects. */
    settle,

    /** Ends a message whose time is over, and releases it. */
    async end(mail: LeasedMail): Promise<void> {
      for (const [index, one] of mail.recipients.entries()) {
        if (isPending(one)) mail.advance(index, atEnd(mail, one, nowMs()).progress, null);
      }
      await settle(mail);
    },

    /** Moves a message to a definition whose circuit is closed, and releases it. */
    async failOver(mail: LeasedMail): Promise<void> {
      const { queueName, alternatives } = mail.row;
      const way = await circuit.firstHealthy(alternatives);
      const { phase = "", code = "" } = (await circuit.lastFailure(queueName)) ?? {};
      const date = platform.now();
      if (way !== undefined) mail.passTo(way);
      for (const at of way === undefined ? [] : mail.due(date.getTime())) {
        const before = mail.recipients[at];
        if (!before) continue;
        const outcome = { outcome: "not-sent", decision: "next-server" } as const;
        const nothing = { phase, code, reply: null, timingMs: {} };
        mail.advance(at, before, { ...said(mail, before, date), ...outcome, ...nothing });
      }
      await settle(mail);
    },

    /** Decides on recipients that a worker was at when it fell silent, and writes that down; false: it is no longer held. */
    async recover(mail: LeasedMail): Promise<boolean> {
      const date = platform.now();
      for (const at of mail.due(date.getTime())) {
        const before = mail.recipients[at];
        if (!before) continue;
        const after = afterUnknown(before, "lost", mail.attemptContext(date.getTime(), 0));
        const { outcome, decision } = after;
        const nothing = { phase: "", code: "", reply: null, timingMs: {} };
        mail.advance(at, after.progress, { ...said(mail, before, date), outcome, decision, ...nothing });
      }
      // Held on to where it is to be repeated.
      mail.left = mail.due(date.getTime()).length;
      return settle(mail);
    },
  };
}

function said({ row }: LeasedMail, { address }: RecipientProgress, date: Date) {
  return { recipient: address, identifier: row.queueName || row.identifier, date };
}

function waitAfterError(error: unknown): number {
  if (isUnavailable(error)) return AFTER_AWAY_MS;
  return error instanceof SealpostError && error.code === "unsealable" ? UNSEALABLE_MS : AFTER_ERROR_MS;
}

/** A final state without an attempt. */
function silently(progress: RecipientProgress): AfterAttempt {
  return { progress, outcome: "not-sent", decision: "ended" };
}

function atEnd(mail: LeasedMail, progress: RecipientProgress, now: number): AfterAttempt {
  return silently({ ...progress, state: stateAtEnd(progress, mail.attemptContext(now, 0)), dueAt: null });
}

function attemptOf({ outcome, decision }: AfterAttempt, receipt: Receipt) {
  const failure = receipt.successful ? null : receipt.failure;
  const { timingMs } = receipt;
  return {
    outcome,
    decision,
    phase: failure?.phase ?? "",
    code: failure?.code ?? "",
    reply: receipt.successful ? receipt.reply : (failure?.reply ?? null),
    timingMs,
  };
}
