import { setTimeout } from "node:timers/promises";
import { getLogger } from "@logtape/logtape";
import { Batcher } from "../../async/batcher.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { countAudit, prepareAuditInsert } from "../../storage/audit-log.ts";
import { isUnavailable } from "../../storage/errors.ts";
import type { LeaseRef, MailUpdate, OutboxRepository } from "../../storage/outbox.ts";
import type { Meter } from "../../telemetry/meter.ts";

/** Updates and audit rows. Bounds the time that one group commit keeps other writers waiting. */
const MAX_PER_COMMIT = 200;
/** Time that an outcome waits for those of other messages when there are many, because each commit has costs of its own. */
const GATHER_MS = 10;
/** So few outcomes are recorded sooner than passed to another thread. */
const FEW = 20;
/** Wait after the database was unavailable. The messages stay leased meanwhile. */
const UNAVAILABLE_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

/** Records for leased messages. Neither function rejects. */
export interface OutcomeRecorder {
  /** Resolves when the update is durable; to `false` if the lease was lost and nothing changed. */
  record(update: MailUpdate): Promise<boolean>;
  /** Marks that the sending of a message starts. Resolves to `false` if the lease was lost: it must not be sent. */
  markStarted(lease: LeaseRef): Promise<boolean>;
  /** Has the outcomes that gather join a commit that starts in this tick. */
  joinCommit(): void;
}

interface OutcomeRecorderDeps {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly meter: Meter;
  readonly platform: Pick<Platform, "now">;
}

type Rows = readonly Pick<LeaseRef, "id">[];
type Commit = () => Promise<Rows>;

/**
 * Creates what records the outcomes of many messages in one commit: those that arrive during a commit share the next one.
 * Nothing is dropped while the database is unavailable.
 */
export function createOutcomeRecorder(deps: OutcomeRecorderDeps): OutcomeRecorder {
  const { database, outbox, meter, platform } = deps;
  const auditIfLeased = prepareAuditInsert(outbox.isAnyLeased, {});
  const entriesOf = ({ id, lease, entries = [] }: MailUpdate) =>
    entries.map((entry) => auditIfLeased({ ...entry, leases: JSON.stringify([{ id, lease }]) }));
  const outcomes = batcherOf(
    (updates: readonly MailUpdate[]) => {
      const options = { isBackground: updates.length > FEW };
      const attempts = [outbox.recordAttempts(updates), ...updates.flatMap(entriesOf)];
      const applied = outbox.applyUpdates(updates, platform.now());
      // Last, because it may release the leases that the others depend on.
      return async () => (await database.commit([...attempts, applied], options)).at(-1) as Rows;
    },
    ({ entries = [] }) => 1 + entries.length,
  );
  const starts = batcherOf((leases: readonly LeaseRef[]) => {
    const marked = outbox.markStarted(leases);
    return async () => (await database.commit([marked]))[0];
  });
  return {
    async record(update) {
      const isUpdated = await runIn(outcomes, update);
      if (isUpdated) for (const entry of update.entries ?? []) countAudit(entry, meter);
      return isUpdated;
    },
    markStarted: (lease) => runIn(starts, lease),
    joinCommit: () => outcomes.flush(),
  };
}

/**
 * Commits items together. The results say whether the messages were still leased.
 * @param prepare returns the commit, which is repeated if its response is lost.
 */
function batcherOf<T extends LeaseRef>(
  prepare: (items: readonly T[]) => Commit,
  sizeOf = (_: T): number => 1,
): Batcher<T, boolean> {
  return new Batcher<T, boolean>({
    async run(items) {
      const ids = new Set((await persist(prepare(items))).map(({ id }) => id));
      return items.map(({ id }) => ids.has(id));
    },
    maxSize: MAX_PER_COMMIT,
    sizeOf,
    gatherMs: GATHER_MS,
  });
}

async function runIn<T extends LeaseRef>(batcher: Batcher<T, boolean>, item: T): Promise<boolean> {
  try {
    return await batcher.run(item);
  } catch (error) {
    // Another claim finds the message when its lease ends.
    log.error("Cannot record the outcome of message {mailId}: {error}", { mailId: item.id, error });
    return false;
  }
}

/** Repeats a commit while the database is unavailable. It may have been applied, and then has the same result again. */
async function persist(commit: Commit): Promise<Rows> {
  for (;;) {
    try {
      return await commit();
    } catch (error) {
      if (!isUnavailable(error)) throw error;
      log.error("Cannot record the outcomes of messages yet: {error}", { error });
      await setTimeout(UNAVAILABLE_MS);
    }
  }
}
