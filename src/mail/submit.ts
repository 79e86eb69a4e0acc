import { getLogger } from "@logtape/logtape";
import type { Database, Statement } from "../contracts/database.ts";
import type { MailOptions } from "../contracts/mail-options.ts";
import type { Platform } from "../contracts/platform.ts";
import { type AuditActor, type AuditEntry, auditEntry } from "../domain/audit.ts";
import type { Failure } from "../domain/delivery.ts";
import { domainOf, type Mailbox } from "../domain/mailbox.ts";
import {
  type Message,
  type MessageIdentity,
  type NormalizedMessage,
  recipientsOf,
} from "../domain/message.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { RESERVED, STARTED } from "../storage/idempotency.ts";
import type { SmimeResult } from "./build.ts";
import type { RecipientResult } from "./deliver.ts";
import type { Idempotency, ReservedKey } from "./idempotency.ts";
import { normalizeMessage } from "./normalize-message.ts";
import type { Enqueue } from "./queue/enqueue.ts";
import type { SendNow } from "./send-now.ts";
import { readStoredResult, toStoredResult } from "./stored-result.ts";

/** A definition that a mail did not go through. */
export interface SkippedServer {
  readonly identifier: string;
  /** Why not. */
  readonly code: string;
}

export type SubmitResult =
  | {
      readonly state: "delivered";
      /** Name of the definition that it went through. */
      readonly identifier: string;
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
      /** Definitions before this one that failed by their own fault, or whose circuit is open. */
      readonly skipped: readonly SkippedServer[];
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
      /** The failure that speaks for all: of the first recipient that was not reached. */
      readonly failure: Failure;
      readonly recipients: readonly RecipientResult[];
      readonly smime: SmimeResult;
      /** Definitions before this one that failed by their own fault, or whose circuit is open. */
      readonly skipped: readonly SkippedServer[];
    };

/**
 * Sends a message or queues it.
 * @param server name of a definition, names of which the next is used where one is at fault, or an unsaved one.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter` for a message that cannot be sent as it is, with the
 * name of the field, and `too_large` for more than 15 MiB of text and attachments.
 */
export type Submit = (
  server: string | readonly string[] | ResolvedServer,
  message: Message,
  options?: MailOptions,
) => Promise<SubmitResult>;

/** On whose behalf mail is sent. */
export interface Submitter {
  /** Whose idempotency keys these are, and what the record says: `admin <name>`, `plugin <name>`, … */
  readonly name: string;
  readonly actor: AuditActor;
}

/** What only Sealpost's own callers say. */
export interface OwnSubmitOptions extends MailOptions {
  /** What the call is about, if it is more than what is submitted. */
  readonly idempotencyContent?: string;
  /** Statements to be committed with the record of the result. */
  readonly extraStatements?: ExtraStatements | undefined;
}

/** A configuration that is made only if the call is not a repetition. */
type MakeServer = () => Promise<ResolvedServer>;

export type SubmitFor = (
  submitter: Submitter,
) => (
  server: Parameters<Submit>[0] | MakeServer,
  message: Message,
  options?: OwnSubmitOptions,
) => Promise<SubmitResult>;

/** Statements to be committed together with what a call does. */
export type ExtraStatements = (result: SubmitResult) => readonly Statement[];

const log = getLogger(["sealpost", "mail"]);

/**
 * Makes the one way by which mail leaves: compose → sign → deliver now, or store and wake. Test mail, mail of plugins
 * and queued mail all come through here, so what a test shows holds for every mail.
 */
export function createSubmit(parts: {
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly sendNow: SendNow;
  readonly enqueue: Enqueue;
  readonly idempotency: Idempotency;
  readonly database: Database;
  readonly audit: AuditRepository;
  readonly platform: Platform;
  /** Domain of Message-ID when the sender has none of use. */
  readonly hostName: string;
}): SubmitFor {
  const { loadServer, sendNow, enqueue, idempotency, database, audit, platform, hostName } = parts;

  /** @param call the idempotency key that it has taken, if there is one. */
  async function submit(mail: Outgoing, call: ReservedKey | null): Promise<SubmitResult> {
    const { options } = mail;
    const alongside: ExtraStatements = (result) => [
      ...(call ? [call.complete(toStoredResult(result))] : []),
      ...(options.extraStatements?.(result) ?? []),
    ];
    const named = typeof mail.named === "function" ? await mail.named() : mail.named;
    const names = typeof named === "string" ? [named] : isNames(named) ? named : null;
    const server = names ? await firstOf(names, loadServer) : (named as ResolvedServer);
    // A decoy that is not queued would reach somebody.
    if (server && (options.decoy || (options.queue ?? server.enqueueJob))) {
      return enqueue(server, { ...mail, names: names ?? [] }, alongside);
    }
    // What was just read need not be read again.
    const candidates = names?.map((name) => (name === server?.identifier ? server : name));
    const result = await sendNow(candidates ?? [named as ResolvedServer], mail);
    await account(mail, result, alongside);
    return result;
  }

  /** Whether the message is stored together with its answer, so that a call that is cut off has done nothing. */
  async function isForQueue(named: Outgoing["named"], { decoy, queue }: OwnSubmitOptions): Promise<boolean> {
    if (decoy || queue !== undefined) return decoy || queue === true;
    if (typeof named === "function") return false;
    if (typeof named !== "string" && !isNames(named)) return named.enqueueJob;
    return (await firstOf(typeof named === "string" ? [named] : named, loadServer))?.enqueueJob === true;
  }

  /** The mail is gone: to answer with an error now would have it sent again. */
  async function account(mail: Outgoing, result: SubmitResult, alongside: ExtraStatements): Promise<void> {
    const entry = submitEntry(mail, result, platform.now());
    try {
      await database.append(audit.insert(entry), ...alongside(result));
    } catch (error) {
      log.error("No audit row for a mail: {error}", { error });
    }
  }

  return (submitter) =>
    async (named, message, options = {}) => {
      const identity = newIdentity(platform, hostName);
      const mail = { named, message: normalizeMessage(message), options, submitter, identity };
      const { idempotencyKey: key } = options;
      if (key === undefined) return submit(mail, null);
      const content = options.idempotencyContent ?? JSON.stringify([named, withTexts(message), options]);
      const state = (await isForQueue(named, options)) ? RESERVED : STARTED;
      const call = await idempotency.reserve({ scope: submitter.name, key, content }, state);
      if ("response" in call) return readStoredResult(call.response);
      try {
        return await submit(mail, call);
      } catch (error) {
        // Nothing was sent, or all of it is stored together with the answer, which stands then.
        await database
          .commit([call.release()])
          .catch((failure) => log.warning("An idempotency key stays taken: {error}", { error: failure }));
        throw error;
      }
    };
}

/** The message with its bytes as texts: JSON would write each octet as a field of its own. */
function withTexts(message: Message): unknown {
  if (!message.attachments) return message;
  const attachments = message.attachments.map(({ content, ...attachment }) => ({
    ...attachment,
    content: typeof content === "string" ? { text: content } : content.toBase64(),
  }));
  return { ...message, attachments };
}

/** A mail on its way out. */
export interface Outgoing {
  readonly named: Parameters<Submit>[0] | MakeServer;
  readonly message: NormalizedMessage;
  readonly options: OwnSubmitOptions;
  readonly submitter: Submitter;
  /** What is fixed of the mail, for the address that it comes from. */
  readonly identity: (from: Mailbox) => MessageIdentity;
}

function isNames(named: Parameters<Submit>[0]): named is readonly string[] {
  return Array.isArray(named);
}

async function firstOf(
  names: readonly string[],
  loadServer: (identifier: string) => Promise<ResolvedServer | null>,
): Promise<ResolvedServer | null> {
  for (const name of names) {
    const server = await loadServer(name);
    if (server) return server;
  }
  return null;
}

/** 128 bits: nobody guesses or repeats one. */
const UNIQUE_BYTES = 16;

function newIdentity(platform: Platform, hostName: string): Outgoing["identity"] {
  const date = platform.now();
  const unique = platform.randomBytes(UNIQUE_BYTES).toHex();
  const boundary = platform.randomBytes(UNIQUE_BYTES).toHex();
  return (from) => {
    const domain = domainOf(from.address);
    const idDomain = domain.startsWith("[") ? hostName : domain;
    return { from, date, messageId: `<${unique}@${idDomain}>`, boundary };
  };
}

/** What the audit log says of a mail that was handed in. */
export function submitEntry({ message, submitter }: Outgoing, result: SubmitResult, date: Date): AuditEntry {
  return auditEntry(submitter.actor, date, {
    ...auditOutcome(result),
    identifier: result.identifier,
    recipient: recipientsOf(message).join(","),
  });
}

function auditOutcome(result: SubmitResult) {
  const notes = result.smime?.signed === false ? [`sent unsigned: ${result.smime.code}`] : [];
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
