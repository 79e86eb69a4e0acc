import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import { notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import type { RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import { isUnavailable } from "../../storage/errors.ts";
import type { Build } from "../build.ts";
import type { Circuit } from "../circuit.ts";
import type { Deliver, DeliverableMail } from "../deliver.ts";
import { type AfterAttempt, afterAttempt } from "../queue/after-attempt.ts";
import type { ContentSeal, MailContent } from "../queue/content.ts";
import type { LeasedMail } from "./leased-mail.ts";
import type { LeaseTimes } from "./leases.ts";
import type { OutcomeRecorder } from "./outcome-recorder.ts";
import { attemptTarget, expired } from "./outcomes.ts";

/** RFC 5321 4.5.3.2.6 asks for ten minutes; giving up early causes duplicates. */
const FINAL_REPLY_TIMEOUT_MS = 300_000;
/** Wait before a message is attempted again that no key of this instance decrypts. */
const UNSEALABLE_MS = 600_000;
const UNAVAILABLE_MS = 1_000;
/** Wait after any other error in Sealpost. */
const AFTER_ERROR_MS = 60_000;
const RANDOM_BYTES = 4;

const log = getLogger(["sealpost", "worker"]);

interface AttemptOptions {
  /** Timeout of the reply to the end of the message, in milliseconds. Default: five minutes. */
  readonly finalReplyTimeoutMs?: number | undefined;
  /** Whether transactions may still start. If not, a message that waited in the transport is released. */
  readonly mayStart: () => boolean;
}

/** Attempts to deliver leased messages. Neither function rejects. */
export interface Attempts {
  /**
   * Attempts one recipient, and updates its progress in `mail`, which the caller records.
   * @param index of the recipient in the message.
   */
  attempt(mail: LeasedMail, index: number, options: AttemptOptions): Promise<void>;
  /**
   * Decrypts a message before its attempt, so that no connection waits for it. A large message is decrypted only for the
   * attempt, because hundreds may be leased.
   */
  prepare(mail: LeasedMail): Promise<void>;
}

interface AttemptsDeps {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly build: Build;
  readonly deliver: Deliver;
  readonly contentSeal: ContentSeal;
  readonly recorder: OutcomeRecorder;
  readonly circuit: Circuit;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
}

/** Creates the attempts of a worker. */
export function createAttempts(deps: AttemptsDeps): Attempts {
  const { platform, contentSeal } = deps;
  return {
    async attempt(mail, index, options) {
      const before = mail.recipients[index];
      const date = platform.now();
      try {
        if (!before) return;
        const attempted = await attemptRecipient(deps, mail, before, options);
        if (attempted === null) return;
        const { progress, record } = attempted;
        mail.advance(index, progress, record && { ...attemptTarget(mail, before, date), ...record });
      } catch (error) {
        log.error("Cannot attempt message {mailId}: {error}", { mailId: mail.id, error });
        const dueAt = Math.min(platform.now().getTime() + waitAfterError(error), mail.row.giveUpAt.getTime());
        if (before) mail.advance(index, { ...before, dueAt }, null);
      } finally {
        // Decrement last. Releasing the lease with recipients in flight would deliver to them twice.
        mail.remaining--;
      }
    },

    async prepare(mail) {
      if (mail.row.content !== "") await contentOf(contentSeal, mail).catch(() => undefined);
    },
  };
}

/** @returns `null` if the message is no longer leased, or may not start. */
async function attemptRecipient(
  deps: AttemptsDeps,
  mail: LeasedMail,
  before: RecipientProgress,
  options: AttemptOptions,
) {
  const { platform, lease, recorder } = deps;
  const context = mail.attemptContext(platform.now().getTime(), randomOf(platform));
  if (context.now >= context.giveUpAt) return { progress: expired(mail, before, context.now), record: null };
  if (mail.signal.aborted || !mail.mayStart(lease.marginMs)) return null;
  const content = await contentOf(deps.contentSeal, mail);
  if (content.decoy) {
    return { progress: { ...before, state: "cancelled", dueAt: null } as const, record: null };
  }
  if (mail.row.onUnknown === "stop") {
    mail.started ??= recorder.markStarted({ id: mail.id, lease: mail.lease });
    // A slow commit may have used up the lease.
    if (!(await mail.started) || !mail.mayStart(lease.marginMs)) return null;
  }
  const receipt = await send(deps, mail, before.address, content, options);
  const isCanceled = !receipt.successful && receipt.failure.code === "cancelled";
  if (isCanceled && !options.mayStart() && !mail.signal.aborted) return null;
  const after = afterAttempt(before, receipt, { ...context, now: platform.now().getTime() });
  return { progress: after.progress, record: recordOf(after, receipt) };
}

async function send(
  deps: AttemptsDeps,
  mail: LeasedMail,
  recipient: string,
  content: MailContent,
  { finalReplyTimeoutMs = FINAL_REPLY_TIMEOUT_MS, mayStart }: AttemptOptions,
): Promise<Receipt> {
  const final = await finalBytes(deps, mail, content);
  if ("successful" in final) return final;
  const { queueName } = mail.row;
  const mayTransact = () => mail.mayStart(deps.lease.marginMs) && mayStart();
  const [result] = await deps.deliver(
    { ...final, recipients: [recipient] },
    { signal: mail.signal, finalReplyTimeoutMs, mayTransact },
  );
  if (!result) throw new Error("A delivery to one recipient has one result");
  const { receipt } = result;
  if (queueName !== "") await deps.circuit.observe(queueName, receipt.successful ? null : receipt.failure);
  return receipt;
}

/** Returns the bytes and the server for them, built again for another definition; a receipt if there are none. */
async function finalBytes(
  { loadServer, build }: AttemptsDeps,
  { row }: LeasedMail,
  content: MailContent,
): Promise<Omit<DeliverableMail, "recipients"> | Receipt> {
  const server = content.server ?? (await loadServer(row.queueName));
  if (server === null) return notAttempted(notSent("policy", "server_unknown"));
  const { source, bytes, builtFor } = content;
  if (source === null || server.identifier === builtFor) return { server, from: row.sender, bytes };
  const built = await build(server, source.message, (from) => ({ ...source.identity, from }));
  return built.failure ? notAttempted(built.failure) : { server, from: built.from, bytes: built.bytes };
}

function contentOf(contentSeal: ContentSeal, mail: LeasedMail): Promise<MailContent> {
  mail.content ??= contentSeal.open(mail.id, mail.row.content);
  return mail.content;
}

function recordOf({ outcome, decision }: AfterAttempt, receipt: Receipt) {
  const failure = receipt.successful ? null : receipt.failure;
  return {
    outcome,
    decision,
    phase: failure?.phase ?? "",
    code: failure?.code ?? "",
    reply: receipt.successful ? receipt.reply : (failure?.reply ?? null),
    timingMs: receipt.timingMs,
  };
}

function waitAfterError(error: unknown): number {
  if (isUnavailable(error)) return UNAVAILABLE_MS;
  return error instanceof SealpostError && error.code === "unsealable" ? UNSEALABLE_MS : AFTER_ERROR_MS;
}

/** Returns a number from 0 to 1. */
function randomOf(platform: Platform): number {
  return new DataView(platform.randomBytes(RANDOM_BYTES).buffer).getUint32(0) / 2 ** 32;
}
