import { setImmediate, setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import type { Database } from "../../storage/database.ts";
import { isUnavailable } from "../../storage/failure.ts";
import type { Held, OutboxRepository, Settlement } from "../../storage/outbox.ts";

/** Bounds the time that one joint commit keeps other writers waiting. */
const MOST_PER_COMMIT = 200;
/** Turns of the event loop in which others may join a commit. */
const MOST_TURNS = 8;
/** How long the news of a mail waits for that of others, when there is much. */
const GATHER_MS = 20;
/** How long to wait when the database is away; the mails stay held meanwhile. */
const AWAY_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

interface Entry<T> {
  readonly item: T;
  readonly resolve: (isHeld: boolean) => void;
}

export type Records = ReturnType<typeof createRecords>;

/**
 * What a worker writes down, the news of many mails in one commit: those that arrive while a commit is under way go
 * together into the next one. Nothing is given up while the database is away.
 */
export function createRecords(parts: {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly platform: Pick<Platform, "now">;
}) {
  const { database, outbox, platform } = parts;

  const settleAll = async (settlements: readonly Settlement[]) => {
    const [, rows] = await database.commit([
      outbox.recordAttempts(settlements),
      outbox.settle(settlements, platform.now()),
    ]);
    return rows;
  };
  const beginAll = async (held: readonly Held[]) => {
    const [rows] = await database.commit([outbox.begin(held)]);
    return rows;
  };

  return {
    /** Resolves when it is durable; false: the mail was no longer held, and nothing was changed. */
    settle: together(settleAll),
    /** Says that a mail begins to be sent; false: it is no longer held and must not be sent. */
    begin: together(beginAll),
  };
}

type Marked = Pick<Held, "id">;
type Commit<T> = (items: readonly T[]) => Promise<readonly Marked[]>;

function together<T extends Held>(commit: Commit<T>): (item: T) => Promise<boolean> {
  const waiting: Entry<T>[] = [];
  let isRunning = false;
  /** How many the latest commit had. */
  let atOnce = 1;

  async function run(): Promise<void> {
    isRunning = true;
    while (waiting.length > 0) {
      // Where many come, a commit for each few would keep the thread from sending.
      if (atOnce > 1) await setTimeout(GATHER_MS);
      for (let turn = 0, seen = 0; turn < MOST_TURNS && seen < waiting.length; turn++) {
        seen = waiting.length;
        await setImmediate();
      }
      const entries = waiting.splice(0, MOST_PER_COMMIT);
      atOnce = entries.length;
      const items = entries.map(({ item }) => item);
      const held = await persist(commit, items);
      const ids = new Set(held.map(({ id }) => id));
      for (const { item, resolve } of entries) resolve(ids.has(item.id));
    }
    isRunning = false;
  }

  return (item) => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    waiting.push({ item, resolve });
    if (!isRunning) void run();
    return promise;
  };
}

/** One that the database refuses does not take the others with it; its mail is found again when its lease ends. */
async function persist<T extends Held>(commit: Commit<T>, items: readonly T[]): Promise<readonly Marked[]> {
  for (;;) {
    try {
      return await commit(items);
    } catch (error) {
      if (!isUnavailable(error)) return oneByOne(commit, items, error);
      log.error("What became of mails could not be written down yet: {error}", { error });
      await setTimeout(AWAY_MS);
    }
  }
}

async function oneByOne<T extends Held>(commit: Commit<T>, items: readonly T[], error: unknown) {
  const written: Marked[] = [];
  if (items.length > 1) for (const item of items) written.push(...(await persist(commit, [item])));
  else
    log.error("What became of mail {mailId} cannot be written down: {error}", {
      mailId: items[0]?.id,
      error,
    });
  return written;
}
