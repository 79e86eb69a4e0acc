import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { recipientsOf } from "../../domain/message.ts";
import type { RecipientProgress } from "../../domain/queued-mail.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { MailRow, OutboxRepository } from "../../storage/outbox.ts";
import type { Build } from "../build.ts";
import { type ExtraStatements, type Outgoing, type SubmitResult, submitEntry } from "../submit.ts";
import type { ContentSeal } from "./content.ts";
import { giveUpAt } from "./lifetime.ts";

const log = getLogger(["sealpost", "mail"]);

/** Stores a mail for a worker; it is safe when this resolves. */
export type Enqueue = (
  server: ResolvedServer,
  mail: Outgoing & { readonly names: readonly string[] },
  alongside: ExtraStatements,
) => Promise<SubmitResult>;

/**
 * Makes what queues a mail: its sealed content, recipients and audit row in one commit, then a wake, which may fail
 * without harm. From, Message-ID, Date and the signed bytes are fixed here; where it goes is read when it is sent.
 */
export function createEnqueue(parts: {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly audit: AuditRepository;
  readonly build: Build;
  readonly contentSeal: ContentSeal;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly newId: () => string;
}): Enqueue {
  const { database, outbox, audit, build, contentSeal, wake, platform, newId } = parts;
  return async (server, mail, alongside) => {
    const { identifier } = server;
    const built = await build(server, mail.message, mail.identity);
    const { failure, smime } = built;
    const now = platform.now();
    if (failure) {
      const result = { state: "failed", identifier, failure, recipients: [], smime, skipped: [] } as const;
      await database.append(audit.insert(submitEntry(mail, result, now)), ...alongside(result));
      return result;
    }
    const row = await rowOf(server, mail, built);
    const result = { state: "queued", identifier, mailId: row.id, smime } as const;
    const entry = audit.insert(submitEntry(mail, result, now));
    const statements = [...outbox.insert(row), entry, ...alongside(result)];
    // A large message is a commit of its own: several together might be more than a server takes at a time.
    if (row.furtherContent?.length) await database.commit(statements);
    else await database.append(...statements);
    await wake.notify([row.id]).catch((error) => {
      log.warning("No wake for mail {mailId}, a sweep will find it: {error}", { mailId: row.id, error });
    });
    return result;
  };

  async function rowOf(
    server: ResolvedServer,
    { message, identity, names, options, submitter }: Parameters<Enqueue>[1],
    { from, bytes }: Extract<Awaited<ReturnType<Build>>, { failure: null }>,
  ): Promise<MailRow> {
    const id = newId();
    const { identifier } = server;
    const { from: _, ...source } = identity({ name: "", address: from });
    const [content = "", ...furtherContent] = await contentSeal.seal(id, {
      bytes,
      builtFor: identifier,
      source: names.length > 1 ? { message, identity: source } : null,
      server: names.length === 0 ? server : null,
      decoy: options.decoy ?? false,
    });
    const { purpose = "notice", expiresAt = null } = options;
    const now = platform.now();
    return {
      id,
      state: "queued",
      identifier,
      lane: names.length === 0 ? "" : identifier,
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
      begun: false,
      lost: 0,
      content,
      furtherContent,
    };
  }
}

function waiting(address: string, now: Date): RecipientProgress {
  return { address, state: "queued", attempts: 0, dueAt: now.getTime(), failure: null };
}
