import { Buffer } from "node:buffer";
import type { ReceivedMessage } from "./options.ts";

/** A message whose end has arrived. */
type CompleteMessage = Omit<ReceivedMessage, "bytes" | "messageId"> & {
  readonly chunks: readonly Uint8Array[];
};

/** The messages that a server received, accepted or not. */
export class MessageLog {
  readonly accepted: ReceivedMessage[] = [];
  readonly unaccepted: ReceivedMessage[] = [];
  readonly #waiting = new Map<() => void, number>();

  /** Adds a message that has no reply yet. @returns a function that marks it accepted. */
  add({ chunks, ...rest }: CompleteMessage): () => void {
    const bytes = Buffer.concat(chunks);
    const message = { ...rest, bytes, messageId: messageIdOf(bytes) };
    this.unaccepted.push(message);
    return () => {
      this.unaccepted.splice(this.unaccepted.indexOf(message), 1);
      this.accepted.push(message);
      this.#wake();
    };
  }

  /** Resolves when `count` messages are accepted. */
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
