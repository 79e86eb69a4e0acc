import { type Connect, ConnectError } from "../contracts/transport.ts";
import { notSent } from "../domain/delivery.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import type { Attempt } from "./attempt.ts";
import { DeliveryError } from "./delivery-error.ts";
import { failureCodeOf } from "./socket-errors.ts";

/**
 * Opens a socket within the attempt's bounds, also if `connect` ignores its signal.
 * @param discard ends a socket that nobody takes.
 * @throws {DeliveryError} or the reason for which the attempt was stopped.
 */
export async function openSocket<S>(
  connect: Connect<S>,
  server: OpenServer,
  attempt: Attempt,
  discard: (socket: S) => void,
): Promise<S> {
  const { host, port, security } = server;
  const { signal } = attempt;
  signal.throwIfAborted();
  attempt.enter("connect");
  const opening = connect(
    { host, port, tls: security === "implicit" },
    { signal, onPhase: (phase) => attempt.enter(phase) },
  );
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(signal.reason);
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([opening, stopped.promise]);
  } catch (error) {
    if (!signal.aborted) throw asDeliveryError(error, attempt);
    // A socket that comes too late is nobody's.
    opening.then(discard, () => undefined);
    throw signal.reason;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

function asDeliveryError(error: unknown, attempt: Attempt): DeliveryError {
  if (!(error instanceof ConnectError)) return attempt.failure(failureCodeOf(error));
  return new DeliveryError(notSent(error.phase, error.code), { cause: error });
}
