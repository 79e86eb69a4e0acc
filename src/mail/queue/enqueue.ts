import { getLogger } from "@logtape/logtape";
import type { Database, Statement } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { recipientsOf } from "../../domain/mailbox.ts";
import type { RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type { MailRow, OutboxRepository } from "../../storage/outbox.ts";
import type { Span, Tracer } from "../../telemetry/tracer.ts";
import type { Build, BuiltMessage } from "../build.ts";
import type { RecordResult, Submission, SubmitResult } from "../submission.ts";
import type { ContentSeal } from "./content.ts";
import { giveUpAt } from "./lifetime.ts";

const log = getLogger(["sealpost", "mail"]);

/** A submission and the names of the definitions that it may go through; none for an unsaved definition. */
interface QueuedSubmission extends Submission {
  readonly names: readonly string[];
}

/** A message that was built and encrypted, and what stores it; a failure if it could not be built. */
export interface PreparedMail {
  readonly result: Exclude<SubmitResult, { state: "delivered" }>;
  readonly statements: readonly Statement[];
  /** `null` if the message failed. */
  readonly row: MailRow | null;
}

/** Stores messages for a worker. */
export interface Enqueue {
  /** Builds a message. Nothing is stored yet. */
  prepare(server: ResolvedServer, submission: QueuedSubmission, record: RecordResult): Promise<PreparedMail>;
  /** Stores messages in one commit. They are durable when this resolves. @param further is committed with them. */
  store(prepared: readonly PreparedMail[], ...further: readonly Statement[]): Promise<void>;
}

interface EnqueueDeps {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly build: Build;
  readonly contentSeal: ContentSeal;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly newMailId: () => string;
  readonly tracer: Tracer;
}

/**
 * Creates what queues messages: one commit stores the encrypted content, the recipients and the audit entry. The wake
 * that follows may fail without harm. From, Message-ID, Date, the signed bytes and the certificates of recipients are
 * fixed here; host, port and login are read when the message is delivered, and it is encrypted then.
 */
export function createEnqueue(deps: EnqueueDeps): Enqueue {
  const { database, tracer } = deps;
  return {
    prepare: (server, submission, record) =>
      tracer.run("create", async (span) => {
        const prepared = await prepare(deps, server, submission, record, span?.traceparent);
        if (span !== null)
          (await import("../describe-spans.ts")).describeCreation(span, server, prepared.result);
        return prepared;
      }),

    async store(prepared, ...further) {
      const statements = [...prepared.flatMap((one) => one.statements), ...further];
      const rows = prepared.flatMap(({ row }) => row ?? []);
      // A large message, or a batch, gets a commit of its own: several together might be more than a database accepts.
      const isLarge = rows.length > 1 || rows.some(({ furtherContent }) => furtherContent?.length);
      if (isLarge) await database.commit(statements);
      else await database.append(...statements);
      await wakeFor(deps, rows);
    },
  };
}

/** @param traceparent names the span of this. */
async function prepare(
  deps: EnqueueDeps,
  server: ResolvedServer,
  submission: QueuedSubmission,
  record: RecordResult,
  traceparent: Span["traceparent"],
): Promise<PreparedMail> {
  const { identifier } = server;
  const built = await deps.build(server, submission.message, submission.identity, submission.options);
  const { failure, smime } = built;
  if (failure) {
    const result = { state: "failed", identifier, failure, recipients: [], smime, skipped: [] } as const;
    return { result, statements: record(result), row: null };
  }
  const row = await rowOf(deps, server, submission, built, traceparent);
  const result = { state: "queued", identifier, mailId: row.id, smime } as const;
  return { result, statements: [...deps.outbox.insert(row), ...record(result)], row };
}

/** Notifies the workers of messages that are due, and of each later one for its time. */
async function wakeFor({ wake, platform }: EnqueueDeps, rows: readonly MailRow[]): Promise<void> {
  const now = platform.now();
  const isLater = ({ dueAt }: MailRow) => dueAt !== null && dueAt > now.getTime();
  const due = rows.filter((row) => !isLater(row)).map(({ id }) => id);
  const later = rows.filter(isLater).map(({ id, dueAt }) => ({ id, notBefore: new Date(dueAt ?? 0) }));
  const notify = async (ids: readonly string[], options?: { readonly notBefore: Date }) => {
    await wake.notify(ids, options).catch((error) => {
      log.warning("No wake for message {mailId}, so the next sweep finds it: {error}", {
        mailId: ids.join(),
        error,
      });
    });
  };
  if (due.length > 0) await notify(due);
  for (const { id, notBefore } of later) await notify([id], { notBefore });
}

async function rowOf(
  { contentSeal, platform, newMailId }: EnqueueDeps,
  server: ResolvedServer,
  { message, identity, names, options, submitter }: QueuedSubmission,
  { from, bytes, encryption }: BuiltMessage,
  traceparent: Span["traceparent"],
): Promise<MailRow> {
  const id = newMailId();
  const { identifier } = server;
  const { purpose = "notice", expiresAt = null, certificates, encrypt } = options;
  const { from: _, ...source } = identity({ name: "", address: from });
  const [content = "", ...furtherContent] = await contentSeal.seal(id, {
    bytes,
    encryption,
    builtFor: identifier,
    source: names.length > 1 ? { message, identity: source, certificates, encrypt } : null,
    server: names.length === 0 ? server : null,
    decoy: options.decoy ?? false,
    traceparent,
  });
  const now = platform.now();
  const start = options.sendAt ?? now;
  return {
    id,
    state: "queued",
    identifier,
    queueName: names.length === 0 ? "" : identifier,
    alternatives: names.length > 1 ? names : [],
    submitter: submitter.name,
    messageId: source.messageId,
    sender: from,
    purpose,
    onUnknown: options.onUnknown ?? (purpose === "code" ? "stop" : "repeat"),
    recipients: recipientsOf(message).map((address) => waiting(address, start, now)),
    createdAt: now,
    updatedAt: now,
    expiresAt,
    giveUpAt: giveUpAt(start, expiresAt),
    contentUntil: null,
    dueAt: start.getTime(),
    lease: null,
    started: false,
    lost: 0,
    content,
    furtherContent,
  };
}

function waiting(address: string, start: Date, now: Date): RecipientProgress {
  const dueAt = start.getTime();
  const later = start > now ? { startsAt: dueAt } : {};
  return { address, state: "queued", attempts: 0, dueAt, failure: null, ...later };
}
