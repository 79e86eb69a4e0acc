/** The steps of sending one mail, in order; a failure names the one it happened in. */
export const PHASES = [
  "policy",
  "sign",
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

/** Why a mail was not sent. Callers match on these; the table grows here and nowhere else. */
export const FAILURE_CODES = [
  "timeout",
  "refused",
  "unreachable",
  "dns_not_found",
  "closed",
  "protocol",
  "tls_not_offered",
  "cert_untrusted",
  "cert_name",
  "cert_expired",
  "tls_failed",
  "auth_not_offered",
  "auth_rejected",
  "sender_missing",
  "sender_rejected",
  "recipient_rejected",
  "content_rejected",
  "too_large",
  "rate_limited",
  "sign_no_key",
  "sign_passphrase",
  "sign_mismatch",
  "sign_expired",
  "sign_usage",
  "sign_sender",
  "egress_denied",
  "unsupported_here",
  "server_unknown",
  "cancelled",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** One whole reply of an SMTP server (RFC 5321 4.2), fit to be shown: no secrets, no control characters. */
export interface SmtpReply {
  /** Three digits, 200–599. */
  readonly code: number;
  /** Enhanced status code (RFC 3463) such as `5.7.1`, if the reply begins with one. */
  readonly enhanced: string | null;
  /** At most 500 characters. */
  readonly text: string;
}

/** What is known of the server's TLS; a field that the runtime hides is null. */
export interface TlsPeer {
  /** Such as `TLSv1.3`. */
  readonly protocol: string | null;
  /** Common name, or first DNS name, of the server's certificate. */
  readonly peer: string | null;
  /** Whole days until that certificate expires. */
  readonly daysLeft: number | null;
}

/**
 * `not-sent`: the server did not take the mail, so sending it again cannot duplicate it.
 * `unknown`: the end of the body was handed to the socket and no usable reply followed.
 */
export type Failure = {
  readonly phase: Phase;
  readonly code: FailureCode;
  readonly reply: SmtpReply | null;
} & (
  | { readonly outcome: "not-sent"; readonly retryable: boolean }
  | { readonly outcome: "unknown"; readonly retryable: false }
);

/** Time spent in each phase that was reached, in milliseconds. */
export type TimingMs = Readonly<Partial<Record<Phase, number>>>;

/** What became of one mail to one recipient. */
export type Receipt = { readonly timingMs: TimingMs; readonly tls: TlsPeer | null } & (
  | { readonly successful: true; readonly reply: SmtpReply }
  | { readonly successful: false; readonly failure: Failure }
);
