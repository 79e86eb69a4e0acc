import { isIP } from "node:net";
import type { Connect, Transport } from "../../contracts/transport.ts";
import { readTls, tlsOptionsFor } from "../tls.ts";
import { SmtpConnection } from "./connection.ts";
import type { Clock, PoolLimits } from "./pool.ts";
import { createPooledTransport, SYSTEM_CLOCK } from "./pooled-transport.ts";

export interface SmtpTransportOptions {
  /** Opens the sockets. For security `implicit` it trusts extra authorities by itself. */
  readonly connect: Connect;
  /** Name said in EHLO: a domain, or an address literal such as `[192.0.2.1]`. */
  readonly ehloName: string;
  /** Certificate authorities in PEM that STARTTLS trusts in addition to the usual roots. */
  readonly extraCa?: readonly string[];
  readonly pool?: Partial<PoolLimits>;
  /** The current time, for the days left of a certificate. */
  readonly now: () => Date;
  /** Elapsed time, for idle connections and what is learned of servers; default: the system's. */
  readonly clock?: Clock;
  /** Bound of the whole delivery, in milliseconds, where it is less than four times `timeoutMs`; default: none. */
  readonly totalTimeoutMs?: number;
  /** When no reply is waited for any more, on the clock of `performance.now()`; default: never. */
  readonly endsMs?: number;
  /** The runtime does not report why a handshake failed: then it is `tls_failed`. */
  readonly hidesTlsErrors?: boolean;
  /** The name and the connections of another driver over the same conversation; default: `smtp`. */
  readonly driver?: { readonly name: string; readonly Connection: typeof SmtpConnection };
}

/**
 * Creates the transport over SMTP (RFC 5321): one recipient a transaction, connections kept per `poolKey`. Through a warm
 * connection a message takes one round trip where TLS, PIPELINING and CHUNKING allow it, two with PIPELINING alone.
 * @throws {TypeError} if `ehloName` is not one word.
 */
export function createSmtpTransport(options: SmtpTransportOptions): Transport {
  const { ehloName, now, hidesTlsErrors = false, clock = SYSTEM_CLOCK } = options;
  if (!/^[!-~]+$/.test(ehloName)) throw new TypeError('"ehloName" is not one word of ASCII');
  const tlsOptions = tlsOptionsFor(options.extraCa ?? []);
  return createPooledTransport({
    name: options.driver?.name ?? "smtp",
    connect: options.connect,
    createConnection: (socket, server) =>
      new (options.driver?.Connection ?? SmtpConnection)(socket, {
        server,
        ehloName,
        tlsOptions: tlsOptions(server.host, isIP(server.host) !== 0),
        readTls: (secure) => readTls(secure, now()),
        hidesTlsErrors,
        nowMs: clock.nowMs,
      }),
    discard: (socket) => socket.destroy(),
    pool: options.pool,
    clock,
    totalTimeoutMs: options.totalTimeoutMs,
    endsMs: options.endsMs,
  });
}
