import { AsyncLocalStorage } from "node:async_hooks";
import type { Config } from "../../config.ts";
import type { Delivery, JointTransport, Transport } from "../../contracts/transport.ts";
import { noConnection, notAttempted, type Receipt } from "../../domain/delivery.ts";
import type { EgressPolicy } from "../../domain/network.ts";
import { createTransportByProtocol, sendsJointly } from "../../transport/by-protocol.ts";
import type { ApiDeps } from "../../transport/mail-api/run.ts";
import {
  createSmtpTransport,
  type SmtpTransportOptions,
  totalTimeoutMs,
} from "../../transport/smtp/index.ts";
import type { Drain } from "../../work.ts";
import { type DeliveryObjects, deliverInObjects } from "./deliver-in-object.ts";

/** Bound of one delivery. */
export const MESSAGE_TIMEOUT_MS = 20_000;
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

/** A transport for the invocations of a Worker or of a Durable Object. */
export interface ScopedTransport extends JointTransport {
  /** Runs the work of one invocation. `end` does what it left for later, and may close connections to mail servers: pass it to `waitUntil`. */
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
  /** Starts no more drains. Where invocations share connections, it also aborts those that go on; elsewhere they end soon. */
  stopDrains(): void;
  /** Whether the caller runs in an invocation. */
  readonly isInInvocation: boolean;
}

/** A transport that a Worker can be built with. */
export interface WorkerTransport {
  readonly name: Config["transport"];
  create(options: WorkerTransportOptions): ScopedTransport;
}

interface WorkerTransportOptions extends EgressPolicy {
  readonly ehloName: string;
  /** How requests to mail APIs are sent. */
  readonly apis: ApiDeps;
  /** Whether it runs in a Durable Object, where connections outlive an invocation. Default: `false`. */
  readonly isObject?: boolean | undefined;
  /** The objects that send through stored definitions. Default: the invocation sends. */
  readonly objects?: DeliveryObjects | undefined;
}

/** The SMTP transport of Workers without its bounds. */
export type WorkerSmtpOptions = Pick<SmtpTransportOptions, "connect" | "ehloName" | "now" | "clock">;

/** Bounds of the transport of one invocation. */
type InvocationBounds = Required<Pick<SmtpTransportOptions, "pool" | "totalTimeoutMs" | "endsMs">>;

const BOUNDS: Omit<InvocationBounds, "endsMs"> = {
  pool: { connections: CONNECTIONS, maxConnections: CONNECTIONS },
  totalTimeoutMs: MESSAGE_TIMEOUT_MS,
};

/** The transports of invocations, and their bounds. */
interface InvocationPlan {
  readonly name: string;
  /** Bound of one delivery, in milliseconds. */
  readonly messageTimeoutMs: number;
  /** Deliveries of queued mail at a time. */
  readonly maxConcurrent: number;
  /** Deliveries of queued mail at a time through one definition. Default: as many as its `max_connections`. */
  readonly maxPerServer?: number;
  /** Whether invocations share connections, and so may end each other's work. */
  readonly isShared: boolean;
  /**
   * Opens the transport of an invocation.
   * @param endsMs end of its deliveries, on the clock of `performance.now()`.
   */
  open(endsMs: number): JointTransport;
  /** Called when the work of an invocation is done. */
  close(transport: JointTransport): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Creates the SMTP transport of Workers.
 * @param objects send through stored definitions. Default: the invocation sends.
 */
export function createScopedTransport(
  options: WorkerSmtpOptions,
  apis: ApiDeps,
  objects?: DeliveryObjects,
): ScopedTransport {
  return scopeTransport("smtp", apis, (bounds) => {
    const direct = createSmtpTransport({ ...options, ...bounds, hidesTlsErrors: true });
    return objects === undefined ? direct : deliverInObjects(direct, objects, bounds.endsMs);
  });
}

/** Gives each invocation a transport of its own, because on Workers a socket belongs to the invocation that opened it. */
export function scopeTransport(
  name: string,
  apis: ApiDeps,
  createTransport: (bounds: InvocationBounds) => Transport,
): ScopedTransport {
  return createInvocationTransport({
    name,
    messageTimeoutMs: MESSAGE_TIMEOUT_MS,
    maxConcurrent: CONNECTIONS,
    isShared: false,
    open(endsMs) {
      const bounds = { ...BOUNDS, endsMs };
      return createTransportByProtocol(createTransport(bounds), { ...apis, ...bounds });
    },
    close: (transport) => transport[Symbol.asyncDispose](),
    async dispose() {
      // It holds nothing between invocations.
    },
  });
}

/** Creates a transport for invocations. A delivery does not start if the invocation's time may end before it. */
export function createInvocationTransport(plan: InvocationPlan): ScopedTransport {
  const { messageTimeoutMs } = plan;
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
    const canEnd = performance.now() + totalTimeoutMs(server, messageTimeoutMs) <= scope.endsMs;
    return canEnd ? send(scope.transport) : notAttempted(noConnection());
  };
  const stops = new Set<AbortController>();
  let areStopped = false;
  const runDrain = async (drain: Drain, scope: Scope): Promise<void> => {
    if (areStopped) return;
    const { maxConcurrent, maxPerServer } = plan;
    const endsMs = scope.endsMs - RECORD_MS;
    // Created here, because on Workers a signal belongs to the invocation that created it.
    const stop = new AbortController();
    stops.add(stop);
    try {
      await drain({ signal: stop.signal, endsMs, messageTimeoutMs, maxConcurrent, maxPerServer });
    } finally {
      stops.delete(stop);
    }
  };
  return {
    name: plan.name,
    run(work, timeMs) {
      const endsMs = performance.now() + timeMs;
      const transport = plan.open(endsMs - RECORD_MS);
      const scope: Scope = { transport, endsMs, deferred: new Set(), drains: new Set() };
      const result = scopes.run(scope, work);
      const close = async () => {
        await responseSent();
        await scopes.run(scope, finishWork, scope, runDrain).finally(() => plan.close(transport));
      };
      return { result, end: result.then(close, close) };
    },
    defer: (work) => void scopes.getStore()?.deferred.add(work),
    afterResponse: (drain) => void current().drains.add(drain),
    drainNow: async (drain) => runDrain(drain, current()),
    stopDrains() {
      areStopped = true;
      if (plan.isShared) for (const stop of stops) stop.abort();
    },
    get isInInvocation() {
      return scopes.getStore() !== undefined;
    },
    // No `boundsConnections`: a drain has few attempts, and one that waits in the transport would take the place of another server's.
    sendsJointly,
    send: (delivery, sendOptions) => sendIn(delivery, (transport) => transport.send(delivery, sendOptions)),
    sendJointly: (delivery, sendOptions) =>
      sendIn(delivery, (transport) => transport.sendJointly(delivery, sendOptions)),
    [Symbol.asyncDispose]: plan.dispose,
  };
}

/** Waits for the next turn of the event loop. In the same one, later work would hold up the response on its way out. */
function responseSent(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** Does the work of an invocation after its response. Deferred work may defer more, and mail may queue mail. */
async function finishWork(
  scope: Scope,
  runDrain: (drain: Drain, scope: Scope) => Promise<void>,
): Promise<void> {
  const { deferred, drains } = scope;
  while (deferred.size + drains.size > 0) {
    const [work, due] = [[...deferred], [...drains]];
    // Clear first: each may ask for more.
    deferred.clear();
    drains.clear();
    await Promise.all([...work, ...due.map((drain) => runDrain(drain, scope))]);
  }
}
