import type { SendOptions, Transport } from "../contracts/transport.ts";
import { NOTHING_SEEN, type Receipt } from "../domain/delivery.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import { Attempt, type Limits } from "./attempt.ts";
import { Carrier } from "./carrier.ts";
import { DeliveryError } from "./delivery-error.ts";
import { inspectDelivery } from "./input.ts";
import type { MailSession } from "./mail-session.ts";
import { DEFAULT_POOL_LIMITS, Pool, type PoolLimits } from "./pool.ts";

/** What differs between transports over SMTP. */
export interface PooledTransportOptions<S extends MailSession> {
  readonly name: string;
  readonly pool: Partial<PoolLimits> | undefined;
  readonly limits: (server: OpenServer, options: SendOptions) => Limits;
  /** Connects within the attempt's bounds; the session is not opened yet. */
  readonly dial: (server: OpenServer, attempt: Attempt) => Promise<S>;
}

/** The whole mail may take this many times `timeoutMs`. */
const WHOLE_STEPS = 4;

/** The time that one mail through a server may take, in milliseconds. */
export function wholeTimeoutMs(server: OpenServer, mostMs = Number.POSITIVE_INFINITY): number {
  return Math.min(WHOLE_STEPS * server.timeoutMs, mostMs);
}

/** Makes a transport of sessions: one recipient a transaction, connections kept per `poolKey`. */
export function createPooledTransport<S extends MailSession>(options: PooledTransportOptions<S>): Transport {
  const pool = new Pool<S>({ ...DEFAULT_POOL_LIMITS, ...options.pool });
  return {
    name: options.name,
    async send(delivery, sendOptions) {
      const { signal } = sendOptions;
      const inspection = inspectDelivery(delivery);
      signal.throwIfAborted();
      using attempt = new Attempt(options.limits(delivery.server, sendOptions), signal);
      const carrier = new Carrier(() => options.dial(delivery.server, attempt));
      try {
        const lease = await pool.lease(delivery.poolKey, attempt.signal, delivery.server.maxConnections);
        const seen = { roundTrips: 0, seen: NOTHING_SEEN };
        const reply = await carrier.carry(lease, delivery, inspection, attempt);
        return {
          ...seen,
          timingMs: attempt.finish(),
          tls: carrier.tls,
          successful: true,
          reply,
          reached: null,
        };
      } catch (error) {
        return failedReceipt(error, attempt, carrier);
      }
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

function failedReceipt(error: unknown, attempt: Attempt, carrier: Carrier<MailSession>): Receipt {
  if (!(error instanceof DeliveryError)) throw error;
  const { failure } = error;
  // What the policy refuses tells nothing else, times included.
  const timingMs = failure.phase === "policy" ? {} : attempt.finish();
  return { roundTrips: 0, seen: NOTHING_SEEN, timingMs, tls: carrier.tls, successful: false, failure };
}
