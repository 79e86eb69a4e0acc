import { isPending, nextDueAt, type RecipientProgress, stateOf } from "../../domain/queued-mail.ts";
import type { MailRow, MailUpdate } from "../../storage/outbox.ts";
import type { AttemptContext } from "../queue/after-attempt.ts";
import type { MailContent } from "../queue/content.ts";
import { keepContentUntil } from "../queue/lifetime.ts";
import type { Aim } from "./claims.ts";

type Attempt = MailUpdate["attempts"][number];

/** A mail that a worker holds, and how far it is. */
export class LeasedMail {
  readonly row: MailRow;
  readonly aim: Aim;
  /** On the clock of `performance.now()`, which nobody sets. */
  leaseEndsMs: number;
  /** Opened when the first recipient's turn comes. */
  content: Promise<MailContent> | null = null;
  /** Whether it is said, for all recipients, that the mail begins to be sent. */
  begun: Promise<boolean> | null = null;
  /** How many recipients are still to be tried in this lease, or are on their way. */
  left = 0;
  #recipients: readonly RecipientProgress[];
  #attempts: Attempt[] = [];
  #movesOn = false;
  #way: string | null = null;
  #isBound = false;
  #hasEnded = false;
  /** Made here: on Workers it belongs to the event that claimed the message. */
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

  /** A mail is not begun on a lease that is about to end. */
  mayBegin(marginMs: number): boolean {
    return performance.now() + marginMs < this.leaseEndsMs;
  }

  /** Ends the deliveries of which the server has nothing yet. */
  abort(): void {
    this.#abort.abort();
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Whether its sender before this one may have sent it, and did not live to say so. */
  get isOfUnknownFate(): boolean {
    const { lost, onUnknown } = this.row;
    // Only mail that must not go twice is said to begin; of the other it makes no difference.
    return onUnknown === "stop" ? lost === 2 : lost > 0;
  }

  get recipients(): readonly RecipientProgress[] {
    return this.#recipients;
  }

  /** The recipients to be tried now, by their place. */
  due(now: number): number[] {
    return this.#recipients.flatMap((one, at) => (isPending(one) && (one.dueAt ?? 0) <= now ? [at] : []));
  }

  /** A mail that somebody may have goes through no other definition: there it would be another mail. */
  get alternatives(): readonly string[] {
    return this.#isBound ? [] : this.row.alternatives;
  }

  /** Name of the definition after this one; undefined if it is the last. */
  get nextServer(): string | undefined {
    const at = this.alternatives.indexOf(this.row.queueName);
    return at < 0 ? undefined : this.alternatives[at + 1];
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

  /** Takes in what became of one recipient; the attempt, if there was one, is part of the next settlement. */
  advance(at: number, progress: RecipientProgress, attempt: Attempt | null): void {
    this.#recipients = this.#recipients.with(at, progress);
    if (attempt) this.#attempts.push(attempt);
    if (attempt?.decision === "next-server") this.#movesOn = true;
    if (attempt?.outcome === "unknown" || attempt?.outcome === "lost") this.#isBound = true;
  }

  /** Whether its end is news: recipients that end together each write it down. */
  takeEnd(): boolean {
    const isNews = !this.#hasEnded;
    this.#hasEnded = true;
    return isNews;
  }

  /** Has it go through another definition once it is let go of. */
  passTo(queueName: string): void {
    this.#way = queueName;
  }

  /** What is to be written down now; the mail is let go of unless recipients of it are still to be tried. */
  settlement({ now, leaseEndsAt }: { readonly now: Date; readonly leaseEndsAt: Date }): MailUpdate {
    const released = this.left === 0;
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
      recipients: this.#recipients,
      dueAt: released ? dueAt : leaseEndsAt.getTime(),
      contentUntil: released ? (contentUntil?.getTime() ?? null) : null,
      released,
      attempts,
    };
  }

  /** After the last definition the first has its turn again. */
  #nextQueueName(): string {
    const { alternatives, row } = this;
    const { queueName } = row;
    if (this.#way !== null) return this.#way;
    if (this.#movesOn) return this.nextServer ?? queueName;
    const wasTried = this.#recipients.some((one, at) => one !== row.recipients[at]);
    return wasTried && this.nextServer === undefined ? (alternatives[0] ?? queueName) : queueName;
  }
}
