import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { recipientsOf } from "../../domain/mailbox.ts";
import type { RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type { MailRow, OutboxRepository } from "../../storage/outbox.ts";
import type { Build, BuiltMessage } from "../build.ts";
import type { RecordResult, Submission, SubmitResult } from "../submission.ts";
import type { ContentSeal } from "./content.ts";
import { giveUpAt } from "./lifetime.ts";

const log = getLogger(["sealpost", "mail"]);

/** A submission and the names of the definitions that it may go through; none for an unsaved definition. */
interface QueuedSubmission extends Submission {
  readonly names: readonly string[];
}

/** Stores a message for a worker. It is durable when this resolves. */
export type Enqueue = (
  server: ResolvedServer,
  submission: QueuedSubmission,
  record: RecordResult,
) => Promise<SubmitResult>;

interface EnqueueDeps {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly build: Build;
  readonly contentSeal: ContentSeal;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly newId: () => string;
}

/**
 * Creates what queues a message: one commit stores the encrypted content, the recipients and the audit entry. The wake
 * that follows may fail without harm. From, Message-ID, Date, the signed bytes and the certificates of recipients are
 * fixed here; host, port and login are read when the message is delivered, and it is encrypted then.
 */
export function createEnqueue(deps: EnqueueDeps): Enqueue {
  const { database, outbox, build, wake } = deps;
  return async (server, submission, record) => {
    const { identifier } = server;
    const built = await build(server, submission.message, submission.identity, submission.options);
    const { failure, smime } = built;
    if (failure) {
      const result = { state: "failed", identifier, failure, recipients: [], smime, skipped: [] } as const;
      await database.append(...record(result));
      return result;
    }
    const row = await rowOf(deps, server, submission, built);
    const result = { state: "queued", identifier, mailId: row.id, smime } as const;
    const statements = [...outbox.insert(row), ...record(result)];
    // A large message gets a commit of its own: several together might be more than a database accepts.
    if (row.furtherContent?.length) await database.commit(statements);
    else await database.append(...statements);
    await wake.notify([row.id]).catch((error) => {
      log.warning("No wake for message {mailId}, so the next sweep finds it: {error}", {
        mailId: row.id,
        error,
      });
    });
    return result;
  };
}

async function rowOf(
  { contentSeal, platform, newId }: EnqueueDeps,
  server: ResolvedServer,
  { message, identity, names, options, submitter }: QueuedSubmission,
  { from, bytes, encryption }: BuiltMessage,
): Promise<MailRow> {
  const id = newId();
  const { identifier } = server;
  const { from: _, ...source } = identity({ name: "", address: from });
  const [content = "", ...furtherContent] = await contentSeal.seal(id, {
    bytes,
    encryption,
    builtFor: identifier,
    source: names.length > 1 ? { message, identity: source, certificates: options.certificates } : null,
    server: names.length === 0 ? server : null,
    decoy: options.decoy ?? false,
  });
  const { purpose = "notice", expiresAt = null } = options;
  const now = platform.now();
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
    recipients: recipientsOf(message).map((address) => waiting(address, now)),
    createdAt: now,
    updatedAt: now,
    expiresAt,
    giveUpAt: giveUpAt(now, expiresAt),
    contentUntil: null,
    dueAt: now.getTime(),
    lease: null,
    started: false,
    lost: 0,
    content,
    furtherContent,
  };
}

function waiting(address: string, now: Date): RecipientProgress {
  return { address, state: "queued", attempts: 0, dueAt: now.getTime(), failure: null };
}
