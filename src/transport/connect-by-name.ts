import net, { type Socket } from "node:net";
import tls from "node:tls";
import { type Connect, ConnectError, type ConnectTarget } from "../contracts/transport.ts";
import { type FailureCode, notSent, type Phase } from "../domain/delivery.ts";
import { type EgressPolicy, isTargetAllowed } from "../domain/network.ts";
import { untilReady } from "./sockets.ts";

/** Cloudflare does not let Workers connect to this port. */
const RELAY_PORT = 25;

/**
 * Creates the {@link Connect} of Cloudflare Workers. The platform resolves names and verifies certificates, both by the
 * host that opens the socket. The egress policy applies to ports and to IP addresses; the platform decides which address
 * a name stands for.
 *
 * The platform shows no client certificate to a server, so a target with one is `unsupported_here`.
 *
 * The platform does not report why a connection failed. A host without an address, or one that does not accept
 * the connection, is `unreachable`. A failure of TLS on a port that can be reached is `tls_failed`.
 */
export function createConnectByName(policy: EgressPolicy): Connect {
  return async (target, { signal, onPhase }) => {
    if (!isTargetAllowed(target.host, target.port, policy)) throw failed("policy", "egress_denied");
    if (target.identity) throw failed("certificate", "unsupported_here");
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

async function dial({ host, port, tls: isTls }: ConnectTarget, signal: AbortSignal): Promise<Socket> {
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
