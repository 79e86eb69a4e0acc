import { Buffer } from "node:buffer";
import type { ReceivedMessage } from "./options.ts";

/** A message whose end arrived. */
export type EndedMessage = Omit<ReceivedMessage, "bytes" | "messageId"> & {
  readonly chunks: readonly Uint8Array[];
};

/** The record of a server: which messages it accepted, and which not. */
export class MessageLog {
  readonly accepted: ReceivedMessage[] = [];
  readonly unaccepted: ReceivedMessage[] = [];
  readonly #waiting = new Map<() => void, number>();

  /** Adds a message that has no reply yet. @returns what to call when it is accepted. */
  add({ chunks, ...rest }: EndedMessage): () => void {
    const bytes = Buffer.concat(chunks);
    const message = { ...rest, bytes, messageId: messageIdOf(bytes) };
    this.unaccepted.push(message);
    return () => {
      this.unaccepted.splice(this.unaccepted.indexOf(message), 1);
      this.accepted.push(message);
      this.#wake();
    };
  }

  /** Resolves when so many messages are accepted. */
  untilAccepted(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(resolve, count);
      this.#wake();
    });
  }

  #wake(): void {
    for (const [resolve, count] of this.#waiting) {
      if (this.accepted.length < count) continue;
      this.#waiting.delete(resolve);
      resolve();
    }
  }
}

/** RFC 5322 3.6.4. */
function messageIdOf(bytes: Buffer): string | null {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  const headers = end < 0 ? text : text.slice(0, end);
  return /^Message-ID:\s*(<[^>]*>)/im.exec(headers)?.[1] ?? null;
}
