import { lookup as dnsLookup } from "node:dns/promises";
import net, { type Socket } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { onAbort } from "../async/abort.ts";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { BoundedCache } from "../domain/cache.ts";
import { type DialedAddress, type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressPolicy, isEgressAllowed } from "../domain/network.ts";
import { failureCodeOf, lookupFailureCode, tlsFailure } from "./socket-errors.ts";
import { hasPeerCertificate, startTls, tlsOptionsFor, untilReady } from "./sockets.ts";

/** Resolves a name to all its addresses, in the resolver's order. */
type Lookup = (host: string) => Promise<readonly { readonly address: string }[]>;

export interface ConnectOptions extends EgressPolicy {
  /** Certificate authorities in PEM that implicit TLS trusts in addition to the default roots. */
  readonly ca?: readonly string[];
  readonly lookup?: Lookup;
}

interface RaceOptions {
  /** Resolves when the socket is open. Rejects with the reason, or when its signal is aborted. */
  readonly dial: (address: string, signal: AbortSignal) => Promise<Socket>;
  readonly signal: AbortSignal;
  readonly onDialed: (dialed: DialedAddress) => void;
}

/** RFC 8305 5: the Connection Attempt Delay. */
const ATTEMPT_DELAY_MS = 250;
/**
 * Idle time before the first probe of TCP (RFC 9293 3.8.4). Firewalls forget idle connections after a few minutes without
 * closing them, and a host that has restarted closes none.
 */
const PROBE_MS = 60_000;
/** Period for which an address that failed is tried last. */
const FAILED_MS = 600_000;
const MAX_ADDRESSES = 1_000;

/**
 * Creates the {@link Connect} of runtimes with `node:net`. It resolves the name once, checks every address against the
 * egress policy, and dials them as in RFC 8305: address families alternate, one attempt every 250 ms. The address that
 * connected last comes first, and those that failed recently come last, the latest failure at the end.
 */
export function createConnect(options: ConnectOptions): Connect {
  const lookup = options.lookup ?? ((host) => dnsLookup(host, { all: true, verbatim: true }));
  const tlsOptions = tlsOptionsFor(options.ca ?? []);
  const history = new AddressHistory();
  const connect: Connect = async ({ host, port, tls: isTls, identity = null }, connectOptions) => {
    const { signal, onPhase, onDialed, skip = new Set() } = connectOptions;
    if (options.ports.length > 0 && !options.ports.includes(port)) throw denied();
    onPhase?.("dns");
    const addresses = await resolve(host, lookup);
    signal.throwIfAborted();
    if (!addresses.every((address) => isEgressAllowed(address, options.egress))) throw denied();
    onPhase?.("connect");
    const usable = history.order(interleaveFamilies(addresses), port).filter((address) => !skip.has(address));
    // The name may resolve to other addresses than before.
    if (usable.length === 0) throw failed("connect", "unreachable", undefined);
    const left = new Set(usable);
    const socket = await raceAddresses(usable, {
      signal,
      dial: (address, limit) => dial(address, port, limit),
      onDialed(dialed) {
        left.delete(dialed.address);
        if (dialed.result === "connected") history.connected(dialed.address, port);
        else history.failed(dialed.address, port);
        const promising = [...left].filter((address) => !history.hasFailed(address, port)).length;
        onDialed?.(dialed, { count: left.size, promising });
      },
    });
    return isTls ? secure(socket, tlsOptions(host, net.isIP(host) !== 0, identity), signal) : socket;
  };
  return Object.assign(connect, {
    avoid: (address: string, port: number): void => history.failed(address, port),
  });
}

/** One error for every denied address, so that it reveals nothing about the target. */
function denied(): ConnectError {
  return new ConnectError("policy", "egress_denied", false);
}

function failed(phase: Phase, code: FailureCode, cause: unknown): ConnectError {
  return new ConnectError(phase, code, notSent(phase, code).retryable, { cause });
}

async function resolve(host: string, lookup: Lookup): Promise<readonly string[]> {
  if (net.isIP(host) !== 0) return [host];
  try {
    const addresses = (await lookup(host)).map(({ address }) => address);
    if (addresses.length > 0) return [...new Set(addresses)];
  } catch (error) {
    throw failed("dns", lookupFailureCode(error), error);
  }
  throw failed("dns", "dns_not_found", undefined);
}

function dial(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  const socket = net.connect({ host: address, port });
  // Commands that may share a segment share a write (RFC 2920 3.1), so Nagle's algorithm only delays.
  socket.setNoDelay(true);
  socket.setKeepAlive(true, PROBE_MS);
  return untilReady(socket, "connect", signal, (error) => failed("connect", failureCodeOf(error), error));
}

async function secure(plain: Socket, options: ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  const socket = startTls(plain, options);
  if (socket === null) throw failed("certificate", "unsupported_here", undefined);
  return untilReady(socket, "secureConnect", signal, (error) => {
    plain.destroy();
    const handshake = { hasIdentity: options.cert !== undefined, hasPeer: hasPeerCertificate(socket) };
    const { phase, code } = tlsFailure(error, "connect", handshake);
    return failed(phase, code, error);
  });
}

/** Alternates the address families, starting with that of the resolver's first address (RFC 8305 4). */
export function interleaveFamilies(addresses: readonly string[]): string[] {
  const [v6, v4] = [addresses.filter(isV6), addresses.filter((address) => !isV6(address))];
  const [first, second] = isV6(addresses[0] ?? "") ? [v6, v4] : [v4, v6];
  const length = Math.max(first.length, second.length);
  return Array.from({ length }, (_, index) => [first[index], second[index]])
    .flat()
    .filter((address) => address !== undefined);
}

function isV6(address: string): boolean {
  return address.includes(":");
}

/**
 * Dials addresses in order until one connects: the next one after 250 ms, or as soon as one fails (RFC 8305 5).
 * @throws the error of the last address if none connects, or the signal's reason.
 */
async function raceAddresses(addresses: readonly string[], options: RaceOptions): Promise<Socket> {
  const { signal } = options;
  const settled = new AbortController();
  const limit = AbortSignal.any([signal, settled.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
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
      if (isWon || signal.aborted) socket.destroy();
      else {
        isWon = true;
        report("connected");
        resolve(socket);
      }
    } catch (error) {
      // An attempt is also aborted if another address connects. Until then this one was silent.
      report(limit.aborted ? "timeout" : failureCodeOf(error));
      if (--open === 0 && next === addresses.length) reject(error);
      else dialNext();
    }
  };

  const forgetAbort = onAbort(signal, () => reject(signal.reason));
  try {
    signal.throwIfAborted();
    dialNext();
    return await promise;
  } finally {
    clearTimeout(timer);
    forgetAbort();
    settled.abort();
  }
}

/** Remembers which addresses connected and which failed recently. */
class AddressHistory {
  /** Time at which an address failed, on the clock of `performance.now()`. 0 if its last attempt connected. */
  readonly #failedMs = new BoundedCache<number>(MAX_ADDRESSES);

  connected(address: string, port: number): void {
    this.#failedMs.set(`${address} ${port}`, 0);
  }

  failed(address: string, port: number): void {
    this.#failedMs.set(`${address} ${port}`, performance.now());
  }

  /** Whether it failed within ten minutes. */
  hasFailed(address: string, port: number): boolean {
    return this.#rank(address, port) > 0;
  }

  /** Sorts addresses: connected last time, unknown, failed within ten minutes, the latest failure last. */
  order(addresses: readonly string[], port: number): string[] {
    const ranks = new Map(addresses.map((address) => [address, this.#rank(address, port)]));
    return addresses.toSorted((left, right) => (ranks.get(left) ?? 0) - (ranks.get(right) ?? 0));
  }

  #rank(address: string, port: number): number {
    const failedMs = this.#failedMs.get(`${address} ${port}`);
    if (failedMs === undefined) return 0;
    if (failedMs === 0) return -1;
    return performance.now() - failedMs < FAILED_MS ? failedMs : 0;
  }
}
