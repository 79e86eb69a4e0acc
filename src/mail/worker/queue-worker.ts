import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../../async/abort-signal.ts";
import type { Wake, WakeSource } from "../../contracts/wake.ts";
import { nextDueAt } from "../../domain/queued-mail.ts";
import type { QueueSummary } from "../../storage/outbox.ts";
import type { Attempts } from "./attempts.ts";
import type { LeasedMail } from "./leased-mail.ts";
import { Leases } from "./leases.ts";
import { Poller, type PollerDeps } from "./poller.ts";
import type { Probe } from "./probes.ts";
import { ServerQueue } from "./server-queue.ts";

/** Bounds the memory that held mails take. */
const MOST_HELD = 500;
/** So many of a definition are held even then: those that are slow must not keep out the others. */
const HELD_IN_ANY_CASE = 5;
/** What is due later is found by a sweep. */
const LONGEST_TIMER_MS = 60_000;
/** After the database was away. */
const AWAY_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

export interface DrainBudget {
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

export interface QueueWorkerDeps extends PollerDeps {
  readonly tries: Attempts;
  readonly wake: Wake;
  /** Whether the next message of each connection waits in the transport. */
  readonly waitsInTransport: boolean;
}

/**
 * Sends queued mail: claims what is due by a lease, brings it to its recipients, writes down what became of it. Any
 * number of workers may share a database. A definition's mails take its connections and no more, so a server that is
 * slow keeps nobody else waiting.
 */
export class QueueWorker {
  readonly #parts: QueueWorkerDeps;
  readonly #queues = new Map<string, ServerQueue>();
  readonly #leases: Leases;
  readonly #poller: Poller;
  readonly #inFlight = new Set<Promise<void>>();
  #looking: Promise<void> | null = null;
  /** The look that is to come, for those who wait for it. */
  #asked: PromiseWithResolvers<void> | null = null;
  #active = 0;
  #lookTimer: ReturnType<typeof setTimeout> | undefined;
  #drain: (DrainBudget & { readonly done: () => void }) | null = null;
  #isStopped = false;
  /** Made here: on Workers it belongs to the event that made it. */
  #cut = new AbortController().signal;

  constructor(parts: QueueWorkerDeps) {
    this.#parts = parts;
    this.#leases = new Leases(parts);
    this.#poller = new Poller(parts, this.#leases);
  }

  /**
   * Works until the signal is aborted: then no more mails are begun, those that wait are given back, and when those in
   * flight have ended this resolves.
   */
  async run(source: WakeSource, { signal, cut }: RunOptions): Promise<void> {
    if (cut) this.#cutBy(cut);
    this.#leases.doubtClock();
    const listening = source
      .listen(() => this.look(), { signal })
      .catch((error) => log.error("Wakes are not heard, mail is found by sweeping: {error}", { error }));
    const sweeping = setInterval(() => void this.look(), source.sweepMs);
    const stopRenewing = this.#leases.startRenewing();
    void this.look();
    await untilAborted(signal);
    clearInterval(sweeping);
    await this.#stop();
    stopRenewing();
    await listening;
  }

  /** Sends what is due, and resolves when nothing more is, or no time is left, or the signal is aborted. */
  async drain(options: DrainBudget): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drain = { ...options, done: resolve };
    this.#cutBy(options.signal);
    void untilAborted(options.signal).then(resolve);
    const stopRenewing = this.#leases.startRenewing();
    void this.look();
    await promise;
    await this.#stop();
    stopRenewing();
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
        this.#leases.noteStall();
        this.#lookIn(AWAY_MS);
      }
      asked.resolve();
    }
    // In the same turn as the last question: who asks from now on begins anew.
    this.#looking = null;
    this.#endIfIdle();
  }

  async #lookOnce(): Promise<void> {
    if (this.#isTooLate()) return;
    const conversations = this.#mostAtOnce - this.#active;
    const { mails, probes, waitMs } = await this.#poller.poll({
      ...{ in: (queue) => this.#roomIn(queue), conversations },
    });
    for (const probe of probes) this.#track(this.#probe(probe));
    for (const mail of mails) this.#hold(mail);
    if (waitMs < LONGEST_TIMER_MS) this.#lookIn(waitMs);
  }

  /** A probe takes the place of a delivery. */
  async #probe(probe: Probe): Promise<void> {
    this.#active++;
    await this.#parts.probes.run(probe, this.#cut);
    this.#active--;
    if (this.#drain?.mostAtOnce) for (const queue of this.#queues.values()) this.#pump(queue);
    void this.look();
  }

  #roomIn({ queueName, maxConnections }: QueueSummary): number {
    const queue = this.#queueOf(queueName);
    queue.connections = maxConnections;
    const most = Math.max(MOST_HELD - this.#leases.size, HELD_IN_ANY_CASE - queue.held);
    return Math.min(queue.room, most);
  }

  #hold(mail: LeasedMail): void {
    this.#leases.add(mail);
    const queue = this.#queueOf(mail.row.queueName);
    queue.held++;
    const begun = this.#begin(mail, queue).catch((error) => {
      log.error("Mail {mailId} is left to be found again: {error}", { mailId: mail.id, error });
      this.#letGo(mail, queue);
    });
    this.#track(begun);
  }

  async #begin(mail: LeasedMail, queue: ServerQueue): Promise<void> {
    const { tries, platform } = this.#parts;
    if (mail.aim === "failover") return this.#failOver(mail, queue);
    if (mail.isOfUnknownFate && !((await tries.recover(mail)) && mail.left > 0))
      return this.#letGo(mail, queue);
    if (mail.aim === "end") {
      mail.left = 0;
      await tries.end(mail);
      this.#letGo(mail, queue);
      // There may be more of them than one claim takes.
      void this.look();
      return;
    }
    const due = mail.due(platform.now().getTime());
    // A mail whose time is over is claimed for its end, whenever its next try was meant to be.
    const places = due.length > 0 ? due : mail.due(Number.POSITIVE_INFINITY);
    mail.left = places.length;
    if (places.length === 0) return this.#letGo(mail, queue);
    await tries.open(mail);
    queue.waiting.push(...places.map((at) => ({ mail, at })));
    this.#pump(queue);
  }

  async #failOver(mail: LeasedMail, queue: ServerQueue): Promise<void> {
    await this.#parts.tries.failOver(mail);
    this.#letGo(mail, queue);
    // It is due where it is now.
    void this.look();
  }

  #pump(queue: ServerQueue): void {
    const isOpen = queue.queueName !== "" && this.#parts.circuit.isOpen(queue.queueName);
    if (this.#isStopped || this.#isTooLate() || isOpen) this.#giveBack(queue);
    while (this.#active < this.#mostAtOnce) {
      const next = queue.take();
      if (next === undefined) return;
      this.#active++;
      this.#track(this.#tryOne(next, queue));
    }
  }

  /** A try has ended; where servers share the room for tries, the others have it first. */
  #free(queue: ServerQueue, tookMs: number): void {
    queue.finish(tookMs);
    this.#active--;
    const others = this.#drain?.mostAtOnce ? [...this.#queues.values()].filter((one) => one !== queue) : [];
    for (const one of [...others, queue]) this.#pump(one);
  }

  async #tryOne(
    { mail, at, waitsInTransport }: NonNullable<ReturnType<ServerQueue["take"]>>,
    queue: ServerQueue,
  ): Promise<void> {
    const endsMs = this.#drain?.endsMs;
    const finalReplyTimeoutMs = endsMs && Math.max(0, endsMs - performance.now());
    const startMs = performance.now();
    // What waits for a connection when the worker stops is given back, what has one ends.
    const mayBegin = (): boolean => !(waitsInTransport && this.#isStopped);
    await this.#parts.tries.attempt(mail, at, { finalReplyTimeoutMs, mayBegin });
    // The connection is free while the database writes.
    this.#free(queue, performance.now() - startMs);
    await this.#parts.tries.settle(mail);
    if (mail.left === 0) this.#letGo(mail, queue);
    if (queue.wantsMore) void this.look();
  }

  #letGo(mail: LeasedMail, queue: ServerQueue): void {
    if (this.#leases.delete(mail)) queue.held--;
    if (this.#drain) this.#track(this.#announce(mail));
  }

  /** Who only drains does not look again by himself, and nobody may sweep soon. */
  async #announce({ id, recipients }: LeasedMail): Promise<void> {
    const dueAt = nextDueAt(recipients);
    if (dueAt === null) return;
    await this.#parts.wake.notify([id], { notBefore: new Date(dueAt) }).catch((error) => {
      log.warning("No wake for the next try of mail {mailId}: {error}", { mailId: id, error });
    });
  }

  /** Those that wait for a connection are for others, or for later. */
  #giveBack(queue: ServerQueue): void {
    for (const { mail } of queue.waiting.splice(0)) {
      mail.left--;
      if (mail.left === 0) this.#track(this.#parts.tries.settle(mail).then(() => this.#letGo(mail, queue)));
    }
  }

  #queueOf(queueName: string): ServerQueue {
    const queue = this.#queues.get(queueName) ?? new ServerQueue(queueName, this.#parts);
    this.#queues.set(queueName, queue);
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

  get #mostAtOnce(): number {
    return this.#drain?.mostAtOnce ?? Number.POSITIVE_INFINITY;
  }

  #cutBy(signal: AbortSignal): void {
    this.#cut = signal;
    void untilAborted(signal).then(() => this.#leases.abortDeliveries());
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
