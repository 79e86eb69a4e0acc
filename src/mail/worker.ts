import { getLogger } from "@logtape/logtape";
import type { Platform } from "../contracts/platform.ts";
import type { WakeSource } from "../contracts/wake.ts";
import type { Database } from "../storage/database.ts";
import type { Lane, MailRow, OutboxRepository } from "../storage/outbox.ts";
import type { Circuit } from "./circuit.ts";
import { type createPlanClaims, LEASE_MS } from "./claims.ts";
import { HeldMail } from "./held-mail.ts";
import { LaneQueue } from "./lane-queue.ts";
import type { Tries } from "./tries.ts";

const HEARTBEAT_MS = 15_000;
/** Bounds the memory that held mails take. */
const MOST_HELD = 500;
/** A clock that runs away from one that nobody sets, was set. */
const CLOCK_JUMP_MS = 5_000;
/** After the database was away. */
const AWAY_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

export interface DrainOptions {
  readonly signal: AbortSignal;
  /** No mail is begun that may not end by then, on the clock of `performance.now()`. */
  readonly endsMs: number;
  /** How long one mail may take, in milliseconds. */
  readonly mailMs: number;
}

export interface WorkerParts {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly circuit: Circuit;
  readonly planClaims: ReturnType<typeof createPlanClaims>;
  readonly tries: Tries;
  readonly platform: Platform;
}

/**
 * Sends queued mail: claims what is due by a lease, brings it to its recipients, writes down what became of it. Any
 * number of workers may share a database. A definition's mails take its connections and no more, so a server that is
 * slow keeps nobody else waiting.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #queues = new Map<string, LaneQueue>();
  readonly #held = new Set<HeldMail>();
  readonly #inFlight = new Set<Promise<void>>();
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #drain: (DrainOptions & { readonly done: () => void }) | null = null;
  #clockOffsetMs: number;
  #isStopped = false;
  /** Made here: on Workers it belongs to the event that made it. */
  readonly #never = new AbortController().signal;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#clockOffsetMs = this.#readClockOffset();
  }

  /**
   * Works until the signal is aborted: then no more mails are begun, those that wait are given back, and when those in
   * flight have ended this resolves.
   */
  async run(source: WakeSource, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const listening = source.listen(async () => this.look(), { signal });
    await this.#rescue();
    const sweeping = setInterval(() => this.look(), source.sweepMs);
    const beating = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.look();
    await whenAborted(signal);
    clearInterval(sweeping);
    await this.#stop();
    clearInterval(beating);
    await listening;
  }

  /** Sends what is due, and resolves when nothing more is, or no time is left, or the signal is aborted. */
  async drain(options: DrainOptions): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drain = { ...options, done: resolve };
    options.signal.addEventListener("abort", () => resolve());
    const beating = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.look();
    await promise;
    await this.#stop();
    clearInterval(beating);
  }

  /** Looks for mail that is due; many calls at once are one. */
  look(): void {
    if (this.#isStopped) return;
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = this.#lookWhileWanted().finally(() => {
      this.#looking = null;
      this.#endIfIdle();
    });
  }

  async #lookWhileWanted(): Promise<void> {
    while (this.#lookAgain && !this.#isStopped) {
      this.#lookAgain = false;
      try {
        await this.#lookOnce();
      } catch (error) {
        log.error("The outbox could not be read: {error}", { error });
        this.#lookIn(AWAY_MS);
      }
    }
  }

  async #lookOnce(): Promise<void> {
    const { outbox, platform, circuit } = this.#parts;
    if (this.#isTooLate()) return;
    await this.#checkClock();
    const lanes = await outbox.lanes();
    const now = platform.now();
    for (const { lane, failures } of lanes) if (failures) circuit.known(lane);
    if (await this.#claim(lanes, now)) return;
    const dueAt = Math.min(...lanes.map((lane) => Math.max(lane.dueAt, lane.openUntil ?? 0)));
    if (dueAt > now.getTime() && dueAt < now.getTime() + LEASE_MS) this.#lookIn(dueAt - now.getTime());
  }

  /** @returns whether there was any. */
  async #claim(lanes: readonly Lane[], now: Date): Promise<boolean> {
    const plans = lanes.flatMap((lane) => this.#parts.planClaims(lane, this.#roomIn(lane), now));
    if (plans.length === 0) return false;
    const leaseEndsMs = performance.now() + LEASE_MS;
    const statements = plans.flatMap(({ guard, claim }) => (guard ? [guard, claim] : [claim]));
    const results = await this.#parts.database.commit(statements);
    let at = 0;
    let hasAny = false;
    for (const { guard, isProbe } of plans) {
      if (guard) at++;
      for (const row of results[at++] as MailRow[]) {
        hasAny = true;
        this.#hold(new HeldMail(row, { isProbe, leaseEndsMs }));
      }
    }
    return hasAny;
  }

  #roomIn({ lane, maxConnections }: Lane): number {
    const queue = this.#queueOf(lane);
    queue.connections = maxConnections;
    return Math.min(queue.room, MOST_HELD - this.#held.size);
  }

  #hold(mail: HeldMail): void {
    this.#held.add(mail);
    this.#track(this.#begin(mail));
  }

  async #begin(mail: HeldMail): Promise<void> {
    const { tries, platform } = this.#parts;
    const queue = this.#queueOf(mail.row.lane);
    queue.held++;
    if (mail.isOfUnknownFate) await tries.recover(mail);
    const due = mail.due(platform.now().getTime());
    // A mail whose time is over is claimed for its end, whenever its next try was meant to be.
    const places = due.length > 0 ? due : mail.due(Number.POSITIVE_INFINITY);
    mail.left = places.length;
    if (places.length === 0) return this.#letGo(mail, queue);
    queue.waiting.push(...places.map((at) => ({ mail, at })));
    this.#pump(queue);
  }

  #pump(queue: LaneQueue): void {
    if (this.#isStopped || this.#isTooLate()) this.#giveBack(queue);
    for (let next = queue.take(); next !== undefined; next = queue.take()) {
      this.#track(this.#tryOne(next.mail, next.at, queue));
    }
  }

  async #tryOne(mail: HeldMail, at: number, queue: LaneQueue): Promise<void> {
    const { tries } = this.#parts;
    const { signal = this.#never, endsMs } = this.#drain ?? {};
    const finalReplyTimeoutMs = endsMs && Math.max(0, endsMs - performance.now());
    await tries.attempt(mail, at, { signal, finalReplyTimeoutMs });
    // The connection is free while the database writes.
    queue.active--;
    this.#pump(queue);
    await tries.settle(mail);
    if (mail.left === 0) this.#letGo(mail, queue);
    if (queue.wantsMore) this.look();
  }

  #letGo(mail: HeldMail, queue: LaneQueue): void {
    if (this.#held.delete(mail)) queue.held--;
  }

  /** Those that wait for a connection are for others, or for later. */
  #giveBack(queue: LaneQueue): void {
    for (const { mail } of queue.waiting.splice(0)) {
      mail.left--;
      if (mail.left === 0) this.#track(this.#parts.tries.settle(mail).then(() => this.#letGo(mail, queue)));
    }
  }

  #queueOf(lane: string): LaneQueue {
    const queue = this.#queues.get(lane) ?? new LaneQueue();
    this.#queues.set(lane, queue);
    return queue;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error) => log.error("A mail was dropped, it is found again: {error}", { error }))
      .finally(() => {
        this.#inFlight.delete(tracked);
        this.#endIfIdle();
      });
    this.#inFlight.add(tracked);
  }

  /** Holds the mails for longer; those that others have taken are not begun any more. */
  async #beat(): Promise<void> {
    const held = [...this.#held];
    if (held.length === 0) return;
    const { outbox, database, platform } = this.#parts;
    const leaseEndsMs = performance.now() + LEASE_MS;
    const now = platform.now();
    const marks = held.map(({ id, lease }) => ({ id, lease }));
    try {
      const [rows] = await database.commit([outbox.prolong(marks, new Date(now.getTime() + LEASE_MS), now)]);
      const kept = new Set(rows.map(({ id }) => id));
      for (const mail of held) mail.leaseEndsMs = kept.has(mail.id) ? leaseEndsMs : 0;
    } catch (error) {
      log.warning("Mails could not be held for longer: {error}", { error });
    }
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#lookTimer);
    await this.#looking;
    for (const queue of this.#queues.values()) this.#giveBack(queue);
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  #isTooLate(): boolean {
    return this.#drain !== null && performance.now() + this.#drain.mailMs > this.#drain.endsMs;
  }

  #endIfIdle(): void {
    if (!this.#looking && this.#inFlight.size === 0 && !this.#lookAgain) this.#drain?.done();
  }

  #lookIn(delayMs: number): void {
    if (this.#drain || this.#isStopped) return;
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => this.look(), delayMs);
  }

  /** A clock that was put back would keep mail waiting until it is there again. */
  async #checkClock(): Promise<void> {
    const offsetMs = this.#readClockOffset();
    const hasJumped = Math.abs(offsetMs - this.#clockOffsetMs) > CLOCK_JUMP_MS;
    this.#clockOffsetMs = offsetMs;
    if (hasJumped) await this.#rescue();
  }

  #readClockOffset(): number {
    return this.#parts.platform.now().getTime() - performance.now();
  }

  async #rescue(): Promise<void> {
    const { database, outbox, platform } = this.#parts;
    try {
      await database.commit([outbox.rescue(platform.now())]);
    } catch (error) {
      log.warning("Mail that a wrong clock put off was not looked for: {error}", { error });
    }
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
