import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake, WakeSource } from "../../contracts/wake.ts";
import { nextDueAt } from "../../domain/queued-mail.ts";
import type { Database } from "../../storage/database.ts";
import { type ClaimedMail, type Lane, type OutboxRepository, readMailRow } from "../../storage/outbox.ts";
import type { Circuit } from "../circuit.ts";
import type { createPlanClaims, LeaseTimes } from "./claims.ts";
import { HeldMail } from "./held-mail.ts";
import { Holding } from "./holding.ts";
import { LaneQueue } from "./lane-queue.ts";
import type { Tries } from "./tries.ts";

/** Bounds the memory that held mails take. */
const MOST_HELD = 500;
/** So many of a definition are held even then: those that are slow must not keep out the others. */
const HELD_IN_ANY_CASE = 5;
/** What is due later is found by a sweep. */
const LONGEST_TIMER_MS = 60_000;
/** After the database was away. */
const AWAY_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

export interface DrainOptions {
  readonly signal: AbortSignal;
  /** No mail is begun that may not end by then, on the clock of `performance.now()`. */
  readonly endsMs: number;
  /** How long one mail may take, in milliseconds. */
  readonly mailMs: number;
  /** How many may be tried at the same time, to all servers together; default: as many as the servers take. */
  readonly mostAtOnce?: number | undefined;
}

export interface RunOptions {
  /** Aborted: no more mails are begun. */
  readonly signal: AbortSignal;
  /** Aborted: mails end at once of which the server has nothing yet. */
  readonly cut?: AbortSignal | undefined;
}

export interface WorkerParts {
  readonly database: Database;
  readonly outbox: OutboxRepository;
  readonly circuit: Circuit;
  readonly planClaims: ReturnType<typeof createPlanClaims>;
  readonly tries: Tries;
  readonly wake: Wake;
  readonly platform: Platform;
  readonly lease: LeaseTimes;
}

/**
 * Sends queued mail: claims what is due by a lease, brings it to its recipients, writes down what became of it. Any
 * number of workers may share a database. A definition's mails take its connections and no more, so a server that is
 * slow keeps nobody else waiting.
 */
export class Worker {
  readonly #parts: WorkerParts;
  readonly #queues = new Map<string, LaneQueue>();
  readonly #held: Holding;
  readonly #inFlight = new Set<Promise<void>>();
  #looking: Promise<void> | null = null;
  /** The look that is to come, for those who wait for it. */
  #asked: PromiseWithResolvers<void> | null = null;
  #active = 0;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #drain: (DrainOptions & { readonly done: () => void }) | null = null;
  #isStopped = false;
  /** Made here: on Workers it belongs to the event that made it. */
  #cut = new AbortController().signal;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
    this.#held = new Holding(parts);
  }

  /**
   * Works until the signal is aborted: then no more mails are begun, those that wait are given back, and when those in
   * flight have ended this resolves.
   */
  async run(source: WakeSource, { signal, cut }: RunOptions): Promise<void> {
    if (cut) this.#cut = cut;
    this.#held.doubtClock();
    const listening = source
      .listen(() => this.look(), { signal })
      .catch((error) => log.error("Wakes are not heard, mail is found by sweeping: {error}", { error }));
    const sweeping = setInterval(() => void this.look(), source.sweepMs);
    const stopBeating = this.#held.startBeating();
    void this.look();
    await whenAborted(signal);
    clearInterval(sweeping);
    await this.#stop();
    stopBeating();
    await listening;
  }

  /** Sends what is due, and resolves when nothing more is, or no time is left, or the signal is aborted. */
  async drain(options: DrainOptions): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drain = { ...options, done: resolve };
    this.#cut = options.signal;
    void whenAborted(options.signal).then(resolve);
    const stopBeating = this.#held.startBeating();
    void this.look();
    await promise;
    await this.#stop();
    stopBeating();
  }

  /** Looks for mail that is due; many calls at once are one. Resolves when what was due, and has room, is claimed. */
  look(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#asked ??= Promise.withResolvers();
    const { promise } = this.#asked;
    this.#looking ??= this.#lookWhileAsked();
    return promise;
  }

  async #lookWhileAsked(): Promise<void> {
    for (let asked = this.#asked; asked; asked = this.#asked) {
      this.#asked = null;
      try {
        if (!this.#isStopped) await this.#lookOnce();
      } catch (error) {
        log.error("The outbox could not be read: {error}", { error });
        this.#lookIn(AWAY_MS);
      }
      asked.resolve();
    }
    // In the same turn as the last question: who asks from now on begins anew.
    this.#looking = null;
    this.#endIfIdle();
  }

  async #lookOnce(): Promise<void> {
    const { outbox, platform, circuit } = this.#parts;
    if (this.#isTooLate()) return;
    await this.#held.makeSure();
    const lanes = await outbox.lanes();
    const now = platform.now();
    for (const { lane, failures } of lanes) if (failures) circuit.known(lane);
    if (await this.#claim(lanes, now)) return;
    const waitMs = Math.min(...lanes.map((one) => Math.max(one.dueAt, one.openUntil ?? 0))) - now.getTime();
    if (waitMs > 0 && waitMs < LONGEST_TIMER_MS) this.#lookIn(waitMs);
  }

  /** @returns whether there was any. */
  async #claim(lanes: readonly Lane[], now: Date): Promise<boolean> {
    const plans = lanes.flatMap((lane) => this.#parts.planClaims(lane, this.#roomIn(lane), now));
    if (plans.length === 0) return false;
    const leaseEndsMs = this.#held.leaseFromNow();
    const statements = plans.flatMap(({ guard, claim }) => (guard ? [guard, claim] : [claim]));
    const results = await this.#parts.database.commit(statements);
    let at = 0;
    let hasAny = false;
    for (const { guard, aim } of plans) {
      if (guard) at++;
      for (const claimed of results[at++] as ClaimedMail[]) {
        hasAny = true;
        this.#hold(new HeldMail(readMailRow(claimed), { aim, leaseEndsMs }));
      }
    }
    return hasAny;
  }

  #roomIn({ lane, maxConnections }: Lane): number {
    const queue = this.#queueOf(lane);
    queue.connections = maxConnections;
    const most = Math.max(MOST_HELD - this.#held.size, HELD_IN_ANY_CASE - queue.held);
    return Math.min(queue.room, most);
  }

  #hold(mail: HeldMail): void {
    this.#held.add(mail);
    const queue = this.#queueOf(mail.row.lane);
    queue.held++;
    const begun = this.#begin(mail, queue).catch((error) => {
      log.error("Mail {mailId} is left to be found again: {error}", { mailId: mail.id, error });
      this.#letGo(mail, queue);
    });
    this.#track(begun);
  }

  async #begin(mail: HeldMail, queue: LaneQueue): Promise<void> {
    const { tries, platform } = this.#parts;
    if (mail.aim === "pass-over") return this.#passOver(mail, queue);
    if (mail.isOfUnknownFate && !((await tries.recover(mail)) && mail.left > 0))
      return this.#letGo(mail, queue);
    const due = mail.due(platform.now().getTime());
    // A mail whose time is over is claimed for its end, whenever its next try was meant to be.
    const places = due.length > 0 ? due : mail.due(Number.POSITIVE_INFINITY);
    mail.left = places.length;
    if (places.length === 0) return this.#letGo(mail, queue);
    await tries.open(mail);
    queue.waiting.push(...places.map((at) => ({ mail, at })));
    this.#pump(queue);
  }

  async #passOver(mail: HeldMail, queue: LaneQueue): Promise<void> {
    await this.#parts.tries.passOver(mail);
    this.#letGo(mail, queue);
    // It is due where it is now.
    void this.look();
  }

  #pump(queue: LaneQueue): void {
    if (this.#isStopped || this.#isTooLate()) this.#giveBack(queue);
    const { mostAtOnce = Number.POSITIVE_INFINITY } = this.#drain ?? {};
    while (this.#active < mostAtOnce) {
      const next = queue.take();
      if (next === undefined) return;
      this.#active++;
      this.#track(this.#tryOne(next.mail, next.at, queue));
    }
  }

  /** A try has ended; where servers share the room for tries, the others have it first. */
  #free(queue: LaneQueue, tookMs: number): void {
    queue.finish(tookMs);
    this.#active--;
    const others = this.#drain?.mostAtOnce ? [...this.#queues.values()].filter((one) => one !== queue) : [];
    for (const one of [...others, queue]) this.#pump(one);
  }

  async #tryOne(mail: HeldMail, at: number, queue: LaneQueue): Promise<void> {
    const [signal, endsMs] = [this.#cut, this.#drain?.endsMs];
    const finalReplyTimeoutMs = endsMs && Math.max(0, endsMs - performance.now());
    const startMs = performance.now();
    await this.#parts.tries.attempt(mail, at, { signal, finalReplyTimeoutMs });
    // The connection is free while the database writes.
    this.#free(queue, performance.now() - startMs);
    await this.#parts.tries.settle(mail);
    if (mail.left === 0) this.#letGo(mail, queue);
    if (queue.wantsMore) void this.look();
  }

  #letGo(mail: HeldMail, queue: LaneQueue): void {
    if (this.#held.delete(mail)) queue.held--;
    if (this.#drain) this.#track(this.#announce(mail));
  }

  /** Who only drains does not look again by himself, and nobody may sweep soon. */
  async #announce({ id, recipients }: HeldMail): Promise<void> {
    const dueAt = nextDueAt(recipients);
    if (dueAt === null) return;
    await this.#parts.wake.notify([id], { notBefore: new Date(dueAt) }).catch((error) => {
      log.warning("No wake for the next try of mail {mailId}: {error}", { mailId: id, error });
    });
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
    const tracked = work.finally(() => {
      this.#inFlight.delete(tracked);
      this.#endIfIdle();
    });
    this.#inFlight.add(tracked);
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
    if (!this.#looking && this.#inFlight.size === 0) this.#drain?.done();
  }

  #lookIn(delayMs: number): void {
    if (this.#drain || this.#isStopped) return;
    clearTimeout(this.#lookTimer);
    this.#lookTimer = setTimeout(() => void this.look(), delayMs);
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
