import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { MailUpkeepRepository } from "../../storage/mail-upkeep.ts";
import type { OutboxRepository } from "../../storage/outbox.ts";
import type { Circuit } from "../circuit.ts";
import { ClockWatch } from "./clock-jump.ts";
import type { LeasedMail } from "./leased-mail.ts";

/** The times of a lease, in milliseconds. */
export interface LeaseTimes {
  /** How long a worker may be silent before others take its messages. */
  readonly leaseMs: number;
  /** How often it renews the leases of messages in hand. */
  readonly heartbeatMs: number;
  /** What has to be left of a lease for MAIL to be written. */
  readonly marginMs: number;
}

/** A worker loses a message after the third renewal that fails; a database on the network is slow more often. */
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

/** How often it is checked, within the margin, that the lease of a message lasts. */
const CHECKS_PER_MARGIN = 16;
/** Renewals that workers have after a stall, before others may take over what they have in hand. */
const GRACE_HEARTBEATS = 2;

const log = getLogger(["sealpost", "worker"]);

/** The messages that a worker has in hand, and their leases. */
export class Leases {
  readonly #deps: LeasesDeps;
  readonly #clock: ClockWatch;
  readonly #mails = new Set<LeasedMail>();
  #renewedMs = performance.now();
  #renewing: Promise<void> | null = null;
  #wasClockSet = false;
  /** After a stall of the database, others may renew until then what seems to have expired. */
  #graceEndsMs = 0;
  #isAborted = false;

  constructor(deps: LeasesDeps) {
    this.#deps = deps;
    this.#clock = new ClockWatch(deps.platform);
  }

  get size(): number {
    return this.#mails.size;
  }

  add(mail: LeasedMail): void {
    this.#mails.add(mail);
    if (this.#isAborted) mail.abort();
  }

  /** @returns whether it was held. */
  delete(mail: LeasedMail): boolean {
    return this.#mails.delete(mail);
  }

  /** Aborts every delivery of which the server has nothing yet, from now on. */
  abortDeliveries(): void {
    this.#isAborted = true;
    for (const mail of this.#mails) mail.abort();
  }

  /** The clock may have been set while no worker ran. */
  doubtClock(): void {
    this.#wasClockSet = true;
  }

  /** When a lease ends that begins now, on the clock of `performance.now()`. */
  leaseFromNow(): number {
    return performance.now() + this.#deps.lease.leaseMs;
  }

  /** The database was stalled, for this worker and so perhaps for others, which could not renew their leases. */
  noteStall(): void {
    this.#graceEndsMs = performance.now() + GRACE_HEARTBEATS * this.#deps.lease.heartbeatMs;
  }

  /** How long no expired lease is taken over, in milliseconds. */
  get graceMs(): number {
    return Math.max(0, this.#graceEndsMs - performance.now());
  }

  /** Renews the leases of messages in hand until the returned function is called. */
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
   * To be called before messages are claimed: after a pause, or when the clock was set, the leases of this very worker
   * may have ended, and it would take for abandoned what it is sending. A clock that was put back would keep messages
   * waiting until it is there again.
   * @throws if the database is unavailable.
   */
  async verify(): Promise<void> {
    this.#wasClockSet ||= this.#clock.hasJumped();
    const isLate = performance.now() - this.#renewedMs > 2 * this.#deps.lease.heartbeatMs;
    if (isLate) this.noteStall();
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

  /** One at a time: where the database is slow, more would make it slower. */
  #renewOnce(): Promise<void> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  /** Messages that others have taken are not sent any more. */
  async #renew(): Promise<void> {
    const held = [...this.#mails];
    const { outbox, database, platform } = this.#deps;
    const leaseEndsMs = this.leaseFromNow();
    const now = platform.now();
    if (held.length > 0) {
      const marks = held.map(({ id, lease }) => ({ id, lease }));
      const renewal = outbox.renewLeases(marks, this.#leaseEnd(now), now);
      const [rows] = await database.commit([renewal], { isUrgent: true });
      const kept = new Set(rows.map(({ id }) => id));
      for (const mail of held) mail.leaseEndsMs = kept.has(mail.id) ? leaseEndsMs : 0;
      this.#abortExpiring();
    }
    this.#renewedMs = performance.now();
  }

  /** Another worker may take over what is sent on a lease that has ended, and the message would arrive twice. */
  #abortExpiring(): void {
    for (const mail of this.#mails) if (!mail.mayBegin(this.#deps.lease.marginMs)) mail.abort();
  }

  #leaseEnd(now: Date): Date {
    return new Date(now.getTime() + this.#deps.lease.leaseMs);
  }
}
