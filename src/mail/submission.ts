import type { Statement } from "../contracts/database.ts";
import type { MailOptions } from "../contracts/plugin/mail.ts";
import type { AuditActor } from "../domain/audit.ts";
import { type Failure, NOTHING_SEEN, type Receipt } from "../domain/delivery.ts";
import type { Mailbox } from "../domain/mailbox.ts";
import type { Message, MessageIdentity, NormalizedMessage } from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { SmimeResult } from "./build.ts";
import type { RecipientResult } from "./deliver.ts";

/** A definition that a message did not go through. */
export interface SkippedServer {
  readonly identifier: string;
  /** The failure code that is the reason. */
  readonly code: string;
}

/** The result of a submission. */
export type SubmitResult =
  | {
      readonly state: "delivered";
      /** Name of the definition that the message went through. */
      readonly identifier: string;
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
      /** Definitions before this one that failed through their own fault, or whose circuit is open. */
      readonly skipped: readonly SkippedServer[];
      /** ID of its row in the queue. Absent if it has none. */
      readonly mailId?: string;
    }
  | {
      readonly state: "queued";
      readonly identifier: string;
      readonly mailId: string;
      readonly smime: SmimeResult;
    }
  | {
      readonly state: "failed";
      readonly identifier: string;
      /** The failure of the first recipient that was not reached. */
      readonly failure: Failure;
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
      /** Definitions before this one that failed by their own fault, or whose circuit is open. */
      readonly skipped: readonly SkippedServer[];
      /** ID of its row in the queue. Absent if it has none. */
      readonly mailId?: string;
    };

/**
 * Sends a message or queues it.
 * @param server the name of a definition; several names, for failover in this order; or an unsaved definition.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, which name the field, for a message that cannot be
 * sent as it is; `too_large` for more than 15 MiB of text and attachments.
 */
export type Submit = (
  server: string | readonly string[] | ResolvedServer,
  message: Message,
  options?: MailOptions,
) => Promise<SubmitResult>;

/** The caller on whose behalf a message is sent. */
interface Submitter {
  /** Scope of its idempotency keys, and its name in records: `admin <name>`, `plugin <name>`, … */
  readonly name: string;
  readonly actor: AuditActor;
  /** Whether its messages test a definition. */
  readonly isTest?: boolean;
}

/** Returns the statements that record a result, or that are committed together with these. */
export type RecordResult = (result: SubmitResult) => readonly Statement[];

/** Options that only Sealpost's own code sets. */
export interface OwnSubmitOptions extends MailOptions {
  /** The content that calls with the same key must have in common. Default: everything that is submitted. */
  readonly idempotencyContent?: string;
  readonly extraStatements?: RecordResult | undefined;
  /** Called right before MAIL is written, if the message is not queued; `false` cancels it. */
  readonly mayTransact?: (() => boolean) | undefined;
  /** Whether a message that is not queued leaves a row in the queue as well, in its final state. Default: false. */
  readonly keepsRow?: boolean;
}

/** The target of a message. A function resolves an unsaved definition, and only runs if the call is not a repetition. */
export type SubmitTarget = Parameters<Submit>[0] | (() => Promise<ResolvedServer>);

export type SubmitFor = (
  submitter: Submitter,
) => (server: SubmitTarget, message: Message, options?: OwnSubmitOptions) => Promise<SubmitResult>;

/** A submitted message that was checked. */
export interface Submission {
  readonly target: SubmitTarget;
  readonly message: NormalizedMessage;
  readonly options: OwnSubmitOptions;
  readonly submitter: Submitter;
  /** Returns the fixed part of the message, given its From. */
  readonly identity: (from: Mailbox) => MessageIdentity;
}

/** Fields that receipts of older versions lack. */
const ABSENT = { roundTrips: 0, seen: NOTHING_SEEN };

/** A field that the `smime` of results of older versions lacks. */
const NOT_ENCRYPTED = { encrypted: false };

/** Returns a result as it is stored under an idempotency key, where skipped servers have an older name. */
export function toStoredResult(result: SubmitResult): unknown {
  if (result.state === "queued") return result;
  const { skipped: passedOver, ...rest } = result;
  return { ...rest, passedOver };
}

/** Reads the JSON of a result that was stored under an idempotency key. Dates are texts there. */
export function readStoredResult(text: string): SubmitResult {
  const { passedOver: skipped, smime: storedSmime, ...stored } = JSON.parse(text);
  const result = { ...stored, smime: storedSmime && { ...NOT_ENCRYPTED, ...storedSmime } };
  if (result.state === "queued") return result;
  const recipients = result.recipients.map((one: RecipientResult) => ({
    ...one,
    receipt: revived(one.receipt),
  }));
  return { ...result, recipients, skipped };
}

function revived(stored: Receipt): Receipt {
  const receipt = { ...ABSENT, ...stored };
  const chain = receipt.seen.chain?.map(({ notAfter, ...certificate }) => ({
    ...certificate,
    notAfter: notAfter === null ? null : new Date(notAfter),
  }));
  const seen = { ...receipt.seen, chain: chain ?? null };
  return receipt.successful ? { ...receipt, seen, reached: receipt.reached ?? null } : { ...receipt, seen };
}
