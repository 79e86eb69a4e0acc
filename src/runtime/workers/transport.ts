import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../../config.ts";
import type { Delivery, Transport } from "../../contracts/transport.ts";
import { notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import type { Drain } from "../../services.ts";
import type { ConnectByNameOptions } from "../../transport/connect-by-name.ts";
import {
  createSmtpTransport,
  type SmtpTransportOptions,
  totalTimeoutMs,
} from "../../transport/smtp/index.ts";

/** A whole mail has to end within this. */
const MAIL_MS = 20_000;
/** What `waitUntil` gives to work that goes on when the client is gone. */
const AFTER_CLIENT_MS = 30_000;
/** To write down what became of the last mail. */
const RECORD_MS = 2_000;
/** A Worker has six connections at a time; the database needs one or two. */
const CONNECTIONS = 4;

/** The time that an event has for mail, in milliseconds; an HTTP request may lose its client at once. */
export const REQUEST_MS = AFTER_CLIENT_MS;
/** The same of a cron trigger, and of a batch of a queue: a quarter of an hour. */
export const TRIGGERED_MS = 15 * 60_000;

interface Scope {
  readonly transport: Transport;
  /** On the clock of `performance.now()`. */
  readonly endsMs: number;
  /** Work that goes on when the answer is made. */
  readonly deferred: Set<Promise<unknown>>;
  /** Work that begins then. */
  readonly drains: Set<Drain>;
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
  /** Has the event send queued mail when its work is done. The same drain is begun once, however often asked for. */
  readonly drainLater: (drain: Drain) => void;
  /** Has the event send queued mail now, within what is left of its time. */
  readonly drainNow: (drain: Drain) => Promise<void>;
  /** Whether there is an event. */
  readonly isInInvocation: boolean;
}

/** A transport that a Worker can be built with. */
export interface WorkerTransport {
  readonly name: Config["transport"];
  make(options: ConnectByNameOptions & { readonly ehloName: string }): ScopedTransport;
}

/** What a transport of one event has to keep to. */
export type EventBounds = Required<Pick<SmtpTransportOptions, "pool" | "totalTimeoutMs" | "endsMs">>;

const BOUNDS: Omit<EventBounds, "endsMs"> = {
  pool: { connections: CONNECTIONS, maxConnections: CONNECTIONS },
  totalTimeoutMs: MAIL_MS,
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
  const current = (): Scope => {
    const scope = scopes.getStore();
    if (scope === undefined) throw new TypeError("Mail is sent by the work of an event only");
    return scope;
  };
  return {
    name,
    run(work, timeMs) {
      const endsMs = performance.now() + timeMs;
      const transport = makeTransport({ ...BOUNDS, endsMs: endsMs - RECORD_MS });
      const scope: Scope = { transport, endsMs, deferred: new Set(), drains: new Set() };
      const result = scopes.run(scope, work);
      const leave = () => scopes.run(scope, goOn, scope).finally(() => transport[Symbol.asyncDispose]());
      return { result, end: result.then(leave, leave) };
    },
    defer: (work) => void scopes.getStore()?.deferred.add(work),
    drainLater: (drain) => void current().drains.add(drain),
    drainNow: async (drain) => drain(timeFor(current())),
    get isInInvocation() {
      return scopes.getStore() !== undefined;
    },
    async send(delivery, sendOptions) {
      const scope = current();
      return canEnd(delivery, scope) ? scope.transport.send(delivery, sendOptions) : tooLate();
    },
    async [Symbol.asyncDispose]() {
      // Nothing is held between events.
    },
  };
}

/** What an event does when its answer is made. What is deferred may defer more, and mail may queue mail. */
async function goOn({ endsMs, deferred, drains }: Scope): Promise<void> {
  while (deferred.size + drains.size > 0) {
    const [work, wanted] = [[...deferred], [...drains]];
    // Before they begin: each may ask for more.
    deferred.clear();
    drains.clear();
    await Promise.all([...work, ...wanted.map((drain) => drain(timeFor({ endsMs })))]);
  }
}

/** The signal is made here: it belongs to the event. */
function timeFor({ endsMs }: Pick<Scope, "endsMs">): Parameters<Drain>[0] {
  const { signal } = new AbortController();
  return { signal, endsMs: endsMs - RECORD_MS, messageTimeoutMs: MAIL_MS, maxConcurrent: CONNECTIONS };
}

function canEnd({ server }: Delivery, { endsMs }: Scope): boolean {
  return performance.now() + totalTimeoutMs(server, MAIL_MS) <= endsMs;
}

function tooLate(): Receipt {
  return notAttempted(notSent("connect", "timeout"));
}
