import type { Socket } from "node:net";
import tls from "node:tls";
import { onAbort } from "../async/abort.ts";
import type { ChainCertificate, TlsPeer } from "../domain/delivery.ts";
import type { ClientIdentity } from "../domain/smtp-server.ts";

/** The TLS of a socket, as far as the runtime shows it. */
export interface SocketTls {
  readonly peer: TlsPeer;
  /** The certificate chain, leaf first. `null` if the runtime hides it. */
  readonly chain: readonly ChainCertificate[] | null;
}

/** More certificates than any honest server sends. */
const MAX_CHAIN = 10;
const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Waits until a socket is ready. Destroys it on failure.
 * @param describe returns the reason to reject with, for an error of the socket.
 * @throws the result of `describe`, or the signal's reason.
 */
export function untilReady<S extends Socket>(
  socket: S,
  readyEvent: "connect" | "secureConnect",
  signal: AbortSignal,
  describe: (error: unknown) => unknown,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      socket.off(readyEvent, onReady).off("error", onError).off("close", onClose);
      forgetAbort();
    };
    const fail = (reason: unknown): void => {
      finish();
      // A destroyed socket may still emit an error, which would be uncaught.
      socket.on("error", () => undefined);
      socket.destroy();
      reject(reason);
    };
    const onReady = (): void => {
      finish();
      // The caller listens later than in this turn, and until then an error would be uncaught and lost. In TLS 1.3, an
      // alert about the client's certificate may follow the handshake immediately.
      socket.once("error", (error) => setImmediate(() => socket.emit("error", error)));
      socket.on("error", () => undefined);
      resolve(socket);
    };
    const onError = (error: unknown): void => fail(describe(error));
    const onClose = (): void => fail(describe({ code: "ECONNRESET" }));
    socket.once(readyEvent, onReady).once("error", onError).once("close", onClose);
    const forgetAbort = onAbort(signal, () => fail(signal.reason));
    if (signal.aborted) fail(signal.reason);
  });
}

/**
 * Creates a function that returns the TLS options for a host: the certificate has to name that host. With an identity, the
 * client shows it if the server asks.
 * @param isNameChecked whether the runtime compares the name itself and has no option for it, as workerd does.
 */
export function tlsOptionsFor(
  extraCa: readonly string[],
  isNameChecked = false,
): (host: string, isAddress: boolean, identity: ClientIdentity | null) => tls.ConnectionOptions {
  // `ca` replaces the default roots, so they are listed as well. Parsing them takes milliseconds, so do it once.
  const ca = extraCa.length === 0 ? {} : { ca: [...tls.rootCertificates, ...extraCa] };
  const trust = extraCa.length === 0 ? {} : { secureContext: tls.createSecureContext(ca) };
  return (host, isAddress, identity) => ({
    // A shared context would override certificate and key.
    ...(identity === null ? trust : { ...ca, cert: identity.certificate, key: identity.privateKey.reveal() }),
    host,
    // RFC 6066 3: an IP address is not a server name.
    ...(isAddress ? {} : { servername: host }),
    // An environment variable can turn the default off.
    rejectUnauthorized: true,
    ...(!isNameChecked && {
      checkServerIdentity: (_name: string, certificate: tls.PeerCertificate) =>
        tls.checkServerIdentity(host, certificate),
    }),
  });
}

/** Starts TLS over a socket. Destroys it and returns `null` if the runtime cannot use the client's certificate or key. */
export function startTls(plain: Socket, options: tls.ConnectionOptions): tls.TLSSocket | null {
  try {
    return tls.connect({ ...options, socket: plain });
  } catch (error) {
    if (options.cert === undefined) throw error;
    plain.destroy();
    return null;
  }
}

/** Whether the server's certificate has arrived, as far as the runtime shows it. */
export function hasPeerCertificate(socket: Socket): boolean {
  return attempt(() => (socket as tls.TLSSocket).getPeerCertificate())?.raw !== undefined;
}

/** Reads the peer and its certificate chain. A field that the runtime hides is `null`. */
export function readTls(socket: Socket, now: Date): SocketTls {
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

/** Returns the chain, leaf first. A root, which is its own issuer, ends it. */
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

/** Formats a name like RFC 4514, the most specific part first. */
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

/** workerd lacks some of these methods and throws from others. */
function attempt<T>(read: () => T): T | null {
  try {
    return read() ?? null;
  } catch {
    return null;
  }
}
