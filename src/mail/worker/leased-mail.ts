import { isPending, nextDueAt, type RecipientProgress, stateOf } from "../../domain/queued-mail.ts";
import type { MailRow, MailUpdate } from "../../storage/outbox.ts";
import type { AttemptContext } from "../queue/after-attempt.ts";
import type { MailContent } from "../queue/content.ts";
import { keepContentUntil } from "../queue/lifetime.ts";

/** The purpose of a claim. `failover`: the circuit of the server is open; `expire`: the message is past its `giveUpAt`. */
export type Aim = "send" | "failover" | "expire";

/** One attempt as the database records it. */
export type AttemptRecord = MailUpdate["attempts"][number];

/** A message that a worker has leased, and the progress of its recipients. */
export class LeasedMail {
  readonly row: MailRow;
  readonly aim: Aim;
  /** On the clock of `performance.now()`, which never jumps. */
  leaseEndsMs: number;
  /** Decrypted for the first attempt. */
  content: Promise<MailContent> | null = null;
  /** The one mark, for all recipients, that sending starts; `false` if the lease was lost. */
  started: Promise<boolean> | null = null;
  /** Number of recipients that this lease still has to attempt, including those in flight. */
  remaining = 0;
  /** Indexes of the recipients that this lease is to attempt. */
  #planned: readonly number[] = [];
  /** By the index of a recipient, those of its attempt. */
  readonly #attempted = new Map<number, readonly number[]>();
  /** Indexes of the recipients whose attempts under this lease did not send the message. */
  readonly #notSent = new Set<number>();
  #recipients: readonly RecipientProgress[];
  #attempts: AttemptRecord[] = [];
  #failsOver = false;
  #target: string | null = null;
  #isBound = false;
  #isFinalTaken = false;
  /** Created here, because on Workers a signal belongs to the invocation that created it. */
  readonly #abort = new AbortController();

  constructor(row: MailRow, options: { readonly aim: Aim; readonly leaseEndsMs: number }) {
    this.row = row;
    this.aim = options.aim;
    this.leaseEndsMs = options.leaseEndsMs;
    this.#recipients = row.recipients;
  }

  get id(): string {
    return this.row.id;
  }

  get lease(): string {
    return this.row.lease ?? "";
  }

  /** Whether the lease lasts long enough for a transaction to start. */
  mayStart(marginMs: number): boolean {
    return performance.now() + marginMs < this.leaseEndsMs;
  }

  /** Aborts the deliveries of which the server has not received anything yet. */
  abort(): void {
    this.#abort.abort();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether the worker that had the message before may have sent it, and died before it recorded the outcome. */
  get hasUnknownOutcome(): boolean {
    const { lost, onUnknown } = this.row;
    // Only messages that must not be sent twice are marked when sending starts.
    return onUnknown === "stop" ? lost === 2 : lost > 0;
  }

  /** Whether the worker that had the message before recorded that this recipient did not get it. A lease has one attempt for each. */
  wasNotSent({ notSentBy }: RecipientProgress): boolean {
    return notSentBy !== undefined && this.lease.endsWith(` ${notSentBy}`);
  }

  get recipients(): readonly RecipientProgress[] {
    return this.#recipients;
  }

  /** Returns the indexes of the recipients that are due. @param now milliseconds since the epoch. */
  due(now: number): number[] {
    return this.#recipients.flatMap((one, index) =>
      isPending(one) && (one.dueAt ?? 0) <= now ? [index] : [],
    );
  }

  /** Plans the attempts of this lease. @param indexes of the recipients. */
  plan(indexes: readonly number[]): void {
    this.remaining = indexes.length;
    this.#planned = indexes;
  }

  /**
   * Assigns a recipient to an attempt, unless it is in one already.
   * @param isJoint whether every recipient that is in none is part of this attempt.
   * @returns whether the attempt is the caller's.
   */
  assign(index: number, isJoint: boolean): boolean {
    if (this.#attempted.has(index)) return false;
    const indexes = isJoint ? this.#planned.filter((one) => !this.#attempted.has(one)) : [index];
    for (const one of indexes) this.#attempted.set(one, indexes);
    return true;
  }

  /** Returns the indexes of all recipients in the attempt of this one. */
  attemptOf(index: number): readonly number[] {
    return this.#attempted.get(index) ?? [index];
  }

  /** The definitions for failover. None after an unknown outcome: another definition would send another message. */
  get alternatives(): readonly string[] {
    return this.#isBound ? [] : this.row.alternatives;
  }

  /** Name of the definition after this one; `undefined` if this is the last. */
  get nextServer(): string | undefined {
    const index = this.alternatives.indexOf(this.row.queueName);
    return index < 0 ? undefined : this.alternatives[index + 1];
  }

  attemptContext(now: number, random: number): AttemptContext {
    const { createdAt, giveUpAt, expiresAt, onUnknown, queueName } = this.row;
    return {
      now,
      random,
      onUnknown,
      hasCircuit: queueName !== "",
      createdAt: createdAt.getTime(),
      giveUpAt: giveUpAt.getTime(),
      expiresAt: expiresAt?.getTime() ?? null,
      hasNextServer: this.nextServer !== undefined,
      hasOneServer: this.alternatives.length <= 1,
    };
  }

  /** Updates one recipient. The attempt, if there was one, is part of the next update of the row. */
  advance(index: number, progress: RecipientProgress, attempt: AttemptRecord | null): void {
    this.#recipients = this.#recipients.with(index, progress);
    if (attempt) this.#attempts.push(attempt);
    if (attempt?.outcome === "not-sent") this.#notSent.add(index);
    if (attempt?.decision === "next-server") this.#failsOver = true;
    if (attempt?.outcome === "unknown" || attempt?.outcome === "lost") this.#isBound = true;
  }

  /** Returns `true` once. Several recipients may become final together, and the end of the message is reported once. */
  takeFinal(): boolean {
    const isFirst = !this.#isFinalTaken;
    this.#isFinalTaken = true;
    return isFirst;
  }

  /** Moves the message to the queue of another definition when its lease is released. */
  moveTo(queueName: string): void {
    this.#target = queueName;
  }

  /** Returns the update of the row. It releases the lease unless recipients remain to be attempted. */
  takeUpdate({ now, leaseEndsAt }: { readonly now: Date; readonly leaseEndsAt: Date }): MailUpdate {
    const released = this.remaining === 0;
    const attempts = this.#attempts;
    this.#attempts = [];
    const dueAt = nextDueAt(this.#recipients);
    const contentUntil = dueAt === null ? keepContentUntil(this.#recipients, this.row.expiresAt, now) : null;
    const queueName = released && dueAt !== null ? this.#nextQueueName() : this.row.queueName;
    return {
      id: this.id,
      lease: this.lease,
      state: released ? stateOf(this.#recipients) : "sending",
      identifier: queueName === "" ? this.row.identifier : queueName,
      queueName,
      alternatives: this.alternatives,
      recipients: released
        ? this.#recipients
        : this.#recipients.map((one, index) => this.#marked(one, index)),
      dueAt: released ? dueAt : leaseEndsAt.getTime(),
      contentUntil: released ? (contentUntil?.getTime() ?? null) : null,
      released,
      attempts,
    };
  }

  #marked(recipient: RecipientProgress, index: number): RecipientProgress {
    const [notSentBy = ""] = this.lease.split(" ");
    return isPending(recipient) && this.#notSent.has(index) ? { ...recipient, notSentBy } : recipient;
  }

  /** After the last definition comes the first again. */
  #nextQueueName(): string {
    const { alternatives, row } = this;
    const { queueName } = row;
    if (this.#target !== null) return this.#target;
    if (this.#failsOver) return this.nextServer ?? queueName;
    const wasAttempted = this.#recipients.some((one, index) => one !== row.recipients[index]);
    return wasAttempted && this.nextServer === undefined ? (alternatives[0] ?? queueName) : queueName;
  }
}
