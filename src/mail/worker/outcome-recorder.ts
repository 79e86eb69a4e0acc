import { setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { Batcher } from "../../async/batcher.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { isUnavailable } from "../../storage/errors.ts";
import type { LeaseRef, MailUpdate, OutboxRepository } from "../../storage/outbox.ts";

/** Bounds the time that one joint commit keeps other writers waiting. */
const MAX_PER_COMMIT = 200;
/** How long the outcome of a message waits for those of others, when there are many: a commit stops the thread. */
const GATHER_MS = 20;
/** How long to wait when the database is unavailable; the messages stay leased meanwhile. */
const UNAVAILABLE_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

export type OutcomeRecorder = ReturnType<typeof createOutcomeRecorder>;

/**
 * What a worker writes down, the news of many mails in one commit: those that arrive while a commit is under way go
 * together into the next one. Nothing is given up while the database is away.
 */
export function createOutcomeRecorder(parts: {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly platform: Pick<Platform, "now">;
}) {
  const { database, outbox, platform } = parts;

  const settleAll = async (settlements: readonly MailUpdate[]) => {
    const [, rows] = await database.commit([
      outbox.recordAttempts(settlements),
      outbox.applyUpdates(settlements, platform.now()),
    ]);
    return rows;
  };
  const beginAll = async (held: readonly LeaseRef[]) => {
    const [rows] = await database.commit([outbox.markStarted(held)]);
    return rows;
  };

  return {
    /** Resolves when it is durable; false: the mail was no longer held, and nothing was changed. */
    settle: together(settleAll),
    /** Says that a mail begins to be sent; false: it is no longer held and must not be sent. */
    begin: together(beginAll),
  };
}

type Marked = Pick<LeaseRef, "id">;
type Commit<T> = (items: readonly T[]) => Promise<readonly Marked[]>;

/** OutcomeRecorder items of several messages by one statement; resolves with whether the message was still held. */
function together<T extends LeaseRef>(commit: Commit<T>): (item: T) => Promise<boolean> {
  const batcher = new Batcher<T, boolean>({
    async run(items) {
      const ids = new Set((await persist(commit, items)).map(({ id }) => id));
      return items.map(({ id }) => ids.has(id));
    },
    maxSize: MAX_PER_COMMIT,
    gatherMs: GATHER_MS,
  });
  return async (item) => {
    try {
      return await batcher.run(item);
    } catch (error) {
      // The message is found again when its lease ends.
      log.error("Cannot record the outcome of message {mailId}: {error}", { mailId: item.id, error });
      return false;
    }
  };
}

/** Attempts again while the database is unavailable. */
async function persist<T extends LeaseRef>(
  commit: Commit<T>,
  items: readonly T[],
): Promise<readonly Marked[]> {
  for (;;) {
    try {
      return await commit(items);
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.error("Cannot record the outcomes of messages yet: {error}", { error });
      await setTimeout(UNAVAILABLE_MS);
    }
  }
}
