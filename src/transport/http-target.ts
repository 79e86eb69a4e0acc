import type { Socket } from "node:net";
import { type Connect, ConnectError } from "../contracts/transport.ts";
import { type EgressPolicy, isSafeUrl, isTargetAllowed } from "../domain/network.ts";

interface HttpConnectOptions extends EgressPolicy {
  /** Opens the sockets, under the same policy. */
  readonly connect: Connect;
}

/** Opens a socket to the host of a URL. */
export type HttpConnect = (url: URL, options: Parameters<Connect>[1]) => Promise<Socket>;

const HTTPS_PORT = 443;
const HTTP_PORT = 80;

/** The ports that an HTTP client may use: https works however mail is restricted. Empty: any port. */
export function httpPorts(ports: readonly number[]): readonly number[] {
  return ports.length === 0 ? ports : [...ports, HTTPS_PORT];
}

/**
 * Returns where a request goes.
 * @throws {ConnectError} `egress_denied` for a URL that the policy does not allow, whatever its host resolves to.
 */
export function httpTarget(url: URL, { egress, ports }: EgressPolicy): Parameters<Connect>[0] {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const tls = url.protocol === "https:";
  const port = url.port === "" ? (tls ? HTTPS_PORT : HTTP_PORT) : Number(url.port);
  const isAllowed =
    isSafeUrl(url.href) &&
    (tls || egress === "private") &&
    isTargetAllowed(host, port, { egress, ports: httpPorts(ports) });
  if (!isAllowed) throw new ConnectError("policy", "egress_denied", false);
  return { host, port, tls };
}

/** Creates the {@link HttpConnect} of an HTTP client. */
export function createHttpConnect({ connect, ...policy }: HttpConnectOptions): HttpConnect {
  return async (url, options) => connect(httpTarget(url, policy), options);
}
