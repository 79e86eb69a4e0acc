import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../../contracts/transport.ts";
import { type DialedAddress, type Failure, notSent } from "../../domain/delivery.ts";
import { type ConnectionSettings, clientIdentityOf } from "../../domain/smtp-server.ts";
import { failureCodeOf } from "../socket-errors.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";

/** The result of dialing a server. */
export type Dialed = {
  /** `null` if the platform dials. */
  readonly addresses: readonly DialedAddress[] | null;
  /** The address that connected. `null` if none did, or if the platform dials. */
  readonly address: string | null;
  /** Whether another address could be dialed next. */
  readonly hasNext: boolean;
  /** Maximum wait for the TLS handshake, and for the greeting, in milliseconds. `null`: the timer's bound. */
  readonly shareMs: number | null;
} & ({ readonly failure: null; readonly socket: Socket } | { readonly failure: Failure });

/** Minimum share of one address, if the timeout is longer. */
const MIN_SHARE_MS = 2_000;

/**
 * Opens a socket within the timer's bounds, even if `connect` ignores its signal. Destroys a socket that comes too late.
 * @param skip addresses not to dial. Those that fail are added.
 * @throws the caller's reason if the timer stops for it.
 */
export async function dial(
  connect: Connect,
  server: ConnectionSettings,
  timer: DeliveryTimer,
  skip: Set<string>,
): Promise<Dialed> {
  const stop = new AbortController();
  const { signal } = stop;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const abort = (reason: unknown): void => {
    stop.abort(reason);
    reject(reason);
  };
  const forgetStop = timer.onStop(abort);
  timer.enter("connect");
  const addresses: DialedAddress[] = [];
  let [address, hasNext, shareMs]: [string | null, boolean, number | null] = [null, false, null];
  let silence: ReturnType<typeof setTimeout> | undefined;
  const { host, port, security, timeoutMs } = server;
  const opening = connect(
    { host, port, tls: security === "implicit", identity: clientIdentityOf(server) },
    {
      signal,
      skip,
      onPhase: (phase) => timer.enter(phase),
      onDialed(one, left) {
        addresses.push(one);
        if (one.result !== "connected") {
          // One that was silent until another connected may still be alive.
          if (address === null) skip.add(one.address);
          return;
        }
        [address, hasNext, shareMs] = [one.address, left.count > 0, shareOf(timeoutMs, left.promising)];
        if (shareMs !== null) silence = setTimeout(() => abort(new DeliveryTimeout("No handshake")), shareMs);
      },
    },
  );
  opening.then(resolve, reject);
  const dialed = () => ({ addresses: addresses.length === 0 ? null : addresses, address, hasNext, shareMs });
  try {
    const socket = await promise;
    return { failure: null, socket, ...dialed() };
  } catch (error) {
    if (signal.aborted) opening.then(destroy, () => undefined);
    if (signal.aborted && !(signal.reason instanceof DeliveryTimeout)) throw signal.reason;
    return { failure: failureOf(error, timer), ...dialed() };
  } finally {
    clearTimeout(silence);
    forgetStop();
  }
}

/** Returns the share of one address in the timeout, while others are left. `null`: all of it. */
function shareOf(timeoutMs: number, left: number): number | null {
  if (left === 0) return null;
  const shareMs = timeoutMs / (left + 1);
  return timeoutMs > MIN_SHARE_MS ? Math.max(MIN_SHARE_MS, shareMs) : shareMs;
}

function destroy(socket: Socket): void {
  socket.destroy();
}

function failureOf(error: unknown, timer: DeliveryTimer): Failure {
  if (error instanceof DeliveryTimeout) return notSent(timer.phase, "timeout");
  if (error instanceof ConnectError) return notSent(error.phase, error.code);
  return notSent(timer.phase, failureCodeOf(error));
}
