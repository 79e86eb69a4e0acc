import { unknownValue } from "../../domain/delivery.ts";
import {
  type HintContext,
  type HintRule,
  hasClientCertificate,
  hasDetail,
  hasReply,
  implicitTls,
  isBeforeStartTls,
  isEncrypted,
  isPermanent,
  isTemporary,
  needsImplicitTls,
  otherPort,
  TLS_ON,
  usesPipelining,
} from "./rule.ts";

/** RFC 5321 4.5.4.2's relay port, which many providers block, and RFC 6409's submission port. */
const RELAY_PORT = 25;
const SUBMISSION_PORT = 587;
const onPort =
  (port: number) =>
  (context: HintContext): boolean =>
    context.port === port;

/** The phases in which the server checks a client certificate: in the handshake, or in TLS 1.3 after it. */
const CLIENT_CHECK = ["connect", "greeting", "starttls", "ehlo"] as const;

/** Hints for failures before the login: connection, greeting, TLS. The first match wins. */
export const CONNECTION_HINTS: readonly HintRule[] = [
  {
    outcome: "unknown",
    when: hasReply,
    hint: "invalid_final_reply",
  },
  {
    outcome: "unknown",
    hint: "no_final_reply",
  },
  {
    code: "egress_denied",
    hint: "egress",
  },
  {
    code: "dns_not_found",
    hint: "name_unknown",
    remedy: unknownValue("server"),
  },
  // The server was reached, and rejects the session in its greeting or after EHLO (RFC 5321 3.1).
  {
    code: "refused",
    when: isTemporary,
    hint: "not_accepting",
  },
  // RFC 3463: X.3.2 is about this client, the other codes of X.3.x and X.4.x about the system and its network.
  { code: "refused", when: hasDetail(/^(3\.[^2]|4)/), hint: "not_accepting" },
  {
    code: "refused",
    phase: "ehlo",
    when: hasReply,
    hint: "ehlo_rejected",
  },
  {
    code: "refused",
    when: hasReply,
    hint: "host_rejected",
  },
  {
    code: "refused",
    when: onPort(SUBMISSION_PORT),
    hint: "port_closed_587",
  },
  {
    code: "refused",
    when: onPort(RELAY_PORT),
    hint: "port_closed_25",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "refused",
    hint: "port_closed",
  },
  {
    code: "unreachable",
    phase: "dns",
    hint: "lookup_failed",
  },
  {
    code: "unreachable",
    hint: "host_unreachable",
  },
  {
    code: "network",
    hint: "network_error",
  },
  {
    code: "timeout",
    phase: "greeting",
    when: needsImplicitTls,
    hint: "expects_implicit_tls",
    remedy: implicitTls,
  },
  {
    code: "timeout",
    phase: "connect",
    when: onPort(RELAY_PORT),
    hint: "port_silent_25",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "timeout",
    phase: "connect",
    hint: "port_silent",
  },
  {
    code: "timeout",
    phase: "greeting",
    hint: "greeting_missing",
  },
  {
    code: "timeout",
    hint: "server_slow",
    remedy: unknownValue("timeout"),
  },
  // The server accepted STARTTLS. A handshake that fails has no reply.
  { code: "protocol", phase: "starttls", when: hasReply, hint: "starttls_invalid" },
  // An unexpected reply is neither 4xx nor 5xx.
  {
    code: "protocol",
    // 504 and 555 reject a parameter, in a batch or alone.
    when: (context) => /^5(?!04|55)/.test(`${context.reply?.code}`) && usesPipelining(context),
    hint: "pipelining_rejected",
    remedy: { parameter: "pipelining", value: "off" },
  },
  { code: "protocol", when: isPermanent, hint: "command_rejected" },
  { code: "protocol", when: ({ reply }) => reply !== null && reply.code >= 400, hint: "not_accepting" },
  {
    code: "protocol",
    phase: "connect",
    when: ({ security }) => security === "implicit",
    hint: "implicit_tls_rejected",
  },
  {
    code: "protocol",
    when: needsImplicitTls,
    hint: "expects_implicit_tls",
    remedy: implicitTls,
  },
  {
    code: "protocol",
    phase: "starttls",
    hint: "handshake_failed",
  },
  {
    code: "protocol",
    hint: "not_smtp",
  },
  {
    code: "closed",
    phase: "greeting",
    when: needsImplicitTls,
    hint: "expects_implicit_tls",
    remedy: implicitTls,
  },
  ...CLIENT_CHECK.map(
    (phase): HintRule => ({
      code: "closed",
      phase,
      when: hasClientCertificate,
      hint: "closed_client_certificate",
    }),
  ),
  {
    code: "closed",
    phase: "greeting",
    hint: "closed_before_greeting",
  },
  { code: "closed", hint: "closed_before_reply" },
  {
    code: "tls_not_offered",
    when: isTemporary,
    hint: "starttls_temporary",
  },
  // The client has sent STARTTLS, so the server had listed it.
  {
    code: "tls_not_offered",
    when: hasReply,
    hint: "starttls_rejected",
    remedy: implicitTls,
  },
  {
    code: "tls_not_offered",
    when: onPort(SUBMISSION_PORT),
    hint: "starttls_missing_587",
    remedy: implicitTls,
  },
  {
    code: "tls_not_offered",
    when: onPort(RELAY_PORT),
    hint: "starttls_missing_25",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "tls_not_offered",
    hint: "starttls_missing",
  },
  {
    code: "tls_unavailable",
    hint: "tls_temporary",
  },
  {
    code: "tls_required",
    phase: "auth",
    when: (context) => !hasReply(context) && !isEncrypted(context),
    hint: "token_needs_tls",
    remedy: TLS_ON,
  },
  {
    code: "tls_required",
    when: isBeforeStartTls,
    hint: "tls_required_first",
    remedy: implicitTls,
  },
  {
    code: "tls_required",
    when: isEncrypted,
    hint: "tls_required_encrypted",
  },
  {
    code: "tls_required",
    hint: "tls_required",
    remedy: TLS_ON,
  },
  {
    code: "cert_untrusted",
    hint: "authority_unknown",
  },
  {
    code: "cert_name",
    hint: "certificate_name",
    remedy: unknownValue("server"),
  },
  {
    code: "cert_expired",
    hint: "certificate_dates",
  },
  {
    code: "cert_required",
    hint: "client_certificate_missing",
    remedy: unknownValue("tls_certificate"),
  },
  {
    code: "cert_rejected",
    hint: "client_certificate_rejected",
    remedy: unknownValue("tls_certificate"),
  },
  ...CLIENT_CHECK.map(
    (phase): HintRule => ({
      code: "tls_failed",
      phase,
      hint: "handshake_rejected",
    }),
  ),
  {
    code: "tls_failed",
    hint: "tls_failed_workers",
  },
];
