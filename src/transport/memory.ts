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

/**
 * A failure that a test asks for.
 * @example
 * ```ts
 * instance.fail({ phase: "recipient", code: "recipient_rejected", times: 2 });
 * ```
 */
export interface InjectedFailure {
  readonly phase: Phase;
  readonly code: FailureCode;
  /** Number of deliveries that fail. Default: 1. */
  readonly times?: number;
  /** Default: `not-sent`. */
  readonly outcome?: Failure["outcome"];
  /** Whether another attempt may succeed. Default: `false`. */
  readonly retryable?: boolean;
  /** Reply of the server. Default: none. */
  readonly reply?: SmtpReply;
}

/** The transport `memory`: sends nothing and keeps every delivery. */
export interface MemoryTransport extends Transport {
  /** Successful deliveries in order, with copies of their bytes. */
  readonly sent: readonly Delivery[];
  /** Makes the next deliveries fail. Further calls queue behind this one. */
  fail(failure: InjectedFailure): void;
}

export function createMemoryTransport(): MemoryTransport {
  const sent: Delivery[] = [];
  const failures: InjectedFailure[] = [];
  let isClosed = false;
  return {
    name: "memory",
    sent,
    fail(failure) {
      for (let time = 0; time < (failure.times ?? 1); time++) failures.push(failure);
    },
    async send(delivery, { signal, until, mayTransact = () => true }): Promise<Receipt> {
      validateDelivery(delivery);
      signal.throwIfAborted();
      if (isClosed) throw new Error("The transport is closed");
      const failure = failures.shift();
      if (failure) return notAttempted(failureOf(failure));
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

function failureOf({ phase, code, outcome, retryable = false, ...injected }: InjectedFailure): Failure {
  const reply = injected.reply ?? null;
  if (outcome === "unknown") return unknownOutcome(code, reply);
  return { ...notSent(phase, code, reply), outcome: "not-sent", retryable };
}
