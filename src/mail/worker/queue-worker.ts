import { AsyncLocalStorage } from "node:async_hooks";
import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../../async/abort.ts";
import type { WakeSource } from "../../contracts/wake.ts";
import { Dispatcher, type DispatcherDeps, type DrainBudget } from "./dispatcher.ts";
import { Leases } from "./leases.ts";
import { Poller, type PollerDeps } from "./poller.ts";

/** A sweep finds messages that are due later. */
const MAX_TIMER_MS = 60_000;
/** Wait before the next poll after the database was unavailable. */
const UNAVAILABLE_MS = 1_000;

const log = getLogger(["sealpost", "worker"]);

interface RunOptions {
  /** Aborted to stop the worker: no more messages start. */
  readonly signal: AbortSignal;
  /** Aborted to end the deliveries of which the server has not received anything yet. */
  readonly deliveriesAborted?: AbortSignal | undefined;
}

/**
 * Sends queued mail: claims due messages under a lease, delivers them and records the outcomes. Any number of workers may
 * share a database. A slow server delays only its own queue, because its messages use only its connections.
 */
export class QueueWorker {
  readonly #leases: Leases;
  readonly #poller: Poller;
  readonly #dispatcher: Dispatcher;
  #polling: Promise<void> | null = null;
  /** The poll that follows the one under way. */
  #requested: PromiseWithResolvers<void> | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onIdle: (() => void) | null = null;
  #isStopped = false;

  constructor(deps: PollerDeps & DispatcherDeps) {
    this.#leases = new Leases(deps);
    this.#poller = new Poller(deps, this.#leases);
    this.#dispatcher = new Dispatcher(deps, this.#leases, {
      onRoom: () => void this.poll(),
      onDone: () => this.#reportIdle(),
    });
  }

  /**
   * Works until the signal is aborted. Then no more messages start, waiting ones are released, and this resolves when
   * those in flight are done.
   */
  async run(source: WakeSource, { signal, deliveriesAborted }: RunOptions): Promise<void> {
    if (deliveriesAborted) this.#abortDeliveriesBy(deliveriesAborted);
    this.#leases.expectClockJump();
    const listening = source
      .listen(() => this.poll(), { signal })
      .catch((error) => {
        log.error("Cannot receive wakes, so sweeps find the messages: {error}", { error });
      });
    const sweeping = setInterval(() => void this.poll(), source.sweepMs);
    const stopRenewing = this.#leases.startRenewing();
    void this.poll();
    await untilAborted(signal);
    clearInterval(sweeping);
    await this.#stop();
    stopRenewing();
    await listening;
  }

  /** Sends all due mail. Resolves when there is no more, the budget is used up, or its signal is aborted. */
  async drain(budget: DrainBudget): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#dispatcher.budget = budget;
    this.#onIdle = resolve;
    this.#abortDeliveriesBy(budget.signal);
    void untilAborted(budget.signal).then(resolve);
    const stopRenewing = this.#leases.startRenewing();
    void this.poll();
    await promise;
    await this.#stop();
    stopRenewing();
  }

  /**
   * Lets a drain also send what is due now. Resolves when that is claimed.
   * @returns `null` if the drain has ended, or starts no more messages.
   */
  join(): Promise<void> | null {
    return this.#onIdle === null || this.#dispatcher.isTooLate ? null : this.poll();
  }

  /** Polls for due messages; simultaneous calls share a poll. Resolves when those that are due, and have room, are claimed. */
  poll(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    this.#requested ??= Promise.withResolvers();
    const { promise } = this.#requested;
    this.#polling ??= this.#pollWhileRequested();
    return promise;
  }

  async #pollWhileRequested(): Promise<void> {
    for (let requested = this.#requested; requested; requested = this.#requested) {
      this.#requested = null;
      try {
        if (!this.#isStopped) await this.#pollOnce();
      } catch (error) {
        log.error("Cannot read the outbox: {error}", { error });
        this.#leases.noteStall();
        this.#pollIn(UNAVAILABLE_MS);
      }
      requested.resolve();
    }
    // In the same tick as the last check for a request: a later one starts a new poll.
    this.#polling = null;
    this.#reportIdle();
  }

  async #pollOnce(): Promise<void> {
    const dispatcher = this.#dispatcher;
    if (dispatcher.isTooLate) return;
    const { mails, probes, waitMs } = await this.#poller.poll({
      in: (queue, planned) => dispatcher.roomIn(queue, planned),
      conversations: dispatcher.conversations,
    });
    for (const probe of probes) dispatcher.probe(probe);
    for (const mail of mails) dispatcher.accept(mail);
    if (waitMs < MAX_TIMER_MS) this.#pollIn(waitMs);
  }

  #pollIn(delayMs: number): void {
    if (this.#dispatcher.budget || this.#isStopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.poll(), delayMs);
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#onIdle = null;
    this.#dispatcher.stop();
    clearTimeout(this.#timer);
    await this.#polling;
    await this.#dispatcher.untilIdle();
  }

  #abortDeliveriesBy(signal: AbortSignal): void {
    this.#dispatcher.signal = signal;
    void untilAborted(signal).then(() => this.#leases.abortDeliveries());
  }

  #reportIdle(): void {
    if (this.#polling || !this.#dispatcher.isIdle) return;
    this.#onIdle?.();
    this.#onIdle = null;
  }
}

/**
 * Creates a drain for a process whose drains share connections. While one goes on, the next ones join it: a message that a
 * slow server holds up then delays no other, and no definition gets more attempts than it has connections.
 */
export function createSharedDrain(createWorker: () => QueueWorker): QueueWorker["drain"] {
  let join: QueueWorker["join"] = () => null;
  return async (budget) => {
    const joined = join();
    if (joined) return joined;
    const worker = createWorker();
    // The drain lasts longer than the invocations that join it.
    const inContext = AsyncLocalStorage.snapshot();
    join = () => inContext(() => worker.join());
    await worker.drain(budget);
  };
}
