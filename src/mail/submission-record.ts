import { getLogger } from "@logtape/logtape";
import type { Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { auditEntry } from "../domain/audit.ts";
import { recipientsOf } from "../domain/mailbox.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { OutboxRepository } from "../storage/outbox.ts";
import { type Notify, notifyOutcomes } from "./events.ts";
import type { ReservedKey } from "./idempotency.ts";
import { finalMail, finalProgress } from "./queue/final-mail.ts";
import { type Submission, type SubmitResult, toStoredResult } from "./submission.ts";

const log = getLogger(["sealpost", "mail"]);

export interface RecordDeps {
  readonly audit: AuditRepository;
  readonly outbox: Pick<OutboxRepository, "insertFinal">;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
  readonly newMailId: () => string;
}

/** The traces of one submission: the audit row, the response under its idempotency key, its row, its event and log line. */
export class SubmissionRecord {
  readonly #deps: RecordDeps;
  readonly #submission: Submission;
  readonly #call: ReservedKey | null;
  /** Absent if a message that is not queued leaves no row. */
  readonly #mailId: string | undefined;
  /** Reverse-path through the definition that was used last. Empty if no message was built. */
  #sender = "";
  #messageId = "";

  /** @param call the idempotency key that the call has reserved, or `null`. */
  constructor(deps: RecordDeps, submission: Submission, call: ReservedKey | null) {
    this.#deps = deps;
    this.#call = call;
    this.#mailId = submission.options.keepsRow ? deps.newMailId() : undefined;
    const identity: Submission["identity"] = (from) => {
      const made = submission.identity(from);
      this.#sender = from.address;
      this.#messageId = made.messageId;
      return made;
    };
    this.#submission = { ...submission, identity };
  }

  /** The submission, observed. */
  get submission(): Submission {
    return this.#submission;
  }

  /** Returns the result with the ID of its row. */
  numbered<R extends SubmitResult>(result: R): R {
    return result.state === "queued" || this.#mailId === undefined
      ? result
      : { ...result, mailId: this.#mailId };
  }

  /** Returns the statements that record the result. */
  statements(result: SubmitResult): readonly Statement[] {
    const { audit, platform } = this.#deps;
    return [
      audit.insert(this.#auditEntry(result, platform.now())),
      ...(this.#call ? [this.#call.complete(toStoredResult(this.numbered(result)))] : []),
      ...this.#row(result),
      ...(this.#submission.options.extraStatements?.(result) ?? []),
    ];
  }

  /** Logs a failure, and emits the events of a message that was not queued. */
  report(result: SubmitResult): void {
    if (result.state === "queued") return;
    const { message, submitter, options } = this.#submission;
    const { identifier } = result;
    if (result.state === "failed") {
      const { code, phase } = result.failure;
      const properties = { messageId: this.#messageId, identifier, code, phase };
      // The definition of a test need not be saved.
      if (identifier === "") log.warning("Message {messageId} failed: {code} in phase {phase}", properties);
      else
        log.warning("Message {messageId} through {identifier} failed: {code} in phase {phase}", properties);
    }
    if (options.decoy) return;
    const reported = {
      id: this.#mailId ?? "",
      messageId: this.#messageId,
      identifier,
      submitter: submitter.name,
      purpose: options.purpose ?? "notice",
    };
    notifyOutcomes(this.#deps.notify, reported, finalProgress(message, result));
  }

  #row(result: SubmitResult): readonly Statement[] {
    const id = this.#mailId;
    if (id === undefined || result.state === "queued") return [];
    const { row, attempts } = finalMail(this.#submission, result, {
      id,
      now: this.#deps.platform.now(),
      sender: this.#sender,
      messageId: this.#messageId,
    });
    return this.#deps.outbox.insertFinal(row, attempts);
  }

  #auditEntry(result: SubmitResult, date: Date) {
    const { message, submitter } = this.#submission;
    return auditEntry(submitter.actor, date, {
      ...auditOutcome(result),
      identifier: result.identifier,
      recipient: recipientsOf(message).join(","),
    });
  }
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
