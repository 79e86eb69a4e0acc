import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { MailUpkeepRepository } from "../../storage/mail-upkeep.ts";
import type { OutboxRepository } from "../../storage/outbox.ts";
import type { Circuit } from "../circuit.ts";
import { ClockJumpDetector } from "./clock-jump.ts";
import type { LeasedMail } from "./leased-mail.ts";

/** The times of a lease, in milliseconds. */
export interface LeaseTimes {
  /** Time without a renewal after which another worker may take over a message. */
  readonly leaseMs: number;
  /** Time between two renewals. */
  readonly heartbeatMs: number;
  /** The shortest remaining lease with which a transaction may start. */
  readonly marginMs: number;
}

/** A worker loses a message after its third failed renewal. A database on the network is slow more often. */
export const LEASE_TIMES: Readonly<Record<Database["kind"], LeaseTimes>> = {
  local: { leaseMs: 10_000, heartbeatMs: 3_333, marginMs: 4_000 },
  remote: { leaseMs: 20_000, heartbeatMs: 6_666, marginMs: 4_000 },
};

export interface LeasesDeps {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly upkeep: MailUpkeepRepository;
  readonly circuit: Circuit;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
}

/** Checks for expiring leases within the margin. */
const CHECKS_PER_MARGIN = 16;
/** Heartbeats that workers have after a stall to renew their leases before others take over. */
const GRACE_HEARTBEATS = 2;

const log = getLogger(["sealpost", "worker"]);

/** The messages that a worker has leased. It renews their leases. */
export class Leases {
  readonly #deps: LeasesDeps;
  readonly #clock: ClockJumpDetector;
  readonly #mails = new Set<LeasedMail>();
  #renewedMs = performance.now();
  #renewing: Promise<void> | null = null;
  #wasClockSet = false;
  /** After a stall of the database or a clock jump, leases that seem to have expired may be renewed until then. */
  #graceEndsMs = 0;
  #isAborted = false;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
    this.#clock = new ClockJumpDetector(deps.platform);
  }

  get size(): number {
    return this.#mails.size;
  }

  add(mail: LeasedMail): void {
    this.#mails.add(mail);
    if (this.#isAborted) mail.abort();
  }

  /** @returns whether the message was leased. */
  delete(mail: LeasedMail): boolean {
    return this.#mails.delete(mail);
  }

  /** Aborts all present and future deliveries of which the server has not received anything yet. */
  abortDeliveries(): void {
    this.#isAborted = true;
    for (const mail of this.#mails) mail.abort();
  }

  /** Has the next {@link verify} correct times, because the clock may have been set while no worker ran. */
  expectClockJump(): void {
    this.#wasClockSet = true;
  }

  /** Returns when a lease ends that starts now, on the clock of `performance.now()`. */
  endOfNewLease(): number {
    return performance.now() + this.#deps.lease.leaseMs;
  }

  /** Gives all workers time to renew their leases, because a stall of the database may have delayed them all, or the clock jumped. */
  noteStall(): void {
    this.#graceEndsMs = performance.now() + GRACE_HEARTBEATS * this.#deps.lease.heartbeatMs;
  }

  /** For how long this worker takes over no expired lease, in milliseconds. */
  get graceMs(): number {
    return Math.max(0, this.#graceEndsMs - performance.now());
  }

  /** Renews leases until the returned function is called. */
  startRenewing(): () => void {
    const { heartbeatMs, marginMs } = this.#deps.lease;
    const renew = () =>
      void this.#renewOnce().catch((error) => log.warning("Cannot renew leases: {error}", { error }));
    const timers = [
      setInterval(renew, heartbeatMs),
      setInterval(() => this.#abortExpiring(), marginMs / CHECKS_PER_MARGIN),
    ];
    return () => {
      for (const timer of timers) clearInterval(timer);
    };
  }

  /**
   * Verifies the worker's own leases before it claims messages. After a pause or a clock jump they may have ended, and the
   * worker would claim what it is sending. After a jump back, messages would wait until the clock has caught up.
   * @throws if the database is unavailable.
   */
  async verify(): Promise<void> {
    const hasJumped = this.#clock.hasJumped();
    this.#wasClockSet ||= hasJumped;
    const isLate = performance.now() - this.#renewedMs > 2 * this.#deps.lease.heartbeatMs;
    // After a jump, leases of other workers seem to have ended, which these have yet to renew.
    if (isLate || hasJumped) this.noteStall();
    if (this.#wasClockSet || isLate) await this.#renewOnce();
    if (!this.#wasClockSet) return;
    const { database, upkeep, circuit, platform } = this.#deps;
    const now = platform.now();
    await database.commit([
      upkeep.recoverFromClockJump(now, this.#leaseEnd(now)),
      circuit.recoverFromClockJump(now),
    ]);
    this.#wasClockSet = false;
  }

  /** Renewals do not overlap, because they would make a slow database slower. */
  #renewOnce(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** Aborts messages whose leases others have taken over. */
  async #renew(): Promise<void> {
    const leased = [...this.#mails];
    const { outbox, database, platform } = this.#deps;
    const leaseEndsMs = this.endOfNewLease();
    const now = platform.now();
    if (leased.length > 0) {
      const refs = leased.map(({ id, lease }) => ({ id, lease }));
      const renewal = outbox.renewLeases(refs, this.#leaseEnd(now), now);
      const [rows] = await database.commit([renewal], { isUrgent: true });
      const renewed = new Set(rows.map(({ id }) => id));
      for (const mail of leased) mail.leaseEndsMs = renewed.has(mail.id) ? leaseEndsMs : 0;
      this.#abortExpiring();
    }
    this.#renewedMs = performance.now();
  }

  /** Otherwise another worker might take over a message in flight, which would then arrive twice. */
  #abortExpiring(): void {
    for (const mail of this.#mails) if (!mail.mayStart(this.#deps.lease.marginMs)) mail.abort();
  }

  #leaseEnd(now: Date): Date {
    return new Date(now.getTime() + this.#deps.lease.leaseMs);
  }
}
