import { lookup as dnsLookup } from "node:dns/promises";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressMode, isEgressAllowed } from "./egress.ts";
import { settle } from "./settle.ts";
import { failureCodeOf, lookupFailureCode, tlsFailure } from "./socket-errors.ts";
import { tlsOptionsFor } from "./tls.ts";

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

/** Time for one address while others are left, so that a silent one does not eat the whole step. */
const ADDRESS_ATTEMPT_MS = 3000;

/**
 * Makes the {@link Connect} of runtimes with `node:net`. The name is resolved once, every address is checked
 * against the egress policy, and the checked ones are dialled in order.
 */
export function createConnect(options: ConnectOptions): Connect {
  const lookup = options.lookup ?? ((host) => dnsLookup(host, { all: true, verbatim: true }));
  const tlsOptions = tlsOptionsFor(options.ca ?? []);
  return async ({ host, port, tls: isTls }, { signal, onPhase }) => {
    if (options.ports.length > 0 && !options.ports.includes(port)) throw denied();
    onPhase?.("dns");
    const addresses = await resolve(host, lookup);
    signal.throwIfAborted();
    if (!addresses.every((address) => isEgressAllowed(address, options.egress))) throw denied();
    onPhase?.("connect");
    const socket = await dialFirst(addresses, port, signal);
    return isTls ? secure(socket, tlsOptions(host, net.isIP(host) !== 0), signal) : socket;
  };
}

/** One error for whatever the policy refuses: it does not tell what is there. */
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
    if (addresses.length > 0) return addresses;
  } catch (error) {
    throw failed("dns", lookupFailureCode(error), error);
  }
  throw failed("dns", "dns_not_found", undefined);
}

async function dialFirst(addresses: readonly string[], port: number, signal: AbortSignal): Promise<Socket> {
  for (const address of addresses.slice(0, -1)) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_ATTEMPT_MS)]);
    const socket = await dial(address, port, limit).catch(() => null);
    if (socket !== null) return socket;
    signal.throwIfAborted();
  }
  return dial(addresses.at(-1) ?? "", port, signal);
}

function dial(address: string, port: number, signal: AbortSignal): Promise<Socket> {
  return settle(net.connect({ host: address, port }), "connect", signal, (error) =>
    failed("connect", failureCodeOf(error), error),
  );
}

function secure(plain: Socket, options: tls.ConnectionOptions, signal: AbortSignal): Promise<Socket> {
  return settle(tls.connect({ ...options, socket: plain }), "secureConnect", signal, (error) => {
    plain.destroy();
    const { phase, code } = tlsFailure(error, "connect");
    return failed(phase, code, error);
  });
}
