import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/** Timing of replies, in milliseconds. Default: 0. */
interface Pace {
  /** Silence of the client before replies are written. */
  readonly holdMs?: number;
  /** Delay before each write. */
  readonly replyDelayMs?: number;
  /** Delay after each octet. */
  readonly octetDelayMs?: number;
}

/** The server's direction of a connection. Replies of one burst leave in one write, unless the pace says otherwise. */
export class Output {
  readonly #pace: Required<Pace>;
  readonly #onWrite: () => void;
  #hold: ReturnType<typeof setTimeout> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending = "";
  /** Writes and delays still to perform, in order. */
  #queue: (() => void)[] = [];
  #isBusy = false;
  socket: Socket;

  /** @param onWrite called when replies are written. */
  constructor(socket: Socket, pace: Pace, onWrite: () => void) {
    this.socket = socket;
    this.#pace = { holdMs: 0, replyDelayMs: 0, octetDelayMs: 0, ...pace };
    this.#onWrite = onWrite;
  }

  /** Adds to the replies of this burst; characters above U+00FF are not allowed. */
  add(text: string): void {
    this.#pending += text;
  }

  /** Ends a burst. */
  release(): void {
    clearTimeout(this.#hold);
    if (this.#pace.holdMs === 0) this.#flush();
    else if (this.#pending !== "") this.#hold = setTimeout(() => this.#flush(), this.#pace.holdMs);
  }

  /** Writes all replies without holding them, then calls back. */
  after(call: () => void): void {
    this.#flush();
    this.#enqueue(call);
  }

  /** Drops all replies. */
  drop(): void {
    clearTimeout(this.#hold);
    clearTimeout(this.#timer);
    this.#queue = [];
    this.#pending = "";
  }

  #flush(): void {
    clearTimeout(this.#hold);
    const text = this.#pending;
    this.#pending = "";
    if (text === "") return;
    const { replyDelayMs, octetDelayMs } = this.#pace;
    if (replyDelayMs > 0) this.#enqueue(() => this.#sleep(replyDelayMs));
    if (octetDelayMs === 0) this.#enqueue(() => this.#write(text));
    else {
      for (const octet of text) {
        this.#enqueue(() => this.#write(octet));
        this.#enqueue(() => this.#sleep(octetDelayMs));
      }
    }
  }

  #write(text: string): void {
    this.#onWrite();
    if (this.socket.writable) this.socket.write(Buffer.from(text, "latin1"));
  }

  #enqueue(step: () => void): void {
    this.#queue.push(step);
    this.#run();
  }

  #run(): void {
    while (!this.#isBusy) {
      const step = this.#queue.shift();
      if (step === undefined) return;
      step();
    }
  }

  #sleep(ms: number): void {
    this.#isBusy = true;
    this.#timer = setTimeout(() => {
      this.#isBusy = false;
      this.#run();
    }, ms);
  }
}
