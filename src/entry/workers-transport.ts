import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../config.ts";
import type { Delivery, Transport } from "../contracts/transport.ts";
import type { Receipt } from "../domain/delivery.ts";
import type { ConnectByNameOptions } from "../transport/connect-by-name.ts";
import { wholeTimeoutMs } from "../transport/pooled-transport.ts";
import { createSmtpTransport, type SmtpTransportOptions } from "../transport/smtp.ts";

/** A whole mail has to end within this. */
const MAIL_MS = 20_000;
/** What `waitUntil` gives to work that goes on when the client is gone. */
const AFTER_CLIENT_MS = 30_000;
/** A Worker has six connections at a time; the database needs one or two. */
const CONNECTIONS = 4;

/** The time that an event has for mail, in milliseconds; an HTTP request may lose its client at once. */
export const REQUEST_MS = AFTER_CLIENT_MS;

interface Scope {
  readonly transport: Transport;
  /** On the clock of `performance.now()`. */
  readonly endsMs: number;
  /** Work that goes on when the answer is made. */
  readonly deferred: Set<Promise<unknown>>;
}

/** A transport whose connections live as long as the event that they were opened in. */
export interface ScopedTransport extends Transport {
  /** Runs the work of one event; `end` takes leave of its servers, and is to be handed to `waitUntil`. */
  run<T>(
    work: () => Promise<T>,
    timeMs: number,
  ): { readonly result: Promise<T>; readonly end: Promise<void> };
  /** Has the event go on, connections and all, until this is done; it never rejects. */
  readonly defer: (work: Promise<unknown>) => void;
}

/** A transport that a Worker can be built with. */
export interface WorkerTransport {
  readonly name: Config["transport"];
  make(options: ConnectByNameOptions & { readonly ehloName: string }): ScopedTransport;
}

/** What a transport of one event has to keep to. */
export type EventBounds = Required<Pick<SmtpTransportOptions, "pool" | "wholeTimeoutMs">>;

const BOUNDS: EventBounds = {
  pool: { connections: CONNECTIONS, mostConnections: CONNECTIONS },
  wholeTimeoutMs: MAIL_MS,
};

/** Makes the SMTP transport of Workers. */
export function createScopedTransport(
  options: Pick<SmtpTransportOptions, "connect" | "ehloName" | "now">,
): ScopedTransport {
  return scopeTransport("smtp", (bounds) =>
    createSmtpTransport({ ...options, ...bounds, hidesTlsErrors: true }),
  );
}

/**
 * Makes a transport of one for each event: on Workers a socket belongs to the event that opened it. A mail is not
 * begun when the event's time may end before it.
 */
export function scopeTransport(
  name: string,
  makeTransport: (bounds: EventBounds) => Transport,
): ScopedTransport {
  const scopes = new AsyncLocalStorage<Scope>();
  return {
    name,
    run(work, timeMs) {
      const transport = makeTransport(BOUNDS);
      const deferred = new Set<Promise<unknown>>();
      const scope = { transport, endsMs: performance.now() + timeMs, deferred };
      const result = scopes.run(scope, work);
      const leave = async () => {
        // What is deferred may defer more.
        for (const one of deferred) await one;
        await transport[Symbol.asyncDispose]();
      };
      return { result, end: result.then(leave, leave) };
    },
    defer: (work) => void scopes.getStore()?.deferred.add(work),
    async send(delivery, sendOptions) {
      const scope = scopes.getStore();
      if (scope === undefined) throw new TypeError("Mail is sent by the work of an event only");
      return canEnd(delivery, scope) ? scope.transport.send(delivery, sendOptions) : tooLate();
    },
    async [Symbol.asyncDispose]() {
      // Nothing is held between events.
    },
  };
}

function canEnd({ server }: Delivery, { endsMs }: Scope): boolean {
  return performance.now() + wholeTimeoutMs(server, MAIL_MS) <= endsMs;
}

function tooLate(): Receipt {
  const failure = { phase: "connect", code: "timeout", reply: null } as const;
  return {
    successful: false,
    failure: { ...failure, outcome: "not-sent", retryable: true },
    timingMs: {},
    tls: null,
  };
}
