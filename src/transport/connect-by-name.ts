import net, { type Socket } from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import type { FailureCode, Phase } from "../domain/delivery.ts";
import { type EgressMode, isEgressAllowed } from "./egress.ts";
import { settle } from "./settle.ts";
import { isRetryable } from "./socket-errors.ts";

/** Cloudflare lets no Worker connect to it. */
const RELAY_PORT = 25;

export interface ConnectByNameOptions {
  readonly egress: EgressMode;
  /** Ports that mail may be sent to; empty: any. */
  readonly ports: readonly number[];
}

/**
 * Makes the {@link Connect} of Cloudflare Workers, where the platform resolves names and verifies certificates, both
 * by the host that the socket is opened with. The egress policy holds for ports and for hosts that are addresses;
 * where a name leads is the platform's to allow.
 *
 * The platform does not say why a connection failed. A host that cannot be reached, refuses or has no address is
 * `unreachable`; TLS that fails on a port that can be reached is `tls_failed`.
 */
export function createConnectByName({ egress, ports }: ConnectByNameOptions): Connect {
  const isAllowed = (host: string, port: number): boolean =>
    (ports.length === 0 || ports.includes(port)) && (net.isIP(host) === 0 || isEgressAllowed(host, egress));
  return async ({ host, port, tls: isTls }, { signal, onPhase }) => {
    if (!isAllowed(host, port)) throw failed("policy", "egress_denied");
    onPhase?.("connect");
    if (!isTls) return open(host, port, signal);
    try {
      const socket = tls.connect({ host, port, servername: host });
      return await settle(socket, "secureConnect", signal, (cause) =>
        failed("certificate", "tls_failed", cause),
      );
    } catch (error) {
      signal.throwIfAborted();
      // Tells a server whose TLS is no good from one that is not there.
      (await open(host, port, signal)).destroy();
      throw error;
    }
  };
}

function open(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  const code = port === RELAY_PORT ? "unsupported_here" : "unreachable";
  return settle(net.connect({ host, port }), "connect", signal, (cause) => failed("connect", code, cause));
}

function failed(phase: Phase, code: FailureCode, cause?: unknown): ConnectError {
  return new ConnectError(phase, code, isRetryable(code), { cause });
}
