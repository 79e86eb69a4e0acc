import { isIP } from "node:net";
import type { Connect, SendOptions, Transport } from "../contracts/transport.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import type { Attempt, Limits } from "./attempt.ts";
import { openSocket } from "./open-socket.ts";
import type { PoolLimits } from "./pool.ts";
import { createPooledTransport, wholeTimeoutMs } from "./pooled-transport.ts";
import { Session } from "./session.ts";
import { readTlsPeer, tlsOptionsFor } from "./tls.ts";

export interface SmtpTransportOptions {
  /** Opens the sockets. For security `implicit` it trusts extra authorities by itself. */
  readonly connect: Connect;
  /** Name said in EHLO: a domain, or an address literal such as `[192.0.2.1]`. */
  readonly ehloName: string;
  /** Certificate authorities in PEM that STARTTLS trusts beside the usual roots. */
  readonly extraCa?: readonly string[];
  readonly pool?: Partial<PoolLimits>;
  /** The current time, for the days left of a certificate. */
  readonly now: () => Date;
  /** Bound of the whole mail, in milliseconds, where it is less than four times `timeoutMs`; default: none. */
  readonly wholeTimeoutMs?: number;
  /** When no reply is waited for any more, on the clock of `performance.now()`; default: never. */
  readonly endsMs?: number;
  /** The runtime does not say why a handshake failed: then it is `tls_failed`. */
  readonly hidesTlsErrors?: boolean;
}

/**
 * The transport over SMTP (RFC 5321): one recipient a transaction, connections kept per `poolKey`. A mail through
 * a waiting connection takes two round trips where the server offers PIPELINING (RFC 2920).
 * @throws {TypeError} if `ehloName` is not one word.
 */
export function createSmtpTransport(options: SmtpTransportOptions): Transport {
  if (!/^[!-~]+$/.test(options.ehloName)) throw new TypeError('"ehloName" is not one word of ASCII');
  return createPooledTransport({
    name: "smtp",
    pool: options.pool,
    limits: (server, sendOptions) => limitsFor(server, options, sendOptions),
    dial: dialler(options),
  });
}

function limitsFor(server: OpenServer, options: SmtpTransportOptions, sendOptions: SendOptions): Limits {
  const stepMs = server.timeoutMs;
  const wholeMs = wholeTimeoutMs(server, options.wholeTimeoutMs);
  const finalReplyMs = sendOptions.finalReplyTimeoutMs ?? stepMs;
  return { stepMs, wholeMs, finalReplyMs, endsMs: options.endsMs };
}

function dialler(options: SmtpTransportOptions): (server: OpenServer, attempt: Attempt) => Promise<Session> {
  const tlsOptions = tlsOptionsFor(options.extraCa ?? []);
  return async (server, attempt) =>
    new Session(await openSocket(options.connect, server, attempt, (socket) => socket.destroy()), {
      server,
      ehloName: options.ehloName,
      tlsOptions: tlsOptions(server.host, isIP(server.host) !== 0),
      readTlsPeer: (socket) => readTlsPeer(socket, options.now()),
      hidesTlsErrors: options.hidesTlsErrors ?? false,
    });
}
