import { getLogger } from "@logtape/logtape";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { auditEntry } from "../domain/audit.ts";
import type { Failure } from "../domain/delivery.ts";
import { domainOf, recipientsOf } from "../domain/mailbox.ts";
import type { Message } from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { RESERVED, STARTED } from "../storage/idempotency.ts";
import type { Encryption } from "./encryption.ts";
import { type Notify, notifyOutcomes, type ReportedRecipient } from "./events.ts";
import type { Idempotency, ReservedKey } from "./idempotency.ts";
import { normalizeMessage } from "./normalize-message.ts";
import type { Enqueue } from "./queue/enqueue.ts";
import type { SendNow } from "./send-now.ts";
import {
  type OwnSubmitOptions,
  type RecordResult,
  readStoredResult,
  type Submission,
  type Submit,
  type SubmitFor,
  type SubmitResult,
  toStoredResult,
} from "./submission.ts";

/** 128 bits cannot be guessed and do not repeat. */
const UNIQUE_BYTES = 16;

const log = getLogger(["sealpost", "mail"]);

interface SubmitDeps {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly sendNow: SendNow;
  readonly enqueue: Enqueue;
  readonly idempotency: Idempotency;
  readonly encryption: Pick<Encryption, "assertUsable">;
  readonly database: Database;
  readonly audit: AuditRepository;
  readonly notify: Notify;
  readonly platform: Platform;
  /** Domain of Message-ID if the sender's is an address literal. */
  readonly hostName: string;
}

/**
 * Creates `submit`, the only path for outgoing mail: build, then deliver or enqueue. Test messages take it too, so a
 * passing test proves the real path.
 */
export function createSubmit(deps: SubmitDeps): SubmitFor {
  const { idempotency, database, encryption, platform, hostName } = deps;
  return (submitter) =>
    async (target, message, options = {}) => {
      const identity = newIdentity(platform, hostName);
      const submission = { target, message: normalizeMessage(message), options, submitter, identity };
      const { idempotencyKey: key, certificates } = options;
      if (certificates) await encryption.assertUsable(certificates, "certificates");
      if (key === undefined) return submit(deps, submission, null);
      const content = options.idempotencyContent ?? JSON.stringify([target, withTexts(message), options]);
      const state = (await isForQueue(deps, submission)) ? RESERVED : STARTED;
      const call = await idempotency.reserve({ scope: submitter.name, key, content }, state);
      if ("response" in call) return readStoredResult(call.response);
      try {
        return await submit(deps, submission, call);
      } catch (error) {
        // Either nothing was sent, or all of it is stored together with the response; then release changes nothing.
        await database
          .commit([call.release()])
          .catch((failure) => log.warning("Cannot release an idempotency key: {error}", { error: failure }));
        throw error;
      }
    };
}

/** @param call the idempotency key that the call has reserved, or `null`. */
async function submit(
  deps: SubmitDeps,
  submission: Submission,
  call: ReservedKey | null,
): Promise<SubmitResult> {
  const { loadServer, sendNow, enqueue } = deps;
  const { target, options } = submission;
  const record: RecordResult = (result) => [
    deps.audit.insert(submitEntry(submission, result, deps.platform.now())),
    ...(call ? [call.complete(toStoredResult(result))] : []),
    ...(options.extraStatements?.(result) ?? []),
  ];
  const candidates = candidatesOf(typeof target === "function" ? await target() : target);
  const server = await firstOf(candidates, loadServer);
  // A decoy must never be delivered, which only the queue ensures.
  if (server && (options.decoy || (options.queue ?? server.enqueueJob))) {
    const names = candidates.filter((candidate) => typeof candidate === "string");
    return enqueue(server, { ...submission, names }, record);
  }
  // The definition that was read above is not read a second time.
  const unread = candidates.map((candidate) => (candidate === server?.identifier ? server : candidate));
  // Depends on the sender of the definition that was used last.
  let messageId = "";
  const identity: Submission["identity"] = (from) => {
    const made = submission.identity(from);
    messageId = made.messageId;
    return made;
  };
  const result = await sendNow(unread, { ...submission, identity });
  if (result.state === "failed") logFailed(messageId, result);
  try {
    await deps.database.append(...record(result));
  } catch (error) {
    // The message is sent. An error here would make the caller send it twice.
    log.error("Cannot record the result of a message: {error}", { error });
  }
  if (!options.decoy) report(deps.notify, submission, messageId, result);
  return result;
}

function report(
  notify: Notify,
  submission: Submission,
  messageId: string,
  result: Exclude<SubmitResult, { state: "queued" }>,
): void {
  const { submitter, options } = submission;
  const { purpose = "notice" } = options;
  const message = {
    mailId: "",
    messageId,
    identifier: result.identifier,
    submitter: submitter.name,
    purpose,
  };
  notifyOutcomes(notify, message, finalStates(submission, result));
}

/** Returns the states of recipients by the words of queued mail. Without a transaction, all have the state of the message. */
function finalStates(
  { message }: Submission,
  result: Exclude<SubmitResult, { state: "queued" }>,
): readonly ReportedRecipient[] {
  if (result.state === "failed" && result.recipients.length === 0)
    return recipientsOf(message).map((address) => ({ address, ...stateAfter(result.failure) }));
  return result.recipients.map(({ recipient, receipt }) => ({
    address: recipient,
    ...(receipt.successful ? { state: "sent" } : stateAfter(receipt.failure)),
  }));
}

function stateAfter(failure: Failure): Pick<ReportedRecipient, "state" | "failure"> {
  return { state: failure.outcome === "unknown" ? "unknown" : "failed", failure };
}

/** @param messageId empty if no message was built. */
function logFailed(messageId: string, result: Extract<SubmitResult, { state: "failed" }>): void {
  const { identifier, failure } = result;
  const properties = { messageId, identifier, code: failure.code, phase: failure.phase };
  log.warning("Message {messageId} through {identifier} failed: {code} in phase {phase}", properties);
}

/** Whether the message and its response are stored in one commit, so that an interrupted call leaves nothing behind. */
async function isForQueue({ loadServer }: SubmitDeps, { target, options }: Submission): Promise<boolean> {
  const { decoy, queue }: OwnSubmitOptions = options;
  if (decoy || queue !== undefined) return decoy || queue === true;
  if (typeof target === "function") return false;
  return (await firstOf(candidatesOf(target), loadServer))?.enqueueJob === true;
}

/** Returns names of saved definitions, or one unsaved definition. */
function candidatesOf(target: Parameters<Submit>[0]): readonly (string | ResolvedServer)[] {
  return isNames(target) ? target : [target];
}

function isNames(target: Parameters<Submit>[0]): target is readonly string[] {
  return Array.isArray(target);
}

async function firstOf(
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

function submitEntry({ message, submitter }: Submission, result: SubmitResult, date: Date) {
  return auditEntry(submitter.actor, date, {
    ...auditOutcome(result),
    identifier: result.identifier,
    recipient: recipientsOf(message).join(","),
  });
}

function auditOutcome(result: SubmitResult) {
  const notes = [result.smime?.code, result.smime?.further?.code]
    .filter((code) => code !== undefined)
    .map((code) => `sent ${code === "encrypt_no_certificate" ? "unencrypted" : "unsigned"}: ${code}`);
  if (result.state === "queued") {
    return { success: true, outcome: "queued", phase: "", info: [...notes, result.mailId].join("; ") };
  }
  for (const { identifier, code } of result.skipped) notes.push(`failover from ${identifier}: ${code}`);
  if (result.state === "delivered") {
    return { success: true, outcome: "sent", phase: "", info: notes.join("; ") };
  }
  const { phase, code, outcome } = result.failure;
  const others = result.skipped.length > 0 ? notes : [];
  return { success: false, outcome, phase, info: [code, ...others].join("; ") };
}
