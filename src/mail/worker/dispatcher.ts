import { getLogger } from "@logtape/logtape";
import type { Platform } from "../../contracts/platform.ts";
import type { Wake } from "../../contracts/wake.ts";
import { nextDueAt } from "../../domain/queued-mail.ts";
import type { QueueSummary } from "../../storage/outbox-statements.ts";
import type { Circuit } from "../circuit.ts";
import type { Attempts } from "./attempts.ts";
import type { LeasedMail } from "./leased-mail.ts";
import type { Leases } from "./leases.ts";
import type { Outcomes } from "./outcomes.ts";
import type { Probe, Probes } from "./probes.ts";
import { MAX_LEASED, ServerQueue, type Started } from "./server-queue.ts";

/** Number of messages, of those whose outcome is being recorded, that do not count. As a rule, a commit has fewer. */
const MAX_RECORDING = 300;
/** Each queue may lease this many even then, so that slow servers do not keep out the others. */
const MIN_LEASED_PER_QUEUE = 5;

const log = getLogger(["sealpost", "worker"]);

/** The bounds of a drain. */
export interface DrainBudget {
  /** Aborts deliveries, and the drain. */
  readonly signal: AbortSignal;
  /** No message starts that might end later than this, on the clock of `performance.now()`. */
  readonly endsMs: number;
  /** Time that one message may take, in milliseconds. */
  readonly messageTimeoutMs: number;
  /** Attempts at the same time, with all servers together. Default: as many as the servers' connections allow. */
  readonly maxConcurrent?: number | undefined;
  /** Connections of one definition that are used, if it has more. Default: all. */
  readonly maxPerServer?: number | undefined;
}

export interface DispatcherDeps {
  readonly attempts: Attempts;
  readonly outcomes: Outcomes;
  readonly probes: Probes;
  readonly circuit: Circuit;
  readonly wake: Wake;
  readonly platform: Platform;
  /** Whether the next messages of each connection wait in the transport. */
  readonly waitsInTransport: boolean;
}

interface Callbacks {
  /** There may be room, or more to claim. */
  readonly onRoom: () => void;
  /** Some work is over. */
  readonly onDone: () => void;
}

/** Starts leased probes, and attempts leased messages within the connections of their servers. */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #leases: Leases;
  readonly #callbacks: Callbacks;
  readonly #queues = new Map<string, ServerQueue>();
  readonly #inFlight = new Set<Promise<void>>();
  #active = 0;
  /** Number of messages whose outcome is being recorded. */
  #recording = 0;
  #isStopped = false;
  /** `null` for a worker that runs without an end. */
  budget: DrainBudget | null = null;
  /** Aborted when deliveries are. Created here, because on Workers a signal belongs to the invocation that created it. */
  signal = new AbortController().signal;

  constructor(deps: DispatcherDeps, leases: Leases, callbacks: Callbacks) {
    this.#deps = deps;
    this.#leases = leases;
    this.#callbacks = callbacks;
  }

  get isIdle(): boolean {
    return this.#inFlight.size === 0;
  }

  /** Whether another message might end after the drain. */
  get isTooLate(): boolean {
    const { budget } = this;
    return budget !== null && performance.now() + budget.messageTimeoutMs > budget.endsMs;
  }

  /** Number of conversations that may still start, with all servers together. */
  get conversations(): number {
    return this.#maxConcurrent - this.#active;
  }

  /** Returns how many messages of a queue may be leased. @param planned those of other queues that are about to be. */
  roomIn({ queueName, maxConnections }: QueueSummary, planned: number): number {
    const queue = this.#queueOf(queueName);
    queue.connections = maxConnections;
    const unsent = this.#leases.size + planned - Math.min(this.#recording, MAX_RECORDING);
    const room = Math.max(MAX_LEASED - unsent, MIN_LEASED_PER_QUEUE - queue.leased);
    return Math.min(queue.room, room);
  }

  /** Runs a probe, which takes the place of a delivery. */
  probe(probe: Probe): void {
    this.#track(this.#probe(probe));
  }

  /** Accepts a leased message. */
  accept(mail: LeasedMail): void {
    this.#leases.add(mail);
    const queue = this.#queueOf(mail.row.queueName);
    queue.leased++;
    const started = this.#start(mail, queue).catch((error) => {
      log.error("Cannot start message {mailId}, which is claimed again later: {error}", {
        mailId: mail.id,
        error,
      });
      this.#release(mail, queue);
    });
    this.#track(started);
  }

  /** Keeps further messages from starting. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Releases the messages that wait, and resolves when nothing is in flight. */
  async untilIdle(): Promise<void> {
    for (const queue of this.#queues.values()) this.#releaseWaiting(queue);
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
  }

  async #probe(probe: Probe): Promise<void> {
    this.#active++;
    await this.#deps.probes.run(probe, this.signal);
    this.#active--;
    if (this.budget?.maxConcurrent) for (const queue of this.#queues.values()) this.#fill(queue);
    this.#callbacks.onRoom();
  }

  async #start(mail: LeasedMail, queue: ServerQueue): Promise<void> {
    const { attempts, outcomes, platform } = this.#deps;
    if (mail.hasUnknownOutcome && !((await outcomes.recover(mail)) && mail.remaining > 0)) {
      return this.#release(mail, queue);
    }
    if (mail.aim !== "send") {
      mail.remaining = 0;
      await (mail.aim === "expire" ? outcomes.expire(mail) : outcomes.failOver(mail));
      this.#release(mail, queue);
      // One claim may not take all that have expired, and a moved message is due in its new queue.
      this.#callbacks.onRoom();
      return;
    }
    const due = mail.due(platform.now().getTime());
    // An expired message is claimed although its next attempt may not be due.
    const indexes = due.length > 0 ? due : mail.due(Number.POSITIVE_INFINITY);
    mail.plan(indexes);
    if (indexes.length === 0) return this.#release(mail, queue);
    await attempts.prepare(mail);
    queue.waiting.push(...indexes.map((index) => ({ mail, index })));
    this.#fill(queue);
  }

  /** Starts attempts of a queue up to its limits. */
  #fill(queue: ServerQueue): void {
    const isOpen = queue.queueName !== "" && this.#deps.circuit.isOpen(queue.queueName);
    if (this.#isStopped || this.isTooLate || isOpen) this.#releaseWaiting(queue);
    while (this.#active < this.#maxConcurrent) {
      const next = queue.next();
      if (next === undefined) return;
      this.#active++;
      this.#track(this.#attempt(next, queue));
    }
  }

  async #attempt({ mail, index, waitsInTransport }: Started, queue: ServerQueue): Promise<void> {
    const { attempts, outcomes } = this.#deps;
    const endsMs = this.budget?.endsMs;
    const finalReplyTimeoutMs = endsMs && Math.max(0, endsMs - performance.now());
    const startMs = performance.now();
    // At a stop, an attempt that waits for a connection is released, and one that has a connection goes on.
    const mayStart = (): boolean => !(waitsInTransport && this.#isStopped);
    await attempts.attempt(mail, index, { finalReplyTimeoutMs, mayStart });
    // The connection sends the next message while the database writes.
    this.#free(queue, performance.now() - startMs);
    if (mail.remaining === 0) this.#makeRoom(mail, queue);
    await outcomes.record(mail);
    if (mail.remaining === 0) this.#release(mail, queue);
    if (queue.wantsMore) this.#callbacks.onRoom();
  }

  /** If servers share the attempts of a drain, the others come before this one. */
  #free(queue: ServerQueue, durationMs: number): void {
    queue.finish(durationMs);
    this.#active--;
    const all = this.budget?.maxConcurrent ? [...this.#queues.values()] : [];
    for (const one of [...all.filter((other) => other !== queue), queue]) this.#fill(one);
  }

  /** Claims more when half of the messages are attempted, although their outcomes are not recorded yet. */
  #makeRoom(mail: LeasedMail, queue: ServerQueue): void {
    // The last attempts of several recipients may end in one tick.
    if (queue.recording.has(mail)) return;
    const wantedMore = queue.wantsMore;
    queue.recording.add(mail);
    this.#recording++;
    if (!wantedMore && queue.wantsMore) this.#callbacks.onRoom();
  }

  #release(mail: LeasedMail, queue: ServerQueue): void {
    if (queue.recording.delete(mail)) this.#recording--;
    if (this.#leases.delete(mail)) queue.leased--;
    if (this.budget) this.#track(this.#wakeForNext(mail));
  }

  /** A drain does not poll again by itself, and the next sweep may be far away. */
  async #wakeForNext({ id, recipients }: LeasedMail): Promise<void> {
    const dueAt = nextDueAt(recipients);
    if (dueAt === null) return;
    await this.#deps.wake.notify([id], { notBefore: new Date(dueAt) }).catch((error) => {
      log.warning("No wake for the next attempt of message {mailId}: {error}", { mailId: id, error });
    });
  }

  /** Leaves recipients that wait for a connection to other workers, or to a later claim. */
  #releaseWaiting(queue: ServerQueue): void {
    for (const { mail } of queue.waiting.splice(0)) {
      mail.remaining--;
      if (mail.remaining > 0) continue;
      this.#track(this.#deps.outcomes.record(mail).then(() => this.#release(mail, queue)));
    }
  }

  #queueOf(queueName: string): ServerQueue {
    const queue =
      this.#queues.get(queueName) ?? new ServerQueue(queueName, this.#deps, this.budget?.maxPerServer);
    this.#queues.set(queueName, queue);
    return queue;
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => {
      this.#inFlight.delete(tracked);
      this.#callbacks.onDone();
    });
    this.#inFlight.add(tracked);
  }

  get #maxConcurrent(): number {
    return this.budget?.maxConcurrent ?? Number.POSITIVE_INFINITY;
  }
}
