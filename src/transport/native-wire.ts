import { discardNative, type NativeReader, type NativeSocket } from "./native-socket.ts";

export interface NativeWireOptions {
  /** @returns whether to go on reading. */
  readonly onChunk: (chunk: Uint8Array) => boolean;
  /** The peer is gone, at its end of the stream or by an error. */
  readonly onClosed: () => void;
}

const encoder = new TextEncoder();

/** Reads and writes one native socket, before and after STARTTLS. */
export class NativeWire {
  readonly #options: NativeWireOptions;
  #socket: NativeSocket;
  #reader: NativeReader;
  #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(socket: NativeSocket, options: NativeWireOptions) {
    this.#options = options;
    this.#socket = socket;
    this.#reader = socket.readable.getReader();
    this.#writer = socket.writable.getWriter();
    this.#listen();
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.#writer.write(bytes);
  }

  writeLine(line: string): Promise<void> {
    return this.write(encoder.encode(`${line}\r\n`));
  }

  /** Begins TLS; nobody may be reading. */
  startTls(): void {
    this.#reader.releaseLock();
    this.#writer.releaseLock();
    this.#socket = this.#socket.startTls();
    this.#reader = this.#socket.readable.getReader();
    this.#writer = this.#socket.writable.getWriter();
    this.#listen();
  }

  destroy(): void {
    // The writer is not aborted: workerd would then leave the connection open.
    this.#reader.cancel().catch(() => undefined);
    discardNative(this.#socket);
  }

  #listen(): void {
    const { closed, opened } = this.#socket;
    const ignore = (): void => undefined;
    // Reading and writing tell the same.
    for (const promise of [closed, opened, this.#reader.closed, this.#writer.closed]) promise.catch(ignore);
    this.#read(this.#reader).catch(() => this.#options.onClosed());
  }

  async #read(reader: NativeReader): Promise<void> {
    for (;;) {
      const part = await reader.read();
      if (part.done) break;
      if (!this.#options.onChunk(part.value)) return;
    }
    this.#options.onClosed();
  }
}
