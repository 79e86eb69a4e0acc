import net, { type Socket } from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressMode, isEgressAllowed } from "./egress.ts";
import { untilReady } from "./until-ready.ts";

/** Cloudflare lets no Worker connect to it. */
const RELAY_PORT = 25;

export interface ConnectByNameOptions {
  readonly egress: EgressMode;
  /** Ports that mail may be sent to; empty: any. */
  readonly ports: readonly number[];
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/**
 * Creates the {@link Connect} of Cloudflare Workers, where the platform resolves names and verifies certificates, both
 * by the host that the socket is opened with. The egress policy applies to ports and to hosts that are addresses; the
 * platform decides where a name leads.
 *
 * The platform does not report why a connection failed. A host that cannot be reached, refuses or has no address is
 * `unreachable`; TLS that fails on a port that can be reached is `tls_failed`.
 */
export function createConnectByName({ egress, ports }: ConnectByNameOptions): Connect {
  const isAllowed = (host: string, port: number): boolean =>
    (ports.length === 0 || ports.includes(port)) && (net.isIP(host) === 0 || isEgressAllowed(host, egress));
  return async (target, { signal, onPhase }) => {
    if (!isAllowed(target.host, target.port)) throw failed("policy", "egress_denied");
    onPhase?.("connect");
    if (!target.tls) return dial(target, signal);
    try {
      return await dial(target, signal);
    } catch (error) {
      signal.throwIfAborted();
      // Distinguishes a server whose TLS fails from one that cannot be reached.
      (await dial({ ...target, tls: false }, signal)).destroy();
      throw error;
    }
  };
}

async function dial({ host, port, tls: isTls }: Target, signal: AbortSignal): Promise<Socket> {
  const socket = isTls ? tls.connect({ host, port, servername: host }) : net.connect({ host, port });
  try {
    return await untilReady(socket, isTls ? "secureConnect" : "connect", signal, (cause) => cause);
  } catch (cause) {
    signal.throwIfAborted();
    if (isTls) throw failed("certificate", "tls_failed", cause);
    throw failed("connect", port === RELAY_PORT ? "unsupported_here" : "unreachable", cause);
  }
}

function failed(phase: Phase, code: FailureCode, cause?: unknown): ConnectError {
  return new ConnectError(phase, code, notSent(phase, code).retryable, { cause });
}
