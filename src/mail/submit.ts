import { getLogger } from "@logtape/logtape";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { domainOf } from "../domain/mailbox.ts";
import type { Message } from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import { isResponseLost } from "../storage/errors.ts";
import { isKeyTaken, RESERVED, STARTED } from "../storage/idempotency.ts";
import type { Tracer } from "../telemetry/tracer.ts";
import type { Encryption } from "./encryption.ts";
import type { Idempotency, ReservedKey } from "./idempotency.ts";
import { normalizeMessage } from "./normalize-message.ts";
import type { Enqueue } from "./queue/enqueue.ts";
import type { SendNow } from "./send-now.ts";
import {
  type OwnSubmitOptions,
  readStoredResult,
  type Submission,
  type Submit,
  type SubmitFor,
  type SubmitResult,
} from "./submission.ts";
import { type RecordDeps, SubmissionRecord } from "./submission-record.ts";

/** 128 bits cannot be guessed and do not repeat. */
const UNIQUE_BYTES = 16;

const log = getLogger(["sealpost", "mail"]);

/** The dependencies of every submission. */
export interface SubmitDeps extends RecordDeps {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly sendNow: SendNow;
  readonly enqueue: Enqueue;
  readonly idempotency: Idempotency;
  readonly encryption: Pick<Encryption, "assertUsable">;
  readonly database: Database;
  readonly platform: Platform;
  /** Domain of Message-ID if the sender's is an address literal. */
  readonly hostName: string;
  readonly tracer: Tracer;
}

/**
 * Creates `submit`, the only path for outgoing mail: build, then deliver or enqueue. Test messages take it too, so a
 * passing test proves the real path.
 */
export function createSubmit(deps: SubmitDeps): SubmitFor {
  return (submitter) =>
    (target, message, options = {}) =>
      deps.tracer.run("submit", async (span) => {
        const submission = newSubmission(deps, submitter, { target, message, options });
        const result = await submitOnce(deps, submission, message);
        if (span !== null) (await import("./describe-spans.ts")).describeSubmission(span, submission, result);
        return result;
      });
}

/** Submits a message, or returns the result of the call before that had the same idempotency key. */
async function submitOnce(deps: SubmitDeps, submission: Submission, message: Message): Promise<SubmitResult> {
  const { target, options, submitter } = submission;
  const { idempotencyKey: key, certificates } = options;
  if (certificates) await deps.encryption.assertUsable(certificates, "certificates");
  if (key === undefined) return submit(deps, submission, null);
  const content = options.idempotencyContent ?? JSON.stringify([target, withTexts(message), options]);
  const isQueued = await isForQueue(deps, submission);
  const state = isQueued ? RESERVED : STARTED;
  const call = await deps.idempotency.reserve({ scope: submitter.name, key, content }, state);
  if ("response" in call) return readStoredResult(call.response);
  try {
    // A definition that changes meanwhile must not have a message sent under a key that others take over.
    return await submit(
      deps,
      isQueued ? { ...submission, options: { ...options, queue: true } } : submission,
      call,
    );
  } catch (error) {
    // The message may be stored any moment, so the key is free only after the time that a commit may take.
    if (state === RESERVED && isResponseLost(error)) throw error;
    // Either nothing was sent, or all of it is stored together with the response; then release changes nothing.
    await deps.database
      .commit([call.release()])
      .catch((failure) => log.warning("Cannot release an idempotency key: {error}", { error: failure }));
    // Nothing is stored. The other call has a response by now, or the key is free or in use.
    if (isKeyTaken(error)) return submitOnce(deps, submission, message);
    throw error;
  }
}

/** @param call the idempotency key that the call has reserved, or `null`. */
async function submit(
  deps: SubmitDeps,
  submitted: Submission,
  call: ReservedKey | null,
): Promise<SubmitResult> {
  const { loadServer, sendNow, enqueue } = deps;
  const record = new SubmissionRecord(deps, submitted, call);
  const { submission } = record;
  const { target, options } = submission;
  const candidates = candidatesOf(typeof target === "function" ? await target() : target);
  const server = await firstOf(candidates, loadServer);
  // A decoy must never be delivered, which only the queue ensures.
  if (server && (options.decoy || (options.queue ?? server.enqueueJob))) {
    const names = candidates.filter((candidate) => typeof candidate === "string");
    const prepared = await enqueue.prepare(server, { ...submission, names }, (one) => record.statements(one));
    await enqueue.store([prepared]);
    record.report(prepared.result);
    return record.numbered(prepared.result);
  }
  // The definition that was read above is not read a second time.
  const unread = candidates.map((candidate) => (candidate === server?.identifier ? server : candidate));
  const result = await sendNow(unread, submission);
  try {
    await deps.database.append(...record.statements(result));
  } catch (error) {
    // The message is sent. An error here would make the caller send it twice.
    log.error("Cannot record the result of a message: {error}", { error });
  }
  record.report(result);
  return record.numbered(result);
}

/** Whether the message and its response are stored in one commit, so that an interrupted call leaves nothing behind. */
async function isForQueue({ loadServer }: SubmitDeps, { target, options }: Submission): Promise<boolean> {
  const { decoy, queue }: OwnSubmitOptions = options;
  if (decoy || queue !== undefined) return decoy || queue === true;
  if (typeof target === "function") return false;
  return (await firstOf(candidatesOf(target), loadServer))?.enqueueJob === true;
}

/** Returns names of saved definitions, each once, or one unsaved definition. */
function candidatesOf(target: Parameters<Submit>[0]): readonly (string | ResolvedServer)[] {
  return isNames(target) ? [...new Set(target)] : [target];
}

function isNames(target: Parameters<Submit>[0]): target is readonly string[] {
  return Array.isArray(target);
}

/** Returns the first of these definitions that exists. */
export async function firstOf(
  candidates: readonly (string | ResolvedServer)[],
  loadServer: SubmitDeps["loadServer"],
): Promise<ResolvedServer | null> {
  for (const candidate of candidates) {
    const server = typeof candidate === "string" ? await loadServer(candidate) : candidate;
    if (server) return server;
  }
  return null;
}

/** Returns the message with its bytes as texts, because JSON would write each octet as a field. */
function withTexts(message: Message): unknown {
  if (!message.attachments) return message;
  const attachments = message.attachments.map(({ content, ...attachment }) => ({
    ...attachment,
    content: typeof content === "string" ? { text: content } : content.toBase64(),
  }));
  return { ...message, attachments };
}

/**
 * Checks a message, and fixes its date and Message-ID.
 * @throws {SealpostError} as {@link normalizeMessage} does.
 */
export function newSubmission(
  { platform, hostName }: Pick<SubmitDeps, "platform" | "hostName">,
  submitter: Submission["submitter"],
  { message, ...given }: Pick<Submission, "target" | "options"> & { readonly message: Message },
): Submission {
  const identity = newIdentity(platform, hostName);
  return { ...given, message: normalizeMessage(message), submitter, identity };
}

function newIdentity(platform: Platform, hostName: string): Submission["identity"] {
  const date = platform.now();
  const unique = platform.randomBytes(UNIQUE_BYTES).toHex();
  const boundary = platform.randomBytes(UNIQUE_BYTES).toHex();
  return (from) => {
    const domain = domainOf(from.address);
    const idDomain = domain.startsWith("[") ? hostName : domain;
    return { from, date, messageId: `<${unique}@${idDomain}>`, boundary };
  };
}
