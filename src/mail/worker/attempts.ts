import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import { notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import type { Mailbox } from "../../domain/mailbox.ts";
import type { RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import { isUnavailable } from "../../storage/errors.ts";
import type { Tracer } from "../../telemetry/tracer.ts";
import type { Build } from "../build.ts";
import type { Circuit } from "../circuit.ts";
import type { Deliver, DeliverableMail } from "../deliver.ts";
import { afterAttempt, attemptRecord } from "../queue/after-attempt.ts";
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
   * Attempts one recipient, and updates its progress in `mail`, which the caller records. If the recipients share a request
   * to the server, the first attempt is for all of them, and the others do nothing.
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
  /** Whether the recipients of a message share a request to this server. */
  readonly isJoint: (server: ResolvedServer) => boolean;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly build: Build;
  readonly deliver: Deliver;
  readonly contentSeal: ContentSeal;
  readonly recorder: OutcomeRecorder;
  readonly circuit: Circuit;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
  readonly tracer: Tracer;
}

/** Creates the attempts of a worker. */
export function createAttempts(deps: AttemptsDeps): Attempts {
  const { platform, contentSeal } = deps;
  return {
    async attempt(mail, index, options) {
      const date = platform.now();
      try {
        for (const { before, progress, record, ...attempt } of await attemptRecipient(
          deps,
          mail,
          index,
          options,
        )) {
          mail.advance(
            attempt.index,
            progress,
            record && { ...attemptTarget(mail, before, date), ...record },
          );
        }
      } catch (error) {
        log.error("Cannot attempt message {mailId}: {error}", { mailId: mail.id, error });
        const dueAt = Math.min(platform.now().getTime() + waitAfterError(error), mail.row.giveUpAt.getTime());
        for (const one of mail.attemptOf(index))
          mail.advance(one, { ...recipientOf(mail, one), dueAt }, null);
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

/** The progress of one recipient. `record` is `null` if there was no attempt. */
interface Attempted {
  readonly index: number;
  readonly before: RecipientProgress;
  readonly progress: RecipientProgress;
  readonly record: ReturnType<typeof attemptRecord> | null;
}

/** @returns nothing if the message is no longer leased, may not start, or is in the attempt of another recipient. */
async function attemptRecipient(
  deps: AttemptsDeps,
  mail: LeasedMail,
  index: number,
  options: AttemptOptions,
): Promise<readonly Attempted[]> {
  const { platform, lease, recorder } = deps;
  const before = recipientOf(mail, index);
  const context = mail.attemptContext(platform.now().getTime(), randomOf(platform));
  if (context.now >= context.giveUpAt)
    return [{ index, before, progress: expired(mail, before, context.now), record: null }];
  if (mail.signal.aborted || !mail.mayStart(lease.marginMs)) return [];
  const content = await contentOf(deps.contentSeal, mail);
  if (content.decoy) {
    return [{ index, before, progress: { ...before, state: "cancelled", dueAt: null }, record: null }];
  }
  if (mail.row.onUnknown === "stop") {
    mail.started ??= recorder.markStarted({ id: mail.id, lease: mail.lease });
    // A slow commit may have used up the lease.
    if (!(await mail.started) || !mail.mayStart(lease.marginMs)) return [];
  }
  const receipts = await send(deps, mail, index, content, options);
  const now = platform.now().getTime();
  return receipts.flatMap(({ index: one, receipt }) => {
    const isCanceled = !receipt.successful && receipt.failure.code === "cancelled";
    if (isCanceled && !options.mayStart() && !mail.signal.aborted) return [];
    const past = recipientOf(mail, one);
    const after = afterAttempt(past, receipt, { ...context, now });
    return [{ index: one, before: past, progress: after.progress, record: attemptRecord(after, receipt) }];
  });
}

/** The receipt of one recipient. */
interface Received {
  readonly index: number;
  readonly receipt: Receipt;
}

/** @returns none if the recipient is in the attempt of another one. */
async function send(
  deps: AttemptsDeps,
  mail: LeasedMail,
  index: number,
  content: MailContent,
  options: AttemptOptions,
): Promise<readonly Received[]> {
  const final = await finalBytes(deps, mail, content);
  const isReady = !("successful" in final);
  if (isReady && !mail.assign(index, deps.isJoint(final.server))) return [];
  const process = async () =>
    isReady ? sendFinal(deps, mail, index, final, options) : [{ index, receipt: final }];
  return deps.tracer.run(
    "process",
    async (span) => {
      const received = await process();
      if (span !== null)
        (await import("../describe-spans.ts")).describeAttempt(span, {
          row: mail.row,
          server: isReady ? final.server : null,
          recipient: recipientOf(mail, index),
          received,
        });
      return received;
    },
    content.traceparent,
  );
}

/** Delivers to the recipients of the attempt of this one. */
async function sendFinal(
  deps: AttemptsDeps,
  mail: LeasedMail,
  index: number,
  final: Omit<DeliverableMail, "recipients">,
  { finalReplyTimeoutMs = FINAL_REPLY_TIMEOUT_MS, mayStart }: AttemptOptions,
): Promise<readonly Received[]> {
  const { queueName } = mail.row;
  const indexes = mail.attemptOf(index);
  const recipients = indexes.map((one) => recipientOf(mail, one).address);
  const mayTransact = () => mail.mayStart(deps.lease.marginMs) && mayStart();
  const results = await deps.deliver(
    { ...final, recipients },
    { signal: mail.signal, finalReplyTimeoutMs, mayTransact },
  );
  const receipts = indexes.map((one) => {
    const { address } = recipientOf(mail, one);
    const result = results.find(({ recipient }) => recipient === address);
    if (!result) throw new Error("A delivery has a result for each recipient");
    return { index: one, receipt: result.receipt };
  });
  // Recipients may share a receipt, which is one observation.
  for (const receipt of queueName === "" ? [] : new Set(receipts.map((one) => one.receipt))) {
    await deps.circuit.observe(queueName, receipt.successful ? null : receipt.failure);
  }
  return receipts;
}

function recipientOf(mail: LeasedMail, index: number): RecipientProgress {
  const recipient = mail.recipients[index];
  if (!recipient) throw new RangeError("The message has no such recipient");
  return recipient;
}

/** Returns the bytes and the server for them, built again for another definition; a receipt if there are none. */
async function finalBytes(
  { loadServer, build }: AttemptsDeps,
  { row }: LeasedMail,
  content: MailContent,
): Promise<Omit<DeliverableMail, "recipients"> | Receipt> {
  const server = content.server ?? (await loadServer(row.queueName));
  if (server === null) return notAttempted(notSent("policy", "server_unknown"));
  const { source, bytes, encryption, builtFor } = content;
  if (source === null || server.identifier === builtFor)
    return { server, from: row.sender, bytes, encryption };
  const { certificates, encrypt } = source;
  const identity = (from: Mailbox) => ({ ...source.identity, from });
  const built = await build(server, source.message, identity, { certificates, encrypt });
  if (built.failure) return notAttempted(built.failure);
  return { server, from: built.from, bytes: built.bytes, encryption: built.encryption };
}

function contentOf(contentSeal: ContentSeal, mail: LeasedMail): Promise<MailContent> {
  mail.content ??= contentSeal.open(mail.id, mail.row.content);
  return mail.content;
}

function waitAfterError(error: unknown): number {
  if (isUnavailable(error)) return UNAVAILABLE_MS;
  return error instanceof SealpostError && error.code === "unsealable" ? UNSEALABLE_MS : AFTER_ERROR_MS;
}

/** Returns a number from 0 to 1. */
function randomOf(platform: Platform): number {
  return new DataView(platform.randomBytes(RANDOM_BYTES).buffer).getUint32(0) / 2 ** 32;
}
