import { unknownValue } from "../../domain/delivery.ts";
import {
  type HintContext,
  type HintRule,
  hasClientCertificate,
  hasReply,
  implicitTls,
  isEncrypted,
  isTemporary,
  needsImplicitTls,
  otherPort,
  TLS_ON,
} from "./rule.ts";

/** RFC 5321 4.5.4.2's relay port, which many providers block, and RFC 6409's submission port. */
const RELAY_PORT = 25;
const SUBMISSION_PORT = 587;
const onPort =
  (port: number) =>
  (context: HintContext): boolean =>
    context.port === port;

const PORT_465 = ({ host }: HintContext): string =>
  `Port 465 expects TLS from the first byte. Write the server as smtps://${host.includes(":") ? `[${host}]` : host}.`;

/** The phases in which the server checks a client certificate: in the handshake, or in TLS 1.3 after it. */
const CLIENT_CHECK = ["connect", "greeting", "starttls", "ehlo"] as const;

/** Hints for failures before the login: connection, greeting, TLS. The first match wins. */
export const CONNECTION_HINTS: readonly HintRule[] = [
  {
    outcome: "unknown",
    when: hasReply,
    hint: "The server's reply to the message is not valid, and it may have accepted it. Check its log before you send again.",
  },
  {
    outcome: "unknown",
    hint: "The server did not reply to the end of the message and may have accepted it. Check its log before you send again.",
  },
  {
    code: "egress_denied",
    hint: "This instance may not send to that address or port. See the settings SEALPOST_EGRESS and SEALPOST_EGRESS_PORTS.",
  },
  {
    code: "dns_not_found",
    hint: ({ host }) => `No IP address is known for ${host}. Check the spelling of server.`,
    remedy: unknownValue("server"),
  },
  // The server was reached, and rejects the session in its greeting or after EHLO (RFC 5321 3.1).
  {
    code: "refused",
    when: isTemporary,
    hint: "The server was reached, but it does not accept mail at the moment. Try again later.",
  },
  {
    code: "refused",
    phase: "ehlo",
    when: hasReply,
    hint: "The server was reached, but it rejected EHLO. Set SEALPOST_EHLO_NAME to a host name that resolves to this machine.",
  },
  {
    code: "refused",
    when: hasReply,
    hint: "The server was reached, but it does not accept mail from this machine. Set server to the host for submission, or ask its operator to allow this machine's IP address.",
  },
  {
    code: "refused",
    when: onPort(SUBMISSION_PORT),
    hint: "Nothing is listening on port 587. Try 465 (smtps://) or 25, or check the firewall.",
  },
  {
    code: "refused",
    when: onPort(RELAY_PORT),
    hint: "Nothing is listening on port 25. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall.",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "refused",
    hint: ({ port }) =>
      `Nothing is listening on port ${port}. Try 587 (STARTTLS) or 465 (smtps://), or check the firewall.`,
  },
  {
    code: "unreachable",
    phase: "dns",
    hint: ({ host }) =>
      `The IP address of ${host} cannot be looked up at the moment. Check the name server that this machine uses.`,
  },
  {
    code: "unreachable",
    hint: "The host cannot be reached. Check server and port, the network of this machine and the firewall.",
  },
  {
    code: "network",
    hint: "The connection failed with an error that has no code of its own. Check the network of this machine and its limits, such as open files.",
  },
  {
    code: "timeout",
    phase: "greeting",
    when: needsImplicitTls,
    hint: PORT_465,
    remedy: implicitTls,
  },
  {
    code: "timeout",
    phase: "connect",
    when: onPort(RELAY_PORT),
    hint: "There is no response on port 25. Many providers block it: try 587.",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "timeout",
    phase: "connect",
    hint: ({ port }) => `There is no response on port ${port}. Check server and port, and the firewall.`,
  },
  {
    code: "timeout",
    phase: "greeting",
    hint: "The server accepted the connection and sent nothing. Check port, or set timeout to a higher value.",
  },
  {
    code: "timeout",
    hint: "The server was too slow. Set timeout to a higher value, or check the load of the server.",
    remedy: unknownValue("timeout"),
  },
  {
    code: "protocol",
    phase: "connect",
    when: ({ security }) => security === "implicit",
    hint: ({ port }) =>
      `Port ${port} does not accept TLS from the first byte. Write the server without smtps:// and set tls to true.`,
  },
  {
    code: "protocol",
    when: needsImplicitTls,
    hint: PORT_465,
    remedy: implicitTls,
  },
  {
    code: "protocol",
    phase: "starttls",
    hint: "The TLS handshake failed after STARTTLS. The server may support only old versions of TLS.",
  },
  {
    code: "protocol",
    hint: ({ port }) => `The service on port ${port} does not follow SMTP. Check server and port.`,
  },
  {
    code: "closed",
    phase: "greeting",
    when: needsImplicitTls,
    hint: PORT_465,
    remedy: implicitTls,
  },
  ...CLIENT_CHECK.map(
    (phase): HintRule => ({
      code: "closed",
      phase,
      when: hasClientCertificate,
      hint: "The server closed the connection without a reason. It may not accept tls_certificate: check its log.",
    }),
  ),
  {
    code: "closed",
    phase: "greeting",
    hint: "The server closed the connection before its greeting. It may not accept this machine's IP address.",
  },
  { code: "closed", hint: "The server closed the connection before it replied. Check its log." },
  {
    code: "tls_not_offered",
    when: isTemporary,
    hint: "The server cannot start TLS at the moment. Try again later.",
  },
  {
    code: "tls_not_offered",
    when: onPort(SUBMISSION_PORT),
    hint: "The server does not offer STARTTLS on port 587, or something on the way hides it. Try smtps:// on 465.",
    remedy: implicitTls,
  },
  {
    code: "tls_not_offered",
    when: onPort(RELAY_PORT),
    hint: "The server does not offer STARTTLS on port 25. Try 587, or smtps:// on 465.",
    remedy: otherPort(SUBMISSION_PORT),
  },
  {
    code: "tls_not_offered",
    hint: ({ port }) => `The server does not offer STARTTLS on port ${port}. Try 587, or smtps:// on 465.`,
  },
  {
    code: "tls_unavailable",
    hint: "The server offers TLS but cannot start it at the moment. Try again later.",
  },
  {
    code: "tls_required",
    phase: "auth",
    when: (context) => !hasReply(context) && !isEncrypted(context),
    hint: "An access token is sent only under TLS: set tls to true.",
    remedy: TLS_ON,
  },
  {
    code: "tls_required",
    when: isEncrypted,
    hint: "The server requires TLS although the connection is encrypted. Check its log, or try smtps:// on 465.",
  },
  {
    code: "tls_required",
    hint: "The server requires TLS: set tls to true.",
    remedy: TLS_ON,
  },
  {
    code: "cert_untrusted",
    hint: "The certificate's authority is unknown here. Add its certificate to SEALPOST_TLS_CA.",
  },
  {
    code: "cert_name",
    hint: ({ host }) => `The certificate is not valid for ${host}. Set server to a name that it covers.`,
    remedy: unknownValue("server"),
  },
  {
    code: "cert_expired",
    hint: "The server's certificate has expired or is not valid yet. Ask its operator to renew it, and check the clock of this machine.",
  },
  {
    code: "cert_required",
    hint: "The server asks for a client certificate, and there is none. Set tls_certificate and tls_private_key to a pair that it accepts.",
    remedy: unknownValue("tls_certificate"),
  },
  {
    code: "cert_rejected",
    hint: "The server does not accept the client certificate. Check its dates and its issuer, or ask the server's operator to allow tls_certificate.",
    remedy: unknownValue("tls_certificate"),
  },
  ...CLIENT_CHECK.map(
    (phase): HintRule => ({
      code: "tls_failed",
      phase,
      hint: "The server rejected the TLS handshake. It may support only old versions of TLS, or require a client certificate (tls_certificate).",
    }),
  ),
  {
    code: "tls_failed",
    hint: "TLS failed, and Workers do not report why. The certificate may be expired, for another name, or from a private authority, which Workers cannot trust.",
  },
];
