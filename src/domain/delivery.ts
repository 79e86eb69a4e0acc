/** The steps of sending a message, in order. A failure names its step. */
export const PHASES = [
  "policy",
  "sign",
  "encrypt",
  "oauth",
  "dns",
  "connect",
  "greeting",
  "ehlo",
  "starttls",
  "certificate",
  "auth",
  "sender",
  "recipient",
  "data",
] as const;
export type Phase = (typeof PHASES)[number];

/** The side that must act before the same message can arrive: the server or its definition, or the author. */
type Fault = "server" | "mail";

interface FailureKind {
  readonly fault: Fault;
  /** Whether the same message may arrive later without a change. The first digit of a reply overrides this (RFC 5321 4.2.1). */
  readonly retryable: boolean;
}

/** Reasons why a message was not sent. Callers match on the codes, which are stable. */
const FAILURES = {
  timeout: { fault: "server", retryable: true },
  refused: { fault: "server", retryable: true },
  unreachable: { fault: "server", retryable: true },
  /** An error of the runtime without a code of its own in this table. */
  network: { fault: "server", retryable: true },
  dns_not_found: { fault: "server", retryable: false },
  closed: { fault: "server", retryable: true },
  protocol: { fault: "server", retryable: true },
  tls_not_offered: { fault: "server", retryable: false },
  tls_required: { fault: "server", retryable: false },
  tls_unavailable: { fault: "server", retryable: true },
  cert_untrusted: { fault: "server", retryable: false },
  cert_name: { fault: "server", retryable: false },
  cert_expired: { fault: "server", retryable: false },
  /** The server requires a client certificate, and the client has none. */
  cert_required: { fault: "server", retryable: false },
  /** The server does not accept the client certificate. */
  cert_rejected: { fault: "server", retryable: false },
  tls_failed: { fault: "server", retryable: false },
  auth_not_offered: { fault: "server", retryable: false },
  auth_rejected: { fault: "server", retryable: false },
  auth_required: { fault: "server", retryable: false },
  sender_missing: { fault: "server", retryable: false },
  sender_rejected: { fault: "server", retryable: false },
  recipient_rejected: { fault: "mail", retryable: false },
  content_rejected: { fault: "mail", retryable: false },
  too_large: { fault: "mail", retryable: false },
  rate_limited: { fault: "server", retryable: true },
  sign_no_key: { fault: "server", retryable: false },
  sign_passphrase: { fault: "server", retryable: false },
  sign_mismatch: { fault: "server", retryable: false },
  sign_expired: { fault: "server", retryable: false },
  sign_usage: { fault: "server", retryable: false },
  sign_sender: { fault: "server", retryable: false },
  /** A recipient has no certificate that the message could be encrypted to. */
  encrypt_no_certificate: { fault: "server", retryable: false },
  /** The token endpoint does not accept the client: its ID, secret, certificate or assertion. */
  oauth_client: { fault: "server", retryable: false },
  /** The token endpoint does not accept the grant: a refresh token that expired, or a user that it does not know. */
  oauth_grant: { fault: "server", retryable: false },
  oauth_scope: { fault: "server", retryable: false },
  /** An administrator of the provider has to consent, or to allow the sign-in. */
  oauth_consent: { fault: "server", retryable: false },
  oauth_unavailable: { fault: "server", retryable: true },
  egress_denied: { fault: "server", retryable: false },
  unsupported_here: { fault: "mail", retryable: false },
  server_unknown: { fault: "server", retryable: false },
  cancelled: { fault: "server", retryable: true },
} as const satisfies Readonly<Record<string, FailureKind>>;
export type FailureCode = keyof typeof FAILURES;
export const FAILURE_CODES = Object.keys(FAILURES) as readonly FailureCode[];

/** Replies that concern the session in every phase (RFC 5321 3.8, RFC 4954 6 and RFC 3207 4). */
const SESSION_REPLIES: readonly number[] = [421, 530];

/** A complete reply of an SMTP server (RFC 5321 4.2), without secrets and control characters. */
export interface SmtpReply {
  /** Three digits, 200–599. */
  readonly code: number;
  /** Enhanced status code (RFC 3463) such as `5.7.1`, if the reply starts with one. */
  readonly enhanced: string | null;
  /** At most 500 characters. */
  readonly text: string;
}

/** The TLS of a connection. A field is `null` if the runtime hides it. */
export interface TlsPeer {
  /** Such as `TLSv1.3`. */
  readonly protocol: string | null;
  /** Common name, or first DNS name, of the server's certificate. */
  readonly peer: string | null;
  /** Whole days until that certificate expires. */
  readonly daysLeft: number | null;
}

/** One certificate of the server's chain. */
export interface ChainCertificate {
  /** Distinguished names on one line, such as `CN=mail.example.org`. */
  readonly subject: string;
  readonly issuer: string;
  readonly notAfter: Date | null;
}

/** One address of the server that was dialed. */
export interface DialedAddress {
  readonly address: string;
  /** `connected`, or the failure code. */
  readonly result: "connected" | FailureCode;
  readonly ms: number;
}

/** Facts about the server from a conversation. Parts that it did not reach are `null` or empty. */
export interface ServerReport {
  /** Text of the greeting, at most 500 characters. */
  readonly greeting: string | null;
  /** Lines of the EHLO replies after the first one (RFC 5321 4.1.1.1), before and under TLS. */
  readonly extensions: { readonly clear: readonly string[]; readonly tls: readonly string[] };
  /** SASL mechanisms listed last, in upper case. */
  readonly mechanisms: readonly string[];
  /** Largest message in octets (RFC 1870); `null` if the server declared no limit. */
  readonly sizeOctets: number | null;
  /** The certificate chain, leaf first; `null` without TLS, or if the runtime hides it. */
  readonly chain: readonly ChainCertificate[] | null;
  /** `null` if the connection was already open, or if the platform dials. */
  readonly addresses: readonly DialedAddress[] | null;
}

export const NOTHING_SEEN: ServerReport = {
  greeting: null,
  extensions: { clear: [], tls: [] },
  mechanisms: [],
  sizeOctets: null,
  chain: null,
  addresses: null,
};

/**
 * The points at which a check ends that sends nothing: after the access token, greeting and EHLO, TLS, login, MAIL, or RCPT. RSET follows
 * MAIL and RCPT.
 */
export const CHECKPOINTS = ["oauth", "connect", "tls", "auth", "sender", "recipient"] as const;
export type Checkpoint = (typeof CHECKPOINTS)[number];

/** Report of a token endpoint about a token request that failed. */
export interface OAuthReport {
  /** Host of the token endpoint. */
  readonly host: string;
  /** HTTP status; `null` without a response. */
  readonly status: number | null;
  /** `error` of RFC 6749 5.2. */
  readonly error: string | null;
  /** Codes of the provider, such as `AADSTS7000215`. */
  readonly codes: readonly string[];
  /** Without secrets and control characters, at most 500 characters. */
  readonly description: string | null;
  readonly traceId: string | null;
  readonly correlationId: string | null;
  /** Clock of the endpoint minus ours, in seconds; `null` if unknown. */
  readonly clockSkewSeconds: number | null;
  /** Public identifier of the client, for its admin to look up. Absent if the request names none. */
  readonly clientId?: string;
  /** SHA-1 thumbprint of the client's certificate in hex, as Microsoft shows it. Absent without a certificate. */
  readonly thumbprint?: string;
}

/**
 * `not-sent`: the server did not accept the message, so sending it again cannot duplicate it.
 * `unknown`: the end of the message was written, and no valid reply followed.
 */
export type Failure = {
  readonly phase: Phase;
  readonly code: FailureCode;
  readonly reply: SmtpReply | null;
  /** Whether the reply is of HTTP: its `code` is a status, which means something else than a reply code. */
  readonly isHttp?: true;
  readonly fault: Fault;
  /** Report of the token endpoint, in phase `oauth`. */
  readonly oauth?: OAuthReport;
  /** The server's report about a rejected access token (RFC 7628 3.2.2), without secrets. */
  readonly challenge?: Readonly<Record<string, string>>;
  /** The delay before the next attempt that the server asked for, in milliseconds. If absent, the reply may name one. */
  readonly retryAfterMs?: number;
  /** Whether the delivery ended while it waited for a connection of this process, which says nothing about the server. */
  readonly wasWaiting?: true;
} & (
  | { readonly outcome: "not-sent"; readonly retryable: boolean }
  | { readonly outcome: "unknown"; readonly retryable: false }
);

/** Creates the failure of a message that the server did not accept. */
export function notSent(phase: Phase, code: FailureCode, reply: SmtpReply | null = null): Failure {
  const retryable = reply === null ? FAILURES[code].retryable : reply.code < 500;
  return { phase, code, reply, fault: faultOf(phase, code, reply), outcome: "not-sent", retryable };
}

/** Creates the failure of a message that got no connection in time, because others had all that it might use. */
export function noConnection(): Failure {
  return { ...notSent("connect", "timeout"), wasWaiting: true };
}

/** Creates the failure of a message that the server may have accepted. */
export function unknownOutcome(code: FailureCode, reply: SmtpReply | null = null): Failure {
  return { phase: "data", code, reply, fault: FAILURES[code].fault, outcome: "unknown", retryable: false };
}

/** Whether a phase comes before another one in a conversation. */
export function isBefore(phase: Phase, other: Phase): boolean {
  return PHASES.indexOf(phase) < PHASES.indexOf(other);
}

/** Before MAIL the server has seen nothing of the message, so the message cannot be at fault. */
function faultOf(phase: Phase, code: FailureCode, reply: SmtpReply | null): Fault {
  if (isBefore(phase, "sender") || (reply !== null && SESSION_REPLIES.includes(reply.code))) return "server";
  // The sender is the definition's, and the server may list SMTPUTF8 again.
  if (phase === "sender" && code === "unsupported_here") return "server";
  return FAILURES[code].fault;
}

/** The one parameter of a definition or test that would fix a failure. */
export interface Remedy {
  readonly parameter: string;
  /** `null` if only the user knows the value. */
  readonly value: string | number | boolean | null;
}

/** Returns the remedy for a value that only the user knows. */
export function unknownValue(parameter: string): Remedy {
  return { parameter, value: null };
}

/** Time spent in each phase that was reached, in milliseconds. */
export type TimingMs = Readonly<Partial<Record<Phase, number>>>;

/** The result of one delivery to one recipient, or of a check. */
export type Receipt = {
  readonly timingMs: TimingMs;
  readonly tls: TlsPeer | null;
  /** Number of waits for a reply, plus one each for TCP and TLS. */
  readonly roundTrips: number;
  readonly seen: ServerReport;
} & (
  | {
      readonly successful: true;
      /** The reply that accepted the message; `null` for a check that ended before any reply. */
      readonly reply: SmtpReply | null;
      /** The checkpoint that a check reached; `null` for a message. */
      readonly reached: Checkpoint | null;
    }
  | { readonly successful: false; readonly failure: Failure }
);

/** Creates the receipt of a message for which no server was contacted. */
export function notAttempted(failure: Failure): Receipt {
  return { successful: false, failure, timingMs: {}, tls: null, roundTrips: 0, seen: NOTHING_SEEN };
}
