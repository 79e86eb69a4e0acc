import net from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressMode, isEgressAllowed } from "./egress.ts";
import { settle } from "./settle.ts";

/** Cloudflare lets no Worker connect to it. */
const RELAY_PORT = 25;

export interface ConnectByNameOptions {
  readonly egress: EgressMode;
  /** Ports that mail may be sent to; empty: any. */
  readonly ports: readonly number[];
}

/** One kind of socket that the platform opens by name. */
export interface Dialler<S> {
  /** Resolves when the socket is ready; rejects if it never will be, or with the signal's reason. */
  dial(
    target: { readonly host: string; readonly port: number; readonly tls: boolean },
    signal: AbortSignal,
  ): Promise<S>;
  discard(socket: S): void;
}

/**
 * Makes the {@link Connect} of Cloudflare Workers, where the platform resolves names and verifies certificates, both
 * by the host that the socket is opened with. The egress policy holds for ports and for hosts that are addresses;
 * where a name leads is the platform's to allow.
 *
 * The platform does not say why a connection failed. A host that cannot be reached, refuses or has no address is
 * `unreachable`; TLS that fails on a port that can be reached is `tls_failed`.
 */
export function connectByName<S>(
  { egress, ports }: ConnectByNameOptions,
  { dial, discard }: Dialler<S>,
): Connect<S> {
  const isAllowed = (host: string, port: number): boolean =>
    (ports.length === 0 || ports.includes(port)) && (net.isIP(host) === 0 || isEgressAllowed(host, egress));
  const attempt = async (...[target, signal]: Parameters<typeof dial>): Promise<S> => {
    try {
      return await dial(target, signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (target.tls) throw failed("certificate", "tls_failed", cause);
      throw failed("connect", target.port === RELAY_PORT ? "unsupported_here" : "unreachable", cause);
    }
  };
  return async (target, { signal, onPhase }) => {
    if (!isAllowed(target.host, target.port)) throw failed("policy", "egress_denied");
    onPhase?.("connect");
    if (!target.tls) return attempt(target, signal);
    try {
      return await attempt(target, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Tells a server whose TLS is no good from one that is not there.
      discard(await attempt({ ...target, tls: false }, signal));
      throw error;
    }
  };
}

/** {@link connectByName} with the sockets of `node:net` and `node:tls`. */
export function createConnectByName(options: ConnectByNameOptions): Connect {
  return connectByName(options, {
    dial({ host, port, tls: isTls }, signal) {
      const socket = isTls ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
      return settle(socket, isTls ? "secureConnect" : "connect", signal, (cause) => cause);
    },
    discard: (socket) => socket.destroy(),
  });
}

function failed(phase: Phase, code: FailureCode, cause?: unknown): ConnectError {
  return new ConnectError(phase, code, notSent(phase, code).retryable, { cause });
}
