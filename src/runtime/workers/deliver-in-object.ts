import { AsyncLocalStorage } from "node:async_hooks";
import { onAbort, withDeadline } from "../../async/abort.ts";
import type { Delivery, SendOptions, Transport } from "../../contracts/transport.ts";
import {
  type Failure,
  noConnection,
  notAttempted,
  notSent,
  type Receipt,
  unknownOutcome,
} from "../../domain/delivery.ts";
import type { AccessTokens } from "../../domain/oauth.ts";
import { type ConnectionSettings, clientIdentityOf } from "../../domain/smtp-server.ts";
import { validateDelivery } from "../../transport/smtp/validate-delivery.ts";
import { isRejectedCall } from "./unavailable.ts";

/** The settings that go to the object as they are. */
const PLAIN = [
  "host",
  "port",
  "security",
  "username",
  "timeoutMs",
  "maxConnections",
  "pipelining",
  "authMechanism",
  "oauthMechanism",
] as const satisfies readonly (keyof ConnectionSettings)[];

/** The part of the caller's time in which an object can still report that nothing of the message was written. */
const ABORT_MS = 500;

/** A {@link Delivery} as the call of an object takes it. */
export interface ObjectDelivery extends Omit<Delivery, "server"> {
  /** Names the delivery in `abort`. */
  readonly id: string;
  readonly poolKey: string;
  readonly server: Pick<ConnectionSettings, (typeof PLAIN)[number]>;
  readonly password: string;
  /** Gets an access token in the caller. `null` if the definition logs in with its password. */
  readonly getToken: (() => Promise<ObjectToken>) | null;
  readonly finalReplyTimeoutMs: number | undefined;
}

type ObjectToken = { readonly text: string } | { readonly failure: Failure };

/** The result of a delivery in an object. An exception of the call means that the object or the way to it is lost. */
export type ObjectResult =
  | { readonly receipt: Receipt }
  | { readonly isAborted: true }
  | { readonly error: string };

/** A Durable Object that sends the messages of one definition. */
export interface DeliveryObject {
  deliver(delivery: ObjectDelivery): Promise<ObjectResult>;
  /**
   * Aborts a delivery of which no byte of the message is written yet.
   * @param reason `timeout` if the caller's time is over: then the delivery has a receipt, as if its own time were.
   */
  abort(id: string, reason?: "timeout"): Promise<void>;
}

/** The namespace of the objects. */
export interface DeliveryObjects {
  getByName(name: string): DeliveryObject;
}

/**
 * Creates a transport that sends the messages of stored definitions through Durable Objects, which keep connections open.
 * Each version of a definition has an object of its own. All else goes through the caller's transport: unsaved definitions
 * and checks, which keep no connection.
 * @param endsMs end of the caller's time, on the clock of `performance.now()`.
 */
export function deliverInObjects(direct: Transport, objects: DeliveryObjects, endsMs: number): Transport {
  const inFlight = new Set<Promise<Receipt>>();
  let isClosed = false;
  return {
    ...direct,
    async send(delivery, options) {
      const { poolKey, server } = delivery;
      const isOwn = poolKey === null || options.until !== undefined || clientIdentityOf(server) !== null;
      if (isOwn) return direct.send(delivery, options);
      if (isClosed) throw new Error("The transport is closed");
      validateDelivery(delivery);
      options.signal.throwIfAborted();
      if (options.mayTransact?.() === false) return notAttempted(notSent("sender", "cancelled"));
      const sending = deliver(objects.getByName(poolKey), { ...delivery, poolKey }, options, endsMs);
      inFlight.add(sending);
      try {
        return await sending;
      } finally {
        inFlight.delete(sending);
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await Promise.all([direct[Symbol.asyncDispose](), Promise.allSettled(inFlight)]);
    },
  };
}

async function deliver(
  object: DeliveryObject,
  { server, ...delivery }: Delivery & { readonly poolKey: string },
  { signal, finalReplyTimeoutMs }: SendOptions,
  endsMs: number,
): Promise<Receipt> {
  const id = crypto.randomUUID();
  const call = object.deliver({
    ...delivery,
    id,
    server: Object.fromEntries(PLAIN.map((name) => [name, server[name]])) as ObjectDelivery["server"],
    password: server.password.reveal(),
    getToken: server.tokens ? tokenGetter(server.tokens, signal) : null,
    finalReplyTimeoutMs,
  });
  const abort = (reason?: "timeout") => void object.abort(id, reason).catch(() => undefined);
  const forgetAbort = onAbort(signal, abort);
  // Its outcome is final when the time is over, so it must not be sent later.
  const timer = setTimeout(abort, Math.max(0, endsMs - ABORT_MS - performance.now()), "timeout");
  let result: ObjectResult;
  try {
    result = await withDeadline(call, endsMs - performance.now(), () => new ObjectTimeout());
  } catch (error) {
    // The object may have written the end of the message before it was lost.
    return notAttempted(isRejectedCall(error) ? noConnection() : lost(error));
  } finally {
    clearTimeout(timer);
    forgetAbort();
  }
  if ("receipt" in result) return result.receipt;
  if ("error" in result) throw new Error(result.error);
  signal.throwIfAborted();
  // An object of the version before ends a delivery at the caller's time like one that the caller aborts.
  return notAttempted(noConnection());
}

class ObjectTimeout extends Error {
  override readonly name = "ObjectTimeout";
}

function lost(error: unknown): Failure {
  return unknownOutcome(error instanceof ObjectTimeout ? "timeout" : "closed");
}

/** The object calls back in another asynchronous context, and the token needs that of the delivery. */
function tokenGetter(tokens: AccessTokens, signal: AbortSignal): () => Promise<ObjectToken> {
  const inContext = AsyncLocalStorage.snapshot();
  return () =>
    inContext(async () => {
      const token = await tokens.get({ signal });
      return token.successful ? { text: token.accessToken.reveal() } : { failure: token.failure };
    });
}
