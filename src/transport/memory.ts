import type { Delivery, Transport } from "../contracts/transport.ts";
import { inspectDelivery } from "./input.ts";

/** The transport `memory`: sends nothing and keeps everything. */
export interface MemoryTransport extends Transport {
  /** What was sent, in order; the bytes are copies. */
  readonly sent: readonly Delivery[];
}

export function createMemoryTransport(): MemoryTransport {
  const sent: Delivery[] = [];
  let isClosed = false;
  return {
    name: "memory",
    sent,
    async send(delivery, { signal }) {
      inspectDelivery(delivery);
      signal.throwIfAborted();
      if (isClosed) throw new Error("The transport is closed");
      sent.push({ ...delivery, bytes: delivery.bytes.slice() });
      const reply = { code: 250, enhanced: "2.0.0", text: "Kept" };
      return { timingMs: {}, tls: null, successful: true, reply };
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
    },
  };
}
