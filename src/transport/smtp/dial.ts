import { type Connect, ConnectError } from "../../contracts/transport.ts";
import { type DialedAddress, type Failure, notSent } from "../../domain/delivery.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { failureCodeOf } from "../socket-errors.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";

/** What came of dialing a server. */
export type Dialed<S> = { readonly addresses: readonly DialedAddress[] | null } & (
  | {
      readonly failure: null;
      readonly socket: S;
      /** The address that connected; null where the platform dials. */
      readonly address: string | null;
      /** Addresses that could be dialed next. */
      readonly left: number;
    }
  | { readonly failure: Failure }
);

/**
 * Opens a socket within the timer's bounds, also if `connect` ignores its signal.
 * @param discard ends a socket that comes too late.
 * @throws the reason for which the timer stopped, if it is the caller's.
 */
export async function dial<S>(
  connect: Connect<S>,
  { host, port, security }: ConnectionSettings,
  timer: DeliveryTimer,
  { skip, discard }: { readonly skip: ReadonlySet<string>; readonly discard: (socket: S) => void },
): Promise<Dialed<S>> {
  const stop = new AbortController();
  const { signal } = stop;
  const stopped = Promise.withResolvers<never>();
  const forget = timer.onStop((reason) => {
    stop.abort(reason);
    stopped.reject(reason);
  });
  timer.enter("connect");
  const addresses: DialedAddress[] = [];
  let [connected, left]: [string | null, number] = [null, 0];
  const opening = connect(
    { host, port, tls: security === "implicit" },
    {
      ...{ signal, skip },
      onPhase: (phase) => timer.enter(phase),
      onDialed(dialed, others) {
        addresses.push(dialed);
        left = others;
        if (dialed.result === "connected") connected = dialed.address;
      },
    },
  );
  const seen = (): readonly DialedAddress[] | null => (addresses.length === 0 ? null : addresses);
  try {
    const socket = await Promise.race([opening, stopped.promise]);
    return { failure: null, socket, address: connected, left, addresses: seen() };
  } catch (error) {
    if (signal.aborted) opening.then(discard, () => undefined);
    if (signal.aborted && !(signal.reason instanceof DeliveryTimeout)) throw signal.reason;
    return { failure: failureOf(error, timer), addresses: seen() };
  } finally {
    forget();
  }
}

function failureOf(error: unknown, timer: DeliveryTimer): Failure {
  if (timer.stopped !== null) return notSent(timer.phase, "timeout");
  if (error instanceof ConnectError) return notSent(error.phase, error.code);
  return notSent(timer.phase, failureCodeOf(error));
}
