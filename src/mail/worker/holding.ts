import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import type { Database } from "../../storage/database.ts";
import type { OutboxRepository } from "../../storage/outbox.ts";
import type { Circuit } from "../circuit.ts";
import type { LeaseTimes } from "./claims.ts";
import { ClockWatch } from "./clock-watch.ts";
import type { HeldMail } from "./held-mail.ts";

const log = getLogger(["sealpost", "worker"]);

export interface HoldingParts {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly circuit: Circuit;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
}

/** The mails that a worker holds, and the leases by which it holds them. */
export class Holding {
  readonly #parts: HoldingParts;
  readonly #clock: ClockWatch;
  readonly #mails = new Set<HeldMail>();
  #beatMs = performance.now();
  #wasClockSet = false;

  constructor(parts: HoldingParts) {
    this.#parts = parts;
    this.#clock = new ClockWatch(parts.platform);
  }

  get size(): number {
    return this.#mails.size;
  }

  add(mail: HeldMail): void {
    this.#mails.add(mail);
  }

  /** @returns whether it was held. */
  delete(mail: HeldMail): boolean {
    return this.#mails.delete(mail);
  }

  /** The clock may have been set while nobody was there. */
  doubtClock(): void {
    this.#wasClockSet = true;
  }

  /** When a lease ends that begins now, on the clock of `performance.now()`. */
  leaseFromNow(): number {
    return performance.now() + this.#parts.lease.leaseMs;
  }

  /** Holds the mails for longer, again and again, until the returned function is called. */
  startBeating(): () => void {
    const beat = () =>
      this.#beat().catch((error) => log.warning("Mails could not be held for longer: {error}", { error }));
    const beating = setInterval(() => void beat(), this.#parts.lease.heartbeatMs);
    return () => clearInterval(beating);
  }

  /**
   * To be called before mails are claimed: after a pause, or when the clock was set, the leases of this very worker
   * may have ended, and it would take for abandoned what it is sending. A clock that was put back would keep
   * mail waiting until it is there again.
   * @throws when the database is away.
   */
  async makeSure(): Promise<void> {
    this.#wasClockSet ||= this.#clock.hasJumped();
    const isLate = performance.now() - this.#beatMs > 2 * this.#parts.lease.heartbeatMs;
    if (this.#wasClockSet || isLate) await this.#beat();
    if (!this.#wasClockSet) return;
    const { database, outbox, circuit, platform } = this.#parts;
    const now = platform.now();
    await database.commit([outbox.rescue(now, this.#leaseEnd(now)), circuit.rescue(now)]);
    this.#wasClockSet = false;
  }

  /** Mails that others have taken are not begun any more. */
  async #beat(): Promise<void> {
    const held = [...this.#mails];
    const { outbox, database, platform } = this.#parts;
    const leaseEndsMs = this.leaseFromNow();
    const now = platform.now();
    if (held.length > 0) {
      const marks = held.map(({ id, lease }) => ({ id, lease }));
      const [rows] = await database.commit([outbox.prolong(marks, this.#leaseEnd(now), now)]);
      const kept = new Set(rows.map(({ id }) => id));
      for (const mail of held) mail.leaseEndsMs = kept.has(mail.id) ? leaseEndsMs : 0;
    }
    this.#beatMs = performance.now();
  }

  #leaseEnd(now: Date): Date {
    return new Date(now.getTime() + this.#parts.lease.leaseMs);
  }
}
