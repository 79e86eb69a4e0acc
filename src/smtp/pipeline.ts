import type { Phase } from "../domain/delivery.ts";
import type { RawReply } from "./replies.ts";
import { phaseOf, type Step } from "./task.ts";

/**
 * The event that the conversation waits for:
 * - `reply`: a reply of a phase;
 * - `tls`: the TLS handshake, then {@link Conversation.secured};
 * - `drain`: the socket, until it has taken the bytes, then {@link Conversation.drained};
 * - `nothing`: the task has its result.
 */
export type Wait =
  | { readonly for: "reply"; readonly phase: Phase }
  | { readonly for: "tls" }
  | { readonly for: "drain" }
  | { readonly for: "nothing" };

/** The conversation's response to an input: bytes to write now, in one write, and what to wait for. */
export interface Turn {
  /** `null`: nothing. */
  readonly write: Uint8Array | null;
  readonly wait: Wait;
  /** The phases entered, in order. One input may hold several replies. */
  readonly phases: readonly Phase[];
}

/** A part of a write. `step` is the one that it completes, or `null` if more bytes of a message follow. */
interface Staged {
  readonly step: Step | null;
  readonly data: string | Uint8Array;
}

const encoder = new TextEncoder();

/**
 * The commands of a connection on their way: staged for the next write, or written and without a reply (RFC 2920 3.1).
 */
export class Pipeline {
  #staged: Staged[] = [];
  #awaited: Step[] = [];
  #phases: Phase[] = [];
  /** The commands of the next message, and the replies to them that have arrived. */
  #held: { readonly steps: readonly Step[]; readonly replies: RawReply[] } | null = null;

  /** The phase of the reply that is due, or the latest one. */
  phase: Phase = "greeting";
  /** Waits for a reply so far. The greeting counts as one. */
  roundTrips = 0;
  /** Whether bytes of the current message were written. */
  isMessageStarted = false;
  /** Whether the end of the current message was written. */
  isEndWritten = false;
  /** Whether the socket has to take the bytes before more follow. */
  isDraining = false;

  /** Whether no reply is due. */
  get isIdle(): boolean {
    return this.#awaited.length === 0;
  }

  /** Whether bytes of the current message were written or are staged. */
  get hasMessage(): boolean {
    return this.isMessageStarted || this.#staged.some(({ step }) => isOfMessage(step));
  }

  /** Adds to the next write. A reply that arrives before it is written cannot belong to it. */
  stage(step: Step | null, data: string | Uint8Array): void {
    this.#staged.push({ step, data });
  }

  /** Drops what is staged. @returns the dropped parts. */
  unstage(): readonly Staged[] {
    const staged = this.#staged;
    this.#staged = [];
    return staged;
  }

  /** Holds the staged commands for the next message: their replies wait until {@link resume}. @returns the lines to write. */
  hold(): string {
    const staged = this.unstage();
    this.#held = { steps: staged.flatMap(({ step }) => step ?? []), replies: [] };
    return staged.map(({ data }) => data).join("");
  }

  /** Whether a reply to the held commands is due. */
  get isHeldReplyDue(): boolean {
    return this.#held !== null && this.#held.replies.length < this.#held.steps.length;
  }

  holdReply(raw: RawReply): void {
    this.#held?.replies.push(raw);
  }

  /** Makes the held commands the current ones. @returns the replies to them that have arrived. */
  resume(): readonly RawReply[] {
    const { steps, replies } = this.#held ?? { steps: [], replies: [] };
    this.#held = null;
    this.#awaited = [...steps];
    if (replies.length < steps.length) this.roundTrips++;
    return replies;
  }

  /** Starts a task. */
  reset(phase: Phase): void {
    this.isEndWritten = false;
    this.isMessageStarted = false;
    this.phase = phase;
  }

  /** Waits for a reply that no command precedes. */
  expect(step: Step): void {
    this.#awaited = [step];
    this.roundTrips++;
  }

  /** Returns the step of a reply that arrived. `undefined` if none was due. */
  next(): Step | undefined {
    return this.#awaited.shift();
  }

  /** Takes the staged bytes. From here on the server may have received them. @returns the bytes to write, or `null`. */
  flush(): Uint8Array | null {
    const staged = this.unstage();
    const wasIdle = this.isIdle;
    for (const { step } of staged) {
      this.isMessageStarted ||= isOfMessage(step);
      this.isEndWritten ||= step !== null && isOfMessage(step);
      if (step === null) this.isDraining = true;
      else this.#awaited.push(step);
    }
    if (wasIdle && !this.isIdle) this.roundTrips++;
    return joined(staged);
  }

  /** Enters the phase of the reply that is due next. Without one, the phase stays. */
  enterPhase(): void {
    const [next] = this.#awaited;
    if (next === undefined) return;
    this.phase = phaseOf(next);
    if (this.#phases.at(-1) !== this.phase) this.#phases.push(this.phase);
  }

  /** Returns the phases entered since the last call. */
  takePhases(): readonly Phase[] {
    const phases = this.#phases;
    this.#phases = [];
    return phases;
  }
}

function joined(staged: readonly Staged[]): Uint8Array | null {
  const [first] = staged;
  if (first === undefined) return null;
  if (staged.length === 1 && typeof first.data !== "string") return first.data;
  const parts: Uint8Array[] = [];
  let text = "";
  for (const { data } of staged) {
    if (typeof data === "string") text += data;
    else {
      parts.push(encoder.encode(text), data);
      text = "";
    }
  }
  return parts.length === 0 ? encoder.encode(text) : Buffer.concat([...parts, encoder.encode(text)]);
}

/** Whether the part holds bytes of a message. */
function isOfMessage(step: Step | null): boolean {
  return step === null || step === "message" || step === "bdat";
}
