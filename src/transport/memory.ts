import type { Delivery, Transport } from "../contracts/transport.ts";
import type { Failure, FailureCode, Phase, Receipt, SmtpReply } from "../domain/delivery.ts";
import { inspectDelivery } from "./input.ts";

/** A failure that deliveries are to meet. */
export interface Fault {
  readonly phase: Phase;
  readonly code: FailureCode;
  /** How many deliveries meet it; default: one. */
  readonly times?: number;
  /** Default: `not-sent`. */
  readonly outcome?: Failure["outcome"];
  /** Whether sending it again may help; default: no. */
  readonly retryable?: boolean;
  /** What the server is to say; default: nothing. */
  readonly reply?: SmtpReply;
}

/** The transport `memory`: sends nothing and keeps everything. */
export interface MemoryTransport extends Transport {
  /** What was sent, in order; the bytes are copies. */
  readonly sent: readonly Delivery[];
  /** Has the next deliveries fail; several faults are met one after another. */
  fail(fault: Fault): void;
}

export function createMemoryTransport(): MemoryTransport {
  const sent: Delivery[] = [];
  const faults: Fault[] = [];
  let isClosed = false;
  return {
    name: "memory",
    sent,
    fail(fault) {
      for (let time = 0; time < (fault.times ?? 1); time++) faults.push(fault);
    },
    async send(delivery, { signal }): Promise<Receipt> {
      inspectDelivery(delivery);
      signal.throwIfAborted();
      if (isClosed) throw new Error("The transport is closed");
      const fault = faults.shift();
      if (fault) return { timingMs: {}, tls: null, successful: false, failure: failureOf(fault) };
      sent.push({ ...delivery, bytes: delivery.bytes.slice() });
      const reply = { code: 250, enhanced: "2.0.0", text: "Kept" };
      return { timingMs: {}, tls: null, successful: true, reply };
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
    },
  };
}

function failureOf({ phase, code, outcome, retryable = false, reply }: Fault): Failure {
  const said = { phase, code, reply: reply ?? null };
  return outcome === "unknown"
    ? { ...said, outcome, retryable: false }
    : { ...said, outcome: "not-sent", retryable };
}
