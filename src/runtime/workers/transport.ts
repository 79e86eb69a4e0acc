import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../../config.ts";
import type { Delivery, JointTransport, Transport } from "../../contracts/transport.ts";
import { notAttempted, notSent, type Receipt } from "../../domain/delivery.ts";
import type { Drain } from "../../services.ts";
import { createTransportByProtocol, sendsJointly } from "../../transport/by-protocol.ts";
import type { ConnectByNameOptions } from "../../transport/connect-by-name.ts";
import type { ApiDeps } from "../../transport/mail-api/run.ts";
import {
  createSmtpTransport,
  type SmtpTransportOptions,
  totalTimeoutMs,
} from "../../transport/smtp/index.ts";

/** Bound of one delivery. */
const MESSAGE_TIMEOUT_MS = 20_000;
/** The time that `waitUntil` gives to work after the client has disconnected. */
const AFTER_CLIENT_MS = 30_000;
/** Kept free to record the outcome of the last message. */
const RECORD_MS = 2_000;
/** A Worker may have six connections at a time; the database needs one or two. */
const CONNECTIONS = 4;

/** The time that an HTTP request has for mail, in milliseconds: its client may disconnect immediately. */
export const REQUEST_MS = AFTER_CLIENT_MS;
/** The time that a cron trigger or a batch of a queue has for mail, in milliseconds. */
export const TRIGGERED_MS = 15 * 60_000;

interface Scope {
  readonly transport: JointTransport;
  /** On the clock of `performance.now()`. */
  readonly endsMs: number;
  /** Work that continues after the response. */
  readonly deferred: Set<Promise<unknown>>;
  /** Drains that start after the response. */
  readonly drains: Set<Drain>;
}

/** A transport whose connections live as long as the invocation that opened them. */
export interface ScopedTransport extends JointTransport {
  /** Runs the work of one invocation. `end` closes its connections to mail servers: pass it to `waitUntil`. */
  run<T>(
    work: () => Promise<T>,
    timeMs: number,
  ): { readonly result: Promise<T>; readonly end: Promise<void> };
  /** Keeps the invocation and its connections alive until this work is done. The work never rejects. */
  readonly defer: (work: Promise<unknown>) => void;
  /** Starts a drain, or other work, when the work of the invocation is done. The same one starts once, however often it is asked for. */
  readonly afterResponse: (drain: Drain) => void;
  /** Sends queued mail now, within the rest of the invocation's time. */
  readonly drainNow: (drain: Drain) => Promise<void>;
  /** Whether the caller runs in an invocation. */
  readonly isInInvocation: boolean;
}

/** A transport that a Worker can be built with. */
export interface WorkerTransport {
  readonly name: Config["transport"];
  create(options: WorkerTransportOptions): ScopedTransport;
}

interface WorkerTransportOptions extends ConnectByNameOptions {
  readonly ehloName: string;
  /** How requests to mail APIs are sent. */
  readonly apis: ApiDeps;
}

/** Bounds of the transport of one invocation. */
type InvocationBounds = Required<Pick<SmtpTransportOptions, "pool" | "totalTimeoutMs" | "endsMs">>;

const BOUNDS: Omit<InvocationBounds, "endsMs"> = {
  pool: { connections: CONNECTIONS, maxConnections: CONNECTIONS },
  totalTimeoutMs: MESSAGE_TIMEOUT_MS,
};

/** Creates the SMTP transport of Workers. */
export function createScopedTransport(
  options: Pick<SmtpTransportOptions, "connect" | "ehloName" | "now">,
  apis: ApiDeps,
): ScopedTransport {
  return scopeTransport("smtp", apis, (bounds) =>
    createSmtpTransport({ ...options, ...bounds, hidesTlsErrors: true }),
  );
}

/**
 * Gives each invocation a transport of its own, because on Workers a socket belongs to the invocation that opened it. A
 * delivery does not start if the invocation's time may end before it.
 */
export function scopeTransport(
  name: string,
  apis: ApiDeps,
  createTransport: (bounds: InvocationBounds) => Transport,
): ScopedTransport {
  const scopes = new AsyncLocalStorage<Scope>();
  const current = (): Scope => {
    const scope = scopes.getStore();
    if (scope === undefined) throw new TypeError("Mail can only be sent within an invocation");
    return scope;
  };
  const sendIn = async (
    { server }: Pick<Delivery, "server">,
    send: (transport: JointTransport) => Promise<Receipt>,
  ): Promise<Receipt> => {
    const scope = current();
    return canEnd(server, scope) ? send(scope.transport) : tooLate();
  };
  return {
    name,
    run(work, timeMs) {
      const endsMs = performance.now() + timeMs;
      const bounds = { ...BOUNDS, endsMs: endsMs - RECORD_MS };
      const transport = createTransportByProtocol(createTransport(bounds), { ...apis, ...bounds });
      const scope: Scope = { transport, endsMs, deferred: new Set(), drains: new Set() };
      const result = scopes.run(scope, work);
      const close = () =>
        scopes.run(scope, finishWork, scope).finally(() => transport[Symbol.asyncDispose]());
      return { result, end: result.then(close, close) };
    },
    defer: (work) => void scopes.getStore()?.deferred.add(work),
    afterResponse: (drain) => void current().drains.add(drain),
    drainNow: async (drain) => drain(timeFor(current())),
    get isInInvocation() {
      return scopes.getStore() !== undefined;
    },
    sendsJointly,
    send: (delivery, sendOptions) => sendIn(delivery, (transport) => transport.send(delivery, sendOptions)),
    sendJointly: (delivery, sendOptions) =>
      sendIn(delivery, (transport) => transport.sendJointly(delivery, sendOptions)),
    async [Symbol.asyncDispose]() {
      // It holds nothing between invocations.
    },
  };
}

/** Does the work of an invocation after its response. Deferred work may defer more, and mail may queue mail. */
async function finishWork({ endsMs, deferred, drains }: Scope): Promise<void> {
  while (deferred.size + drains.size > 0) {
    const [work, due] = [[...deferred], [...drains]];
    // Clear first: each may ask for more.
    deferred.clear();
    drains.clear();
    await Promise.all([...work, ...due.map((drain) => drain(timeFor({ endsMs })))]);
  }
}

/** Creates the signal here, because it belongs to the invocation. */
function timeFor({ endsMs }: Pick<Scope, "endsMs">): Parameters<Drain>[0] {
  const { signal } = new AbortController();
  const endsAtMs = endsMs - RECORD_MS;
  return { signal, endsMs: endsAtMs, messageTimeoutMs: MESSAGE_TIMEOUT_MS, maxConcurrent: CONNECTIONS };
}

function canEnd(server: Delivery["server"], { endsMs }: Scope): boolean {
  return performance.now() + totalTimeoutMs(server, MESSAGE_TIMEOUT_MS) <= endsMs;
}

function tooLate(): Receipt {
  return notAttempted(notSent("connect", "timeout"));
}
