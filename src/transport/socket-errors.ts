import type { FailureCode, Phase } from "../domain/delivery.ts";

/**
 * Names of errors by failure code, separated by spaces: of system calls, c-ares and getaddrinfo (`dns` of Node, Bun and
 * Deno), certificate checks (OpenSSL's `X509_V_ERR_…`, which all three runtimes use), and Deno's and Bun's own. All other
 * errors are `network`.
 */
const ERRORS: Readonly<Partial<Record<FailureCode, readonly string[]>>> = {
  refused: ["ECONNREFUSED ConnectionRefused"],
  unreachable: [
    "EHOSTUNREACH ENETUNREACH EHOSTDOWN ENETDOWN ENONET EADDRNOTAVAIL EAFNOSUPPORT",
    "NetworkUnreachable AddrNotAvailable FailedToOpenSocket",
    // A local firewall, or the permissions of Deno, deny the connection.
    "EACCES EPERM PermissionDenied NotCapable",
    // The resolver failed, so the name may exist.
    "EAI_AGAIN EAI_FAIL ESERVFAIL EREFUSED EFORMERR ENOTIMP EBADRESP",
  ],
  timeout: [
    "ETIMEDOUT ETIMEOUT TimedOut ConnectionTimedOut",
    "ERR_SOCKET_CONNECTION_TIMEOUT ERR_TLS_HANDSHAKE_TIMEOUT",
  ],
  closed: [
    "ECONNRESET ECONNABORTED ENETRESET EPIPE ENOTCONN ESHUTDOWN",
    "ConnectionReset ConnectionAborted ConnectionClosed BrokenPipe NotConnected",
    "UnexpectedEof ERR_STREAM_PREMATURE_CLOSE ERR_SSL_UNEXPECTED_EOF_WHILE_READING",
  ],
  dns_not_found: ["ENOTFOUND ENODATA ENONAME EBADNAME EAI_NONAME EAI_NODATA"],
  cert_expired: [
    "CERT_HAS_EXPIRED CERT_NOT_YET_VALID",
    "ERROR_IN_CERT_NOT_BEFORE_FIELD ERROR_IN_CERT_NOT_AFTER_FIELD",
  ],
  cert_name: ["ERR_TLS_CERT_ALTNAME_INVALID ERR_TLS_CERT_ALTNAME_FORMAT HOSTNAME_MISMATCH"],
  cert_untrusted: [
    "DEPTH_ZERO_SELF_SIGNED_CERT SELF_SIGNED_CERT_IN_CHAIN UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY UNABLE_TO_VERIFY_LEAF_SIGNATURE CERT_SIGNATURE_FAILURE",
    "UNABLE_TO_DECRYPT_CERT_SIGNATURE UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY CERT_CHAIN_TOO_LONG",
    "PATH_LENGTH_EXCEEDED CERT_REVOKED CERT_UNTRUSTED CERT_REJECTED INVALID_CA",
    "INVALID_PURPOSE UNKNOWN_CERTIFICATE_VERIFICATION_ERROR ERR_SSL_CERTIFICATE_VERIFY_FAILED",
  ],
  // Alerts of the server (RFC 8446 6.2), which are about the client's certificate or its absence.
  cert_rejected: [
    "ALERT_CERTIFICATE_REQUIRED ALERT_NO_CERTIFICATE ALERT_BAD_CERTIFICATE ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED ALERT_CERTIFICATE_EXPIRED ALERT_CERTIFICATE_UNKNOWN ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
  ],
  protocol: ["EPROTO"],
};
const CODES: ReadonlyMap<string, FailureCode> = new Map(
  Object.entries(ERRORS).flatMap(([code, rows]) =>
    rows.flatMap((row) => row.split(" ").map((name) => [name, code as FailureCode] as const)),
  ),
);

/** Errors of workerd have only a message. */
const WORKERD_MESSAGES: ReadonlyMap<string, FailureCode> = new Map([
  ["Network connection lost.", "closed"],
  ["This WritableStream has been closed.", "closed"],
  ["proxy request failed, cannot connect to the specified address", "unreachable"],
]);

/** Prefix of the reasons and alerts of OpenSSL and BoringSSL: the peer does not use TLS, or only other versions. */
const TLS_REASON = "ERR_SSL_";
/**
 * An alert without a reason. After the server's certificate, it means that the server wants another one of the client, or any
 * (RFC 5246 7.4.6). Before it, client and server have no cipher or signature in common.
 */
const HANDSHAKE_ALERT = "ALERT_HANDSHAKE_FAILURE";
/** The prefix of an alert's name is a version of TLS, which differs between OpenSSL and BoringSSL and their releases. */
const ALERT_PREFIX = /^ERR_SSL_[^ ]+_(?=ALERT_)/;
/** Bun adds this prefix to the codes of c-ares. */
const DNS_PREFIX = /^DNS_/;
/** More levels of wrapped errors than any runtime or library has. */
const MAX_DEPTH = 3;

/** Returns the failure code for an error of a socket, a resolver or a TLS handshake. */
export function failureCodeOf(error: unknown): FailureCode {
  return find(error, MAX_DEPTH) ?? "network";
}

/**
 * Returns the failure code for an error of a name lookup. No server is involved yet, so `refused` and `closed` mean that the
 * lookup failed. `EINVAL` is Node's for a name that cannot exist: an A-label that is no Punycode (RFC 5890 2.3.2.1).
 */
export function lookupFailureCode(error: unknown): FailureCode {
  if (Reflect.get(Object(error), "code") === "EINVAL") return "dns_not_found";
  const code = failureCodeOf(error);
  return code === "refused" || code === "closed" ? "unreachable" : code;
}

/** The two sides of a handshake, as far as it went. */
interface Handshake {
  /** Whether the client has a certificate to show. */
  readonly hasIdentity: boolean;
  /** Whether the server's certificate has arrived, as far as the runtime shows it. */
  readonly hasPeer: boolean;
}

/**
 * Returns phase and code of a failure of TLS: a certificate, the connection, or a peer that does not use TLS. In TLS 1.3 the
 * server checks the client's certificate after the client's side of the handshake is done.
 * @param phase the phase of the handshake, or of the command after it.
 */
export function tlsFailure<P extends Phase | undefined>(
  error: unknown,
  phase: P,
  { hasIdentity, hasPeer }: Handshake,
): { readonly phase: P | "certificate"; readonly code: FailureCode } {
  const code = failureCodeOf(error);
  const name = String(Reflect.get(Object(error), "code"));
  const isHandshakeAlert = name.replace(ALERT_PREFIX, "") === HANDSHAKE_ALERT;
  if (code === "cert_rejected" || (isHandshakeAlert && hasPeer)) {
    return { phase: "certificate", code: hasIdentity ? "cert_rejected" : "cert_required" };
  }
  if (isHandshakeAlert) return { phase, code: "tls_failed" };
  return { phase: code.startsWith("cert_") ? "certificate" : phase, code };
}

/** nodemailer keeps the runtime's code as `originalCode`. Deno's own errors have only a name. */
const NAMES = ["originalCode", "code", "name"] as const;

function find(error: unknown, depth: number): FailureCode | null {
  if (typeof error !== "object" || error === null || depth === 0) return null;
  for (const property of NAMES) {
    const name: unknown = Reflect.get(error, property);
    const code = typeof name === "string" ? named(name.replace(DNS_PREFIX, "")) : null;
    if (code !== null) return code;
  }
  const message: unknown = Reflect.get(error, "message");
  const code = typeof message === "string" ? WORKERD_MESSAGES.get(message) : undefined;
  if (code !== undefined) return code;
  // An attempt to connect to several addresses fails with an AggregateError.
  const inner = [...(error instanceof AggregateError ? error.errors : []), Reflect.get(error, "cause")];
  for (const candidate of inner) {
    const code = find(candidate, depth - 1);
    if (code !== null) return code;
  }
  return null;
}

function named(name: string): FailureCode | null {
  const code = CODES.get(name.replace(ALERT_PREFIX, ""));
  return code ?? (name.startsWith(TLS_REASON) ? "protocol" : null);
}
