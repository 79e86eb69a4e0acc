import type { QueueSummary } from "../../storage/outbox.ts";
import { readMailRow } from "../../storage/outbox.ts";
import type { createPlanClaims } from "./claims.ts";
import { LeasedMail } from "./leased-mail.ts";
import type { Leases, LeasesDeps } from "./leases.ts";
import type { Probe, Probes } from "./probes.ts";

/** How often content is erased that was kept for a retry. */
const ERASE_INTERVAL_MS = 60_000;
/** Leases that ended before this are none. */
const EPOCH = new Date(0);

export interface PollerDeps extends LeasesDeps {
  readonly planClaims: ReturnType<typeof createPlanClaims>;
  readonly probes: Probes;
}

/** How much a worker can take. */
export interface Room {
  /** Messages of a queue. */
  readonly in: (queue: QueueSummary) => number;
  /** Conversations at the same time, to all servers together. */
  readonly conversations: number;
}

/** What a poll has leased to the worker. */
export interface Polled {
  readonly mails: readonly LeasedMail[];
  readonly probes: readonly Probe[];
  /** Until the next time that is known now, in milliseconds; `Infinity` if there is none. */
  readonly waitMs: number;
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
    await this.#leases.verify();
    await this.#eraseContent();
    const queues = await this.#readQueues();
    this.#deps.circuit.note(queues);
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
    if (await upkeep.hasContentToErase(now)) await database.commit([upkeep.eraseContent(now)]);
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
    const { planClaims, database } = this.#deps;
    const time = { now, expiredBefore: this.#leases.graceMs > 0 ? EPOCH : now };
    const plans = queues.flatMap((queue) => planClaims(queue, room.in(queue), time));
    if (plans.length === 0) return [];
    const leaseEndsMs = this.#leases.leaseFromNow();
    const results = await database.commit(plans.map(({ claim }) => claim));
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
