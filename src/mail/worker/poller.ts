import { type OutboxRepository, readMailRow } from "../../storage/outbox.ts";
import type { QueueSummary } from "../../storage/outbox-statements.ts";
import { commitSlices } from "../../storage/slices.ts";
import { type Aim, LeasedMail } from "./leased-mail.ts";
import type { Leases, LeasesDeps } from "./leases.ts";
import type { OutcomeRecorder } from "./outcome-recorder.ts";
import type { Probe, Probes } from "./probes.ts";

/** Time between two erasures of content that was kept for a retry. */
const ERASE_INTERVAL_MS = 60_000;
/** No lease ended before this. */
const EPOCH = new Date(0);
const MAX_OVERDUE = 100;

export interface PollerDeps extends LeasesDeps {
  readonly probes: Probes;
  readonly recorder: OutcomeRecorder;
  readonly newId: () => string;
}

/** The room that a worker has for more work. */
interface Room {
  /** Returns how many messages of a queue. @param planned those of other queues that are about to be leased. */
  readonly in: (queue: QueueSummary, planned: number) => number;
  /** Conversations at the same time, with all servers together. */
  readonly conversations: number;
}

/** The messages and probes that a poll has leased to the worker. */
interface Polled {
  readonly mails: readonly LeasedMail[];
  readonly probes: readonly Probe[];
  /** Until the next known time at which something is due, in milliseconds; `Infinity` if there is none. */
  readonly waitMs: number;
}

/** One claim of messages of a queue. */
interface ClaimPlan {
  readonly claim: ReturnType<OutboxRepository["claim"]>;
  readonly aim: Aim;
}

/** The time of a claim. */
interface ClaimTime {
  readonly now: Date;
  /** Leases that ended later are not taken over. */
  readonly expiredBefore: Date;
}

/** Asks the database for due messages and due probes, and leases them to the worker. */
export class Poller {
  readonly #deps: PollerDeps;
  readonly #leases: Leases;
  #erasesAtMs = Number.NEGATIVE_INFINITY;

  constructor(deps: PollerDeps, leases: Leases) {
    this.#deps = deps;
    this.#leases = leases;
  }

  /** @throws if the database is unavailable. */
  async poll(room: Room): Promise<Polled> {
    // First, because it may take long, and what is claimed depends on leases that are verified.
    await this.#eraseContent();
    await this.#leases.verify();
    const readMs = performance.now();
    const queues = await this.#readQueues();
    this.#deps.circuit.note(queues, readMs);
    const probes = await this.#claimProbes(queues, room.conversations);
    const now = this.#deps.platform.now();
    const mails = await this.#claim(queues, room, now);
    return { probes, mails, waitMs: this.#waitMs(queues, now) };
  }

  async #eraseContent(): Promise<void> {
    const { database, upkeep, platform } = this.#deps;
    if (performance.now() < this.#erasesAtMs) return;
    this.#erasesAtMs = performance.now() + ERASE_INTERVAL_MS;
    const now = platform.now();
    if (await upkeep.hasContentToErase(now)) await commitSlices(database, [upkeep.eraseContent(now)]);
  }

  async #readQueues(): Promise<QueueSummary[]> {
    const startMs = performance.now();
    const queues = await this.#deps.outbox.listQueues();
    if (performance.now() - startMs > this.#deps.lease.heartbeatMs) this.#leases.noteStall();
    return queues;
  }

  async #claimProbes(queues: readonly QueueSummary[], room: number): Promise<Probe[]> {
    const nowMs = this.#deps.platform.now().getTime();
    const due = queues.filter(({ openUntil }) => openUntil !== null && openUntil <= nowMs);
    const names = due.slice(0, Math.max(0, room)).map(({ queueName }) => queueName);
    return names.length === 0 ? [] : this.#deps.probes.claim(names);
  }

  async #claim(queues: readonly QueueSummary[], room: Room, now: Date): Promise<LeasedMail[]> {
    const time = { now, expiredBefore: this.#leases.graceMs > 0 ? EPOCH : now };
    let planned = 0;
    const plans = queues.flatMap((queue) => {
      const limit = room.in(queue, planned);
      const claims = planClaims(this.#deps, queue, limit, time);
      if (claims.some(({ aim }) => aim !== "expire")) planned += limit;
      return claims;
    });
    if (plans.length === 0) return [];
    const leaseEndsMs = this.#leases.endOfNewLease();
    this.#deps.recorder.joinCommit();
    // While messages are being sent, their connections need the event loop.
    const isBackground = this.#leases.size > 0;
    const claims = plans.map(({ claim }) => claim);
    const results = await this.#deps.database.commit(claims, { isBackground });
    return plans.flatMap(({ aim }, index) =>
      (results[index] ?? []).map((row) => new LeasedMail(readMailRow(row), { aim, leaseEndsMs })),
    );
  }

  #waitMs(queues: readonly QueueSummary[], now: Date): number {
    const times = queues.flatMap(({ dueAt, openUntil }) => [dueAt, openUntil ?? dueAt]);
    const waits = times.map((time) => time - now.getTime()).filter((waitMs) => waitMs > 0);
    const { graceMs } = this.#leases;
    return Math.min(...waits, graceMs > 0 ? graceMs : Number.POSITIVE_INFINITY);
  }
}

/** Returns the claims for one queue; none if nothing may be sent or there is no room. */
function planClaims(
  { outbox, newId, lease }: PollerDeps,
  { queueName, dueAt, openUntil, mailsPerMinute }: QueueSummary,
  room: number,
  time: ClaimTime,
): ClaimPlan[] {
  const nowMs = time.now.getTime();
  const leaseEndsAt = new Date(nowMs + lease.leaseMs);
  const claim = (limit: number, perMinute = 0) => ({
    ...time,
    queueName,
    limit,
    mailsPerMinute: perMinute,
    lease: newId(),
    leaseEndsAt,
  });
  const isOpen = openUntil !== null;
  // Messages that a circuit or a rate limit holds back may expire meanwhile.
  const overdue: ClaimPlan[] =
    isOpen || mailsPerMinute ? [{ claim: outbox.claimOverdue(claim(MAX_OVERDUE)), aim: "expire" }] : [];
  if (dueAt > nowMs || room <= 0) return overdue;
  if (isOpen) return [...overdue, { claim: outbox.claimForFailover(claim(room)), aim: "failover" }];
  return [...overdue, { claim: outbox.claim(claim(room, mailsPerMinute ?? 0)), aim: "send" }];
}
