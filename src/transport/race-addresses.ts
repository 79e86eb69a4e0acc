import type { DialedAddress } from "../domain/delivery.ts";
import { failureCodeOf } from "./socket-errors.ts";

export interface RaceOptions<S> {
  /** Resolves when the socket is open; rejects with the reason, or when its signal is aborted. */
  readonly dial: (address: string, signal: AbortSignal) => Promise<S>;
  readonly discard: (socket: S) => void;
  readonly signal: AbortSignal;
  readonly onDialed: (dialed: DialedAddress) => void;
}

/** RFC 8305 5: the Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;

/** Mixes the families of addresses, beginning with the resolver's first (RFC 8305 4). */
export function interleaveFamilies(addresses: readonly string[]): string[] {
  const [v6, v4] = [addresses.filter(isV6), addresses.filter((address) => !isV6(address))];
  const [first, second] = isV6(addresses[0] ?? "") ? [v6, v4] : [v4, v6];
  const length = Math.max(first.length, second.length);
  return Array.from({ length }, (_, index) => [first[index], second[index]])
    .flat()
    .filter((address) => address !== undefined);
}

/**
 * Dials addresses in order, the next one 250 ms after the last or as soon as that fails, until one connects (RFC 8305 5).
 * @throws the error of the last address if none connects, or the signal's reason.
 */
export async function raceAddresses<S>(addresses: readonly string[], options: RaceOptions<S>): Promise<S> {
  const { signal } = options;
  const settled = new AbortController();
  const limit = AbortSignal.any([signal, settled.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  let [next, open] = [0, 0];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWon = false;

  const dialNext = (): void => {
    clearTimeout(timer);
    const address = addresses[next];
    if (address === undefined || limit.aborted) return;
    next++;
    open++;
    if (next < addresses.length) timer = setTimeout(dialNext, ATTEMPT_DELAY_MS);
    void dialOne(address);
  };

  const dialOne = async (address: string): Promise<void> => {
    const startedMs = performance.now();
    const report = (result: DialedAddress["result"]): void =>
      options.onDialed({ address, result, ms: performance.now() - startedMs });
    try {
      const socket = await options.dial(address, limit);
      if (isWon || signal.aborted) options.discard(socket);
      else {
        isWon = true;
        report("connected");
        resolve(socket);
      }
    } catch (error) {
      // An address that is given up because another one connected, or because time is over, was silent.
      report(limit.aborted ? "timeout" : failureCodeOf(error));
      if (--open === 0 && next === addresses.length) reject(error);
      else dialNext();
    }
  };

  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    signal.throwIfAborted();
    dialNext();
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    settled.abort();
  }
}

function isV6(address: string): boolean {
  return address.includes(":");
}
