import type { Socket } from "node:net";

/** The server's direction of a connection. Replies of one burst leave in one write, or later if the server holds them. */
export class Output {
  readonly #holdMs: number;
  readonly #onWrite: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending = "";
  socket: Socket;

  /** @param onWrite called when replies leave. */
  constructor(socket: Socket, holdMs: number, onWrite: () => void) {
    this.socket = socket;
    this.#holdMs = holdMs;
    this.#onWrite = onWrite;
  }

  /** Adds to the replies of this burst; characters above U+00FF are not allowed. */
  add(text: string): void {
    this.#pending += text;
  }

  /** Ends a burst. */
  release(): void {
    clearTimeout(this.#timer);
    if (this.#holdMs === 0) this.flush();
    else if (this.#pending !== "") this.#timer = setTimeout(() => this.flush(), this.#holdMs);
  }

  /** Writes all replies now. */
  flush(): void {
    clearTimeout(this.#timer);
    const text = this.#pending;
    this.#pending = "";
    if (text === "") return;
    this.#onWrite();
    if (this.socket.writable) this.socket.write(Buffer.from(text, "latin1"));
  }

  /** Writes all replies, then closes the server's direction. */
  end(onEnd?: () => void): void {
    this.flush();
    this.socket.end(onEnd);
  }

  /** Drops all replies. */
  drop(): void {
    clearTimeout(this.#timer);
    this.#pending = "";
  }
}
