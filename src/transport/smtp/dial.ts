import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../../contracts/transport.ts";
import { type DialedAddress, type Failure, notSent } from "../../domain/delivery.ts";
import { type ConnectionSettings, clientIdentityOf } from "../../domain/smtp-server.ts";
import { failureCodeOf } from "../socket-errors.ts";
import { DeliveryTimeout, type DeliveryTimer } from "./delivery-timer.ts";

/** The result of dialing a server. `addresses` is `null` if the platform dials. */
type Dialed = { readonly addresses: readonly DialedAddress[] | null } & (
  | {
      readonly failure: null;
      readonly socket: Socket;
      /** The address that connected. `null` if the platform dials. */
      readonly address: string | null;
      /** Number of addresses that could be dialed next. */
      readonly left: number;
    }
  | { readonly failure: Failure }
);

/**
 * Opens a socket within the timer's bounds, even if `connect` ignores its signal. Destroys a socket that comes too late.
 * @param skip addresses not to dial.
 * @throws the caller's reason if the timer stops for it.
 */
export async function dial(
  connect: Connect,
  server: ConnectionSettings,
  timer: DeliveryTimer,
  skip: ReadonlySet<string>,
): Promise<Dialed> {
  const stop = new AbortController();
  const { signal } = stop;
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const forgetStop = timer.onStop((reason) => {
    stop.abort(reason);
    reject(reason);
  });
  timer.enter("connect");
  const dialed: DialedAddress[] = [];
  let [connected, left]: [string | null, number] = [null, 0];
  const { host, port, security } = server;
  const opening = connect(
    { host, port, tls: security === "implicit", identity: clientIdentityOf(server) },
    {
      signal,
      skip,
      onPhase: (phase) => timer.enter(phase),
      onDialed(one, others) {
        dialed.push(one);
        left = others;
        if (one.result === "connected") connected = one.address;
      },
    },
  );
  opening.then(resolve, reject);
  const addresses = (): readonly DialedAddress[] | null => (dialed.length === 0 ? null : dialed);
  try {
    const socket = await promise;
    return { failure: null, socket, address: connected, left, addresses: addresses() };
  } catch (error) {
    if (signal.aborted) opening.then(destroy, () => undefined);
    if (signal.aborted && !(signal.reason instanceof DeliveryTimeout)) throw signal.reason;
    return { failure: failureOf(error, timer), addresses: addresses() };
  } finally {
    forgetStop();
  }
}

function destroy(socket: Socket): void {
  socket.destroy();
}

function failureOf(error: unknown, timer: DeliveryTimer): Failure {
  if (timer.stopped !== null) return notSent(timer.phase, "timeout");
  if (error instanceof ConnectError) return notSent(error.phase, error.code);
  return notSent(timer.phase, failureCodeOf(error));
}
