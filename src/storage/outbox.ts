import { eq, type SQL } from "drizzle-orm";
import type { Database, RowsStatement, WriteStatement } from "../contracts/database.ts";
import type { AuditEntry } from "../domain/audit.ts";
import type { MailAttempt, MailState, RecipientProgress } from "../domain/queued-mail.ts";
import {
  type ClaimedRow,
  IS_ANY_LEASED,
  isLeased,
  prepareOutbox,
  type QueueSummary,
} from "./outbox-statements.ts";
import { mail, mailAttempt, mailContent } from "./schema.ts";

/** A queued message as it is stored. */
export type MailRow = typeof mail.$inferSelect & {
  /** The first piece of the content, sealed. Empty if it is too large to read with the claim. */
  readonly content: string;
  /** Further pieces of the content. Only for a row to insert. */
  readonly furtherContent?: readonly string[];
};

export interface Claim {
  readonly queueName: string;
  /** Identifies the claim; no two claims share a value. */
  readonly lease: string;
  readonly leaseEndsAt: Date;
  readonly now: Date;
  /** Only leases that ended before this time are taken over. `now`, or earlier if a stall may have delayed renewals. */
  readonly expiredBefore: Date;
  readonly limit: number;
  /** 0: no limit. */
  readonly mailsPerMinute: number;
}

/** A message under the lease of a worker. */
export interface LeaseRef {
  readonly id: string;
  readonly lease: string;
}

/** The new state of a message that a worker has leased, as it is stored. */
interface MailChange extends LeaseRef {
  readonly state: MailState;
  readonly identifier: string;
  readonly queueName: string;
  /** Names of all definitions that may still be used. Empty if there is only one. */
  readonly alternatives: readonly string[];
  readonly recipients: readonly RecipientProgress[];
  /** Milliseconds since the Unix epoch; `null` if the message is final. */
  readonly dueAt: number | null;
  /** Until when the content of a final message is kept, in milliseconds since the Unix epoch; `null` erases it. */
  readonly contentUntil: number | null;
  /** Whether the worker releases the lease. */
  readonly released: boolean;
}

/** A change of a message, and what is recorded with it. */
export interface MailUpdate extends MailChange {
  readonly attempts: readonly Omit<MailAttempt, "mailId">[];
  /** Audit entries to commit with it. */
  readonly entries?: readonly AuditEntry[];
}

/** Queued messages as workers use them. Writes are unexecuted statements for `commit`. */
export interface OutboxRepository {
  insert(row: MailRow): readonly [message: WriteStatement, ...pieces: WriteStatement[]];
  /** Inserts a message in its final state, and its attempts. It has no content. */
  insertFinal(
    row: Omit<MailRow, "content" | "furtherContent">,
    attempts: readonly MailAttempt[],
  ): readonly WriteStatement[];
  /** Returns one piece of a message's content, sealed; `undefined` if there is none. */
  readPiece(name: string): Promise<string | undefined>;
  /** Lists the queues that have messages. Reads one index entry for each, however many messages wait. */
  listQueues(): Promise<QueueSummary[]>;
  /** Claims due messages, including those of abandoned leases. {@link readMailRow} reads the rows. */
  claim(claim: Claim): RowsStatement<ClaimedRow>;
  /**
   * Claims messages of a queue whose server is down, if the circuit of one of their alternatives is closed, and those of
   * abandoned leases.
   */
  claimForFailover(claim: Claim): RowsStatement<ClaimedRow>;
  /** Claims messages past `giveUpAt` from every queue, except those being sent. */
  claimOverdue(claim: Omit<Claim, "queueName" | "mailsPerMinute">): RowsStatement<ClaimedRow>;
  /** Marks messages whose sending starts. Returns the IDs of those that are still leased. */
  markStarted(leases: readonly LeaseRef[]): RowsStatement<{ id: string }>;
  /** Extends leases. Returns the IDs of the messages that are still leased. */
  renewLeases(leases: readonly LeaseRef[], leaseEndsAt: Date, now: Date): RowsStatement<{ id: string }>;
  /** Records attempts, each once, but none for a lost lease. Commit it before {@link applyUpdates}, which may release leases. */
  recordAttempts(updates: readonly MailUpdate[]): RowsStatement<{ readonly number: number }>;
  /** Condition: one of the messages of the JSON `leases` is still leased. */
  readonly isAnyLeased: SQL;
  /**
   * Applies updates, but none for a lost lease. Returns the IDs of the updated messages, as well if the same statement has
   * released them before.
   */
  applyUpdates(updates: readonly MailUpdate[], now: Date): RowsStatement<{ readonly id: string }>;
}

const MINUTE_MS = 60_000;

/** The row id of one piece of a message's content. */
export function pieceName(mailId: string, piece: number): string {
  return piece === 0 ? mailId : `${mailId}/${piece}`;
}

export function createOutboxRepository(database: Database): OutboxRepository {
  const { read, write } = database;
  const statements = prepareOutbox(database);
  return {
    insert({ content: first, furtherContent = [], ...columns }) {
      const pieces = [first, ...furtherContent].map((content, piece) =>
        statements.insertPiece({ id: pieceName(columns.id, piece), mailId: columns.id, piece, content }),
      );
      return [statements.insertMail(columns), ...pieces];
    },

    insertFinal(row, attempts) {
      const inserts = attempts.map(({ mailId, identifier, date, ...result }) =>
        write.insert(mailAttempt).values({ mailId, identifier, date, result }),
      );
      return [statements.insertMail(row), ...inserts];
    },

    async readPiece(name) {
      const { content } = mailContent;
      return (await read.select({ content }).from(mailContent).where(eq(mailContent.id, name)).get())
        ?.content;
    },

    async listQueues() {
      const [queues] = await read.batch([statements.selectQueues()]);
      return queues;
    },

    claim(claim) {
      const claimDue = claim.mailsPerMinute === 0 ? statements.claim : statements.claimWithinRate;
      return claimDue(valuesOf(claim));
    },

    claimForFailover: (claim) => statements.claimForFailover(valuesOf(claim)),

    claimOverdue: (claim) => statements.claimOverdue(valuesOf(claim)),

    markStarted: (leases) => statements.markStarted({ leases: JSON.stringify(leases) }),

    renewLeases: (leases, leaseEndsAt, now) =>
      write
        .update(mail)
        .set({ dueAt: leaseEndsAt.getTime(), updatedAt: now })
        .where(isLeased(JSON.stringify(leases)))
        .returning({ id: mail.id }),

    recordAttempts(updates) {
      const rows = updates.flatMap(({ id, lease, attempts }) =>
        attempts.map(({ identifier, date, ...result }) => ({
          id,
          lease,
          identifier,
          date: date.getTime(),
          result,
        })),
      );
      return statements.recordAttempts({ rows: JSON.stringify(rows) });
    },

    isAnyLeased: IS_ANY_LEASED,

    applyUpdates(updates, now) {
      // The last update of a message includes the earlier ones.
      const latest = new Map<string, MailChange>(
        updates.map(({ attempts, entries, ...change }) => [change.lease + change.id, change]),
      );
      return statements.applyUpdates({ rows: JSON.stringify([...latest.values()]), now });
    },
  };
}

/** Adds the start of the minute that a rate limit counts. */
function valuesOf<C extends Omit<Claim, "queueName" | "mailsPerMinute">>(claim: C) {
  return { ...claim, minuteAgo: new Date(claim.now.getTime() - MINUTE_MS) };
}

/** Reads a row that a claim returned. */
export function readMailRow({ row: text, content }: ClaimedRow): MailRow {
  const row = Object.assign({}, ...JSON.parse(text));
  return {
    ...row,
    content: content ?? "",
    // A name that is stored twice would lead back to the definitions after it, without an end.
    alternatives: [...new Set<string>(JSON.parse(row.alternatives))],
    recipients: JSON.parse(row.recipients),
    createdAt: new Date(row.createdAt),
    updatedAt: new Date(row.updatedAt),
    expiresAt: row.expiresAt === null ? null : new Date(row.expiresAt),
    giveUpAt: new Date(row.giveUpAt),
    contentUntil: row.contentUntil === null ? null : new Date(row.contentUntil),
    started: row.started === 1,
  };
}
