import type { Socket } from "node:net";
import tls from "node:tls";
import type { ChainCertificate, TlsPeer } from "../domain/delivery.ts";

/** More certificates than any honest server sends. */
const MAX_CHAIN = 10;
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

/** Reads what the runtime shows of the peer and its chain; a field that it hides is null. */
export function readTls(
  socket: Socket,
  now: Date,
): { readonly peer: TlsPeer; readonly chain: readonly ChainCertificate[] | null } {
  const certificate = attempt(() => (socket as tls.TLSSocket).getPeerCertificate(true));
  const isShown = certificate !== null && certificate.raw !== undefined;
  const expiresMs = Date.parse(certificate?.valid_to ?? "");
  return {
    peer: {
      protocol: attempt(() => (socket as tls.TLSSocket).getProtocol()),
      peer: isShown ? peerName(certificate) : null,
      daysLeft: Number.isNaN(expiresMs) ? null : Math.floor((expiresMs - now.getTime()) / DAY_MS),
    },
    chain: isShown ? chainOf(certificate) : null,
  };
}

/** Leaf first; a root is its own issuer, which ends the chain. */
function chainOf(leaf: tls.DetailedPeerCertificate): ChainCertificate[] {
  const chain: ChainCertificate[] = [];
  const known = new Set<string>();
  let current: tls.DetailedPeerCertificate | undefined = leaf;
  while (current?.raw && chain.length < MAX_CHAIN && !known.has(current.fingerprint256)) {
    known.add(current.fingerprint256);
    const expiresMs = Date.parse(current.valid_to);
    chain.push({
      subject: distinguishedName(current.subject),
      issuer: distinguishedName(current.issuer),
      notAfter: Number.isNaN(expiresMs) ? null : new Date(expiresMs),
    });
    current = current.issuerCertificate;
  }
  return chain;
}

/** RFC 4514 style, the most specific part first. */
function distinguishedName(name: tls.Certificate | undefined): string {
  const parts = Object.entries(name ?? {}).flatMap(([type, value]) =>
    (Array.isArray(value) ? value : [value]).map((text) => `${type}=${String(text)}`),
  );
  return parts.toReversed().join(", ");
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
