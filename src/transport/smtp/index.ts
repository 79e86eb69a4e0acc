import { isIP, type Socket } from "node:net";
import type { Connect, SendOptions, Transport } from "../../contracts/transport.ts";
import { type Checkpoint, NOTHING_SEEN, type Receipt } from "../../domain/delivery.ts";
import type { Secret } from "../../domain/secret.ts";
import { type ConnectionSettings, clientIdentityOf } from "../../domain/smtp-server.ts";
import type { Result } from "../../smtp/task.ts";
import { readTls, tlsOptionsFor } from "../sockets.ts";
import { SmtpConnection } from "./connection.ts";
import { DeliveryRun } from "./delivery-run.ts";
import { DeliveryTimer, type TimeLimits } from "./delivery-timer.ts";
import { Pool } from "./pool.ts";
import { type Clock, DEFAULT_POOL_LIMITS, type PoolLimits } from "./pool-limits.ts";
import { readRejectedChain } from "./rejected-chain.ts";
import { validateCheck, validateDelivery } from "./validate-delivery.ts";

export interface SmtpTransportOptions {
  /** Opens the sockets. For security `implicit` it trusts additional authorities by itself. */
  readonly connect: Connect;
  /** Name given in EHLO: a domain, or an address literal such as `[192.0.2.1]`. */
  readonly ehloName: string;
  /** Certificate authorities in PEM that STARTTLS trusts in addition to the default roots. */
  readonly extraCa?: readonly string[];
  readonly pool?: Partial<PoolLimits>;
  /** The current time, for the days left of a certificate. */
  readonly now: () => Date;
  /** Elapsed time, for idle connections and facts learned about servers. Default: the system's. */
  readonly clock?: Clock;
  /** Bound of the whole delivery, in milliseconds, if it is less than four times `timeoutMs`. Default: none. */
  readonly totalTimeoutMs?: number;
  /** End of every wait for a reply, on the clock of `performance.now()`. Default: none. */
  readonly endsMs?: number;
  /** Whether the runtime hides why a TLS handshake failed. Every such failure is then `tls_failed`. Default: `false`. */
  readonly hidesTlsErrors?: boolean;
  /** Name and connections of another driver over the same conversation. Default: `smtp`. */
  readonly driver?: { readonly name: string; readonly Connection: typeof SmtpConnection };
}

/** The whole delivery may take this many times `timeoutMs`. */
const TOTAL_STEPS = 4;

const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  after(ms, call) {
    const timer = setTimeout(call, ms);
    // On Workers a timer is a number, and no process waits for it.
    if (typeof timer === "object") timer.unref();
    return () => clearTimeout(timer);
  },
};

/**
 * Creates the transport over SMTP (RFC 5321): one recipient per transaction, connections kept per `poolKey`. On a warm
 * connection a message takes one round trip with TLS, PIPELINING and CHUNKING, and two with PIPELINING alone.
 * @throws {TypeError} if `ehloName` is not one word.
 */
export function createSmtpTransport(options: SmtpTransportOptions): Transport {
  const { connect, ehloName, now, hidesTlsErrors = false, clock = SYSTEM_CLOCK } = options;
  const { name, Connection } = options.driver ?? { name: "smtp", Connection: SmtpConnection };
  if (!/^[!-~]+$/.test(ehloName)) throw new TypeError('"ehloName" is not one word of ASCII');
  const tlsOptions = tlsOptionsFor(options.extraCa ?? [], hidesTlsErrors);
  const pool = new Pool({ ...DEFAULT_POOL_LIMITS, ...options.pool }, clock);
  const deps = {
    pool,
    connect,
    createConnection: (socket: Socket, server: ConnectionSettings, accessToken: Secret | null) =>
      new Connection(socket, {
        server,
        accessToken,
        ehloName,
        tlsOptions: tlsOptions(server.host, isIP(server.host) !== 0, clientIdentityOf(server)),
        readTls: (secure) => readTls(secure, now()),
        hidesTlsErrors,
        nowMs: clock.nowMs,
      }),
    nowMs: clock.nowMs,
  };
  return {
    name,
    boundsConnections: true,
    async send(delivery, sendOptions) {
      const { signal, until } = sendOptions;
      const message = until === undefined ? validateDelivery(delivery) : null;
      if (message === null) validateCheck(delivery);
      signal.throwIfAborted();
      using timer = new DeliveryTimer(timeLimits(delivery.server, options, sendOptions), signal);
      const run = new DeliveryRun(deps, delivery, timer, sendOptions);
      const result = message === null ? await run.check(until ?? "connect") : await run.deliver(message);
      return receiptOf(result, run, timer, until ?? null);
    },
    openConnections: () => pool.openConnections(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** Adds the chain of a rejected certificate to the receipts of deliveries that ask for it. */
export function showRejectedChains(
  transport: Transport,
  options: Parameters<typeof readRejectedChain>[2],
): Transport {
  return {
    ...transport,
    async send(delivery, sendOptions) {
      const startedMs = performance.now();
      const receipt = await transport.send(delivery, sendOptions);
      const isRejected = !receipt.successful && receipt.failure.phase === "certificate";
      if (!sendOptions.showsRejectedChain || !isRejected || receipt.seen.chain !== null) return receipt;
      const { server } = delivery;
      const leftMs = totalTimeoutMs(server) - (performance.now() - startedMs);
      const timeoutMs = Math.max(0, Math.min(server.timeoutMs, leftMs));
      const signal = AbortSignal.any([sendOptions.signal, AbortSignal.timeout(timeoutMs)]);
      const chain = await readRejectedChain(server, signal, options).catch(() => null);
      return { ...receipt, seen: { ...receipt.seen, chain } };
    },
  };
}

/** Returns how long one delivery through a server may take, in milliseconds. */
export function totalTimeoutMs(server: ConnectionSettings, maxMs = Number.POSITIVE_INFINITY): number {
  return Math.min(TOTAL_STEPS * server.timeoutMs, maxMs);
}

export function timeLimits(
  server: ConnectionSettings,
  { totalTimeoutMs: maxMs, endsMs }: Pick<SmtpTransportOptions, "totalTimeoutMs" | "endsMs">,
  { finalReplyTimeoutMs = server.timeoutMs }: SendOptions,
): TimeLimits {
  return {
    stepTimeoutMs: server.timeoutMs,
    totalTimeoutMs: totalTimeoutMs(server, maxMs),
    finalReplyTimeoutMs,
    endsMs,
  };
}

export function receiptOf(
  result: Result,
  { tls, seen, roundTrips }: Pick<DeliveryRun, "tls" | "seen" | "roundTrips">,
  timer: DeliveryTimer,
  reached: Checkpoint | null,
): Receipt {
  const isDenied = !result.successful && result.failure.phase === "policy";
  // A denied target reveals nothing, not even times.
  if (isDenied) return { ...result, timingMs: {}, tls: null, seen: NOTHING_SEEN, roundTrips: 0 };
  const observed = { timingMs: timer.finish(), tls, seen, roundTrips };
  return result.successful ? { ...result, reached, ...observed } : { ...result, ...observed };
}
