import type { Connect, SendOptions, Transport } from "../../contracts/transport.ts";
import { NOTHING_SEEN, type Receipt } from "../../domain/delivery.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import type { Result } from "../../smtp/task.ts";
import type { DeliveryConnection, NextMessage } from "./delivery-connection.ts";
import { DeliveryRun } from "./delivery-run.ts";
import { DeliveryTimer } from "./delivery-timer.ts";
import { type Clock, DEFAULT_POOL_LIMITS, Pool, type PoolLimits } from "./pool.ts";
import { ServerMemories } from "./server-memory.ts";
import { validateCheck, validateDelivery } from "./validate-delivery.ts";

export interface PooledTransportOptions<S, C extends DeliveryConnection> {
  readonly name: string;
  readonly connect: Connect<S>;
  /** Takes over a connected socket; the connection is not opened yet. */
  readonly createConnection: (socket: S, server: ConnectionSettings) => C;
  readonly discard: (socket: S) => void;
  readonly pool: Partial<PoolLimits> | undefined;
  readonly clock: Clock | undefined;
  /** Bound of the whole delivery, in milliseconds, where it is less than four times `timeoutMs`. */
  readonly totalTimeoutMs: number | undefined;
  /** When no reply is waited for any more, on the clock of `performance.now()`. */
  readonly endsMs: number | undefined;
}

/** The whole delivery may take this many times `timeoutMs`. */
const TOTAL_STEPS = 4;

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    // On Workers a timer is a number, and no process waits for it.
    if (typeof timer === "object") timer.unref();
    return () => clearTimeout(timer);
  },
};

/** The time that one delivery through a server may take, in milliseconds. */
export function totalTimeoutMs(server: ConnectionSettings, maxMs = Number.POSITIVE_INFINITY): number {
  return Math.min(TOTAL_STEPS * server.timeoutMs, maxMs);
}

/** Creates a transport over SMTP: one recipient a transaction, connections kept per `poolKey`. */
export function createPooledTransport<S, C extends DeliveryConnection>(
  options: PooledTransportOptions<S, C>,
): Transport {
  const limits = { ...DEFAULT_POOL_LIMITS, ...options.pool };
  const clock = options.clock ?? SYSTEM_CLOCK;
  const deps = {
    ...options,
    pool: new Pool<C, NextMessage>(limits, clock),
    memories: new ServerMemories(limits.idleMs, clock.nowMs),
    nowMs: clock.nowMs,
  };
  return {
    name: options.name,
    boundsConnections: true,
    async send(delivery, sendOptions) {
      const { signal, until } = sendOptions;
      const message = until === undefined ? validateDelivery(delivery) : null;
      if (message === null) validateCheck(delivery);
      signal.throwIfAborted();
      using timer = new DeliveryTimer(timeLimits(delivery.server, options, sendOptions), signal);
      const run = new DeliveryRun(deps, delivery, timer, sendOptions.mayTransact);
      const result = message === null ? await run.check(until ?? "connect") : await run.deliver(message);
      return receiptOf(result, run, timer, until ?? null);
    },
    [Symbol.asyncDispose]: () => deps.pool[Symbol.asyncDispose](),
  };
}

function timeLimits(
  server: ConnectionSettings,
  {
    totalTimeoutMs: maxMs,
    endsMs,
  }: Pick<PooledTransportOptions<unknown, never>, "totalTimeoutMs" | "endsMs">,
  { finalReplyTimeoutMs }: SendOptions,
) {
  const stepMs = server.timeoutMs;
  const totalMs = totalTimeoutMs(server, maxMs);
  return { stepMs, totalMs, finalReplyMs: finalReplyTimeoutMs ?? stepMs, endsMs };
}

function receiptOf(
  result: Result,
  { tls, seen, roundTrips }: Pick<Receipt, "tls" | "seen" | "roundTrips">,
  timer: DeliveryTimer,
  until: SendOptions["until"] | null,
): Receipt {
  const isDenied = !result.successful && result.failure.phase === "policy";
  // A denied target reveals nothing, its times included.
  if (isDenied) return { ...result, timingMs: {}, tls: null, seen: NOTHING_SEEN, roundTrips: 0 };
  const timingMs = timer.finish();
  if (!result.successful) {
    return { successful: false, failure: result.failure, timingMs, tls, seen, roundTrips };
  }
  return { successful: true, reply: result.reply, reached: until ?? null, timingMs, tls, seen, roundTrips };
}
