import type { Socket } from "node:net";
import tls from "node:tls";
import type { TlsPeer } from "../domain/delivery.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** Makes the TLS options for a host: its certificate is verified against the host as it was named. */
export function tlsOptionsFor(
  extraCa: readonly string[],
): (host: string, isAddress: boolean) => tls.ConnectionOptions {
  // `ca` replaces the usual roots, so they are named as well; parsed once, it takes milliseconds.
  const trust: tls.ConnectionOptions =
    extraCa.length === 0
      ? {}
      : { secureContext: tls.createSecureContext({ ca: [...tls.rootCertificates, ...extraCa] }) };
  return (host, isAddress) => ({
    ...trust,
    host,
    // RFC 6066 3: an address is not a server name.
    ...(isAddress ? {} : { servername: host }),
    // Not left to the default, which an environment variable can turn off.
    rejectUnauthorized: true,
    checkServerIdentity: (_name, certificate) => tls.checkServerIdentity(host, certificate),
  });
}

/** Reads what the runtime shows of the peer; a field it hides is null. */
export function readTlsPeer(socket: Socket, now: Date): TlsPeer {
  const certificate = attempt(() => (socket as tls.TLSSocket).getPeerCertificate());
  const expiresMs = Date.parse(certificate?.valid_to ?? "");
  return {
    protocol: attempt(() => (socket as tls.TLSSocket).getProtocol()),
    peer: certificate === null ? null : peerName(certificate),
    daysLeft: Number.isNaN(expiresMs) ? null : Math.floor((expiresMs - now.getTime()) / DAY_MS),
  };
}

function peerName(certificate: tls.PeerCertificate): string | null {
  const commonName: unknown = certificate.subject?.CN;
  if (typeof commonName === "string") return commonName;
  return /(?:^|, )DNS:([^,]+)/.exec(certificate.subjectaltname ?? "")?.[1] ?? null;
}

/** workerd lacks some of these methods and throws from others; what it hides is null. */
function attempt<T>(read: () => T): T | null {
  try {
    return read() ?? null;
  } catch {
    return null;
  }
}
