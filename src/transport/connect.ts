import { lookup as dnsLookup } from "node:dns/promises";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { BoundedCache } from "../domain/bounded-cache.ts";
import { type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressMode, isEgressAllowed } from "./egress.ts";
import { interleaveFamilies, raceAddresses } from "./race-addresses.ts";
import { failureCodeOf, lookupFailureCode, tlsFailure } from "./socket-errors.ts";
import { tlsOptionsFor } from "./tls.ts";
import { untilReady } from "./until-ready.ts";

/** Resolves a name to all its addresses, in the resolver's order. */
export type Lookup = (host: string) => Promise<readonly { readonly address: string }[]>;

export interface ConnectOptions {
  readonly egress: EgressMode;
  /** Ports that mail may be sent to; empty: any. */
  readonly ports: readonly number[];
  /** Certificate authorities in PEM that implicit TLS trusts beside the usual roots. */
  readonly ca?: readonly string[];
  readonly lookup?: Lookup;
}

/** How long an address that failed comes last. */
const FAILED_MS = 600_000;
const MAX_ADDRESSES = 1_000;

/**
 * Creates the {@link Connect} of runtimes with `node:net`. The name is resolved once, every address is checked against
 * the egress policy, and the checked ones are dialed by RFC 8305: families mixed, the address that connected last first,
 * those that failed lately last, the next one after 250 ms.
 */
export function createConnect(options: ConnectOptions): Connect {
  const lookup = options.lookup ?? ((host) => dnsLookup(host, { all: true, verbatim: true }));
  const tlsOptions = tlsOptionsFor(options.ca ?? []);
  const history = new AddressHistory();
  return async ({ host, port, tls: isTls }, { signal, onPhase, onDialed, skip = new Set() }) => {
    if (options.ports.length > 0 && !options.ports.includes(port)) throw denied();
    onPhase?.("dns");
    const addresses = await resolve(host, lookup);
    signal.throwIfAborted();
    if (!addresses.every((address) => isEgressAllowed(address, options.egress))) throw denied();
    onPhase?.("connect");
    for (const address of skip) history.failed(address, port);
    const usable = history.order(interleaveFamilies(addresses), port).filter((address) => !skip.has(address));
    const socket = await raceAddresses(usable, {
      signal,
      dial: (address, limit) => dial(address, port, limit),
      discard: (late) => late.destroy(),
      onDialed(dialed) {
        if (dialed.result === "connected") history.connected(dialed.address, port);
        else history.failed(dialed.address, port);
        onDialed?.(dialed, usable.length - 1);
      },
    });
    return isTls ? secure(socket, tlsOptions(host, net.isIP(host) !== 0), signal) : socket;
  };
}

/** One error for every denied target, so that it reveals nothing about the target. */
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
  // A command waits for nothing that could be sent along with it (RFC 2920 3.1).
  socket.setNoDelay(true);
  return untilReady(socket, "connect", signal, (error) => failed("connect", failureCodeOf(error), error));
}

function secure(plain: Socket, options: tls.ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  return untilReady(tls.connect({ ...options, socket: plain }), "secureConnect", signal, (error) => {
    plain.destroy();
    const { phase, code } = tlsFailure(error, "connect");
    return failed(phase, code, error);
  });
}

/** Which addresses connected and which failed lately. */
class AddressHistory {
  /** When an address failed, on the clock of `performance.now()`; 0: it connected last. */
  readonly #failedMs = new BoundedCache<number>(MAX_ADDRESSES);

  connected(address: string, port: number): void {
    this.#failedMs.set(`${address} ${port}`, 0);
  }

  failed(address: string, port: number): void {
    this.#failedMs.set(`${address} ${port}`, performance.now());
  }

  /** Those that connected last, then the unknown ones, then those that failed within ten minutes. */
  order(addresses: readonly string[], port: number): string[] {
    const ranks = new Map(addresses.map((address) => [address, this.#rank(address, port)]));
    return addresses.toSorted((left, right) => (ranks.get(left) ?? 0) - (ranks.get(right) ?? 0));
  }

  #rank(address: string, port: number): number {
    const failedMs = this.#failedMs.get(`${address} ${port}`);
    if (failedMs === undefined) return 0;
    if (failedMs === 0) return -1;
    return performance.now() - failedMs < FAILED_MS ? 1 : 0;
  }
}
