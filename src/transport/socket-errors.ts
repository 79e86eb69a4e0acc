import type { FailureCode, Phase } from "../domain/delivery.ts";

/** Codes of system calls, getaddrinfo and certificate checks, as Node, Bun and Deno name them. */
const CODES: Readonly<Record<string, FailureCode>> = {
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
  EAI_AGAIN: "unreachable",
  ESERVFAIL: "unreachable",
  ETIMEDOUT: "timeout",
  ETIMEOUT: "timeout",
  ECONNRESET: "closed",
  ECONNABORTED: "closed",
  EPIPE: "closed",
  ENOTFOUND: "dns_not_found",
  ENODATA: "dns_not_found",
  EAI_NONAME: "dns_not_found",
  CERT_HAS_EXPIRED: "cert_expired",
  CERT_NOT_YET_VALID: "cert_expired",
  ERR_TLS_CERT_ALTNAME_INVALID: "cert_name",
  HOSTNAME_MISMATCH: "cert_name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "cert_untrusted",
  SELF_SIGNED_CERT_IN_CHAIN: "cert_untrusted",
  UNABLE_TO_GET_ISSUER_CERT: "cert_untrusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "cert_untrusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "cert_untrusted",
  CERT_SIGNATURE_FAILURE: "cert_untrusted",
  CERT_CHAIN_TOO_LONG: "cert_untrusted",
  PATH_LENGTH_EXCEEDED: "cert_untrusted",
  CERT_REVOKED: "cert_untrusted",
  CERT_UNTRUSTED: "cert_untrusted",
  CERT_REJECTED: "cert_untrusted",
  INVALID_CA: "cert_untrusted",
  INVALID_PURPOSE: "cert_untrusted",
};

/** Failures without a reply that the next try may not meet; a certificate or a setting has to change first. */
const RETRYABLE: ReadonlySet<FailureCode> = new Set([
  "timeout",
  "closed",
  "refused",
  "unreachable",
  "network",
  "protocol",
]);

export function isRetryable(code: FailureCode): boolean {
  return RETRYABLE.has(code);
}

/** The failure that an error's `code` (or, as nodemailer keeps it, `originalCode`) stands for. */
export function failureCodeOf(error: unknown): FailureCode | null {
  for (const property of ["originalCode", "code"] as const) {
    const code = codeOf(error, property);
    if (code !== null && Object.hasOwn(CODES, code)) return CODES[code] ?? null;
  }
  return null;
}

/**
 * Where and why a TLS handshake failed: the certificate, the connection, or a peer that does not speak TLS.
 * @param phase the phase in which TLS was begun.
 */
export function tlsFailure(
  error: unknown,
  phase: Phase,
): { readonly phase: Phase; readonly code: FailureCode } {
  const code = failureCodeOf(error) ?? "protocol";
  return { phase: code.startsWith("cert_") ? "certificate" : phase, code };
}

function codeOf(error: unknown, property: "code" | "originalCode"): string | null {
  const code: unknown = typeof error === "object" && error !== null ? Reflect.get(error, property) : null;
  return typeof code === "string" ? code : null;
}
