import type { Delivery, Transport } from "../contracts/transport.ts";
import {
  type Failure,
  type FailureCode,
  NOTHING_SEEN,
  notAttempted,
  notSent,
  type Phase,
  type Receipt,
  type SmtpReply,
  unknownOutcome,
} from "../domain/delivery.ts";
import { validateDelivery } from "./smtp/validate-delivery.ts";

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
    async send(delivery, { signal, until, mayTransact = () => true }): Promise<Receipt> {
      validateDelivery(delivery);
      signal.throwIfAborted();
      if (isClosed) throw new Error("The transport is closed");
      const fault = faults.shift();
      if (fault) return notAttempted(failureOf(fault));
      const seen = { timingMs: {}, tls: null, roundTrips: 0, seen: NOTHING_SEEN };
      if (until !== undefined) return { ...seen, successful: true, reply: null, reached: until };
      if (!mayTransact()) return notAttempted(notSent("sender", "cancelled"));
      sent.push({ ...delivery, bytes: delivery.bytes.slice() });
      const reply = { code: 250, enhanced: "2.0.0", text: "Kept" };
      return { ...seen, successful: true, reply, reached: null };
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
    },
  };
}

function failureOf({ phase, code, outcome, retryable = false, ...fault }: Fault): Failure {
  const reply = fault.reply ?? null;
  if (outcome === "unknown") return unknownOutcome(code, reply);
  return { ...notSent(phase, code, reply), outcome: "not-sent", retryable };
}
