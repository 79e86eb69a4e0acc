import type { Failure, FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import type { Endpoint } from "../domain/smtp-server.ts";

/** What is known when somebody asks what to change. */
export interface HintContext extends Pick<Endpoint, "host" | "port" | "security"> {
  readonly username: string;
  readonly reply: SmtpReply | null;
}

interface HintRule {
  readonly code: FailureCode;
  readonly phase?: Phase;
  readonly when?: (context: HintContext) => boolean;
  readonly hint: string | ((context: HintContext) => string);
}

const IMPLICIT_TLS_PORT = 465;
const SUBMISSION_PORT = 587;
const enhanced = (code: string) => (context: HintContext) => context.reply?.enhanced === code;

/** The first rule that fits speaks; the special before the general. */
const RULES: readonly HintRule[] = [
  {
    code: "egress_denied",
    hint: "This instance may not send to that address or port (SEALPOST_EGRESS, SEALPOST_EGRESS_PORTS)",
  },
  {
    code: "dns_not_found",
    hint: ({ host }) => `No address is known for ${host}: check the spelling of server`,
  },
  {
    code: "refused",
    hint: ({ port }) =>
      `Nothing listens on port ${port} there: try 587 (STARTTLS), 465 (smtps://) or 25, or check the firewall`,
  },
  {
    code: "unreachable",
    hint: "That host cannot be reached: check its name and port, the network of this machine and the firewall",
  },
  {
    code: "network",
    hint: "The connection failed for a reason that this runtime does not name: see the log of the server",
  },
  {
    code: "timeout",
    phase: "greeting",
    when: ({ port, security }) => port === IMPLICIT_TLS_PORT && security !== "implicit",
    hint: "Port 465 expects TLS from the first byte: write the server as smtps://",
  },
  {
    code: "timeout",
    phase: "connect",
    hint: ({ port }) =>
      `Nobody answered on port ${port}: a firewall may drop it; many providers block port 25, try 587`,
  },
  {
    code: "timeout",
    phase: "greeting",
    hint: "The server took the connection and said nothing: check the port, or raise timeout",
  },
  {
    code: "timeout",
    phase: "data",
    hint: "The server did not answer after the end of the mail; it may have taken it. Look at its log before sending again, or raise timeout",
  },
  { code: "timeout", hint: "The server was too slow: raise timeout, or look at the server's load" },
  {
    code: "protocol",
    when: ({ security }) => security === "implicit",
    phase: "connect",
    hint: ({ port }) =>
      `Port ${port} does not speak TLS from the first byte: write the server without smtps:// and set tls to true`,
  },
  {
    code: "protocol",
    when: ({ port, security }) => port === IMPLICIT_TLS_PORT && security !== "implicit",
    hint: "Port 465 answered with TLS: write the server as smtps://",
  },
  {
    code: "protocol",
    phase: "starttls",
    hint: "The TLS handshake failed after STARTTLS: the server may speak only old versions of TLS",
  },
  { code: "protocol", hint: "What answered there does not speak SMTP: check host and port" },
  {
    code: "closed",
    phase: "greeting",
    when: ({ port, security }) => port === IMPLICIT_TLS_PORT && security !== "implicit",
    hint: "Port 465 expects TLS from the first byte: write the server as smtps://",
  },
  {
    code: "closed",
    phase: "greeting",
    hint: "The server hung up before its greeting: it may refuse this machine's address",
  },
  { code: "closed", hint: "The server hung up in the middle: look at its log" },
  {
    code: "tls_not_offered",
    hint: ({ port }) =>
      port === SUBMISSION_PORT
        ? "The server does not offer STARTTLS; something on the way may hide it. Try smtps:// on port 465"
        : "The server does not offer STARTTLS on this port: try 587, or smtps:// on 465, or set tls to false",
  },
  {
    code: "cert_untrusted",
    hint: "The certificate is from an authority that is not known here: give the authority's certificate in SEALPOST_TLS_CA",
  },
  {
    code: "cert_name",
    hint: ({ host }) =>
      `The certificate is for another name than ${host}: use the name that the certificate has`,
  },
  {
    code: "cert_expired",
    hint: "The server's certificate has expired or is not valid yet: its owner has to renew it; check the clock here too",
  },
  {
    code: "tls_failed",
    hint: "TLS failed, and Workers do not say why: the certificate may be from a private authority, which they cannot trust, for another name, or expired; or the port speaks no TLS",
  },
  {
    code: "auth_not_offered",
    when: ({ security }) => security === "none",
    hint: "The server takes no log-in in clear text: set tls to true, or leave username empty if it needs none",
  },
  {
    code: "auth_not_offered",
    hint: "The server offers no log-in that is known here (PLAIN, LOGIN, CRAM-MD5): leave username empty if it needs none, or try port 587",
  },
  {
    code: "auth_rejected",
    when: ({ reply }) => reply !== null && reply.code < 500,
    hint: "The server cannot check the log-in at the moment: try again later, or look at its log",
  },
  {
    code: "auth_rejected",
    when: enhanced("5.7.30"),
    hint: "Basic authentication is switched off for this mailbox at the provider: an administrator there has to allow it",
  },
  {
    code: "auth_rejected",
    when: enhanced("5.7.139"),
    hint: "The provider's settings forbid SMTP log-in for this mailbox: an administrator there has to allow it",
  },
  {
    code: "auth_rejected",
    hint: "The server refused username and password: check both; many providers want an app password",
  },
  { code: "auth_required", hint: "The server wants a login: set username and password" },
  { code: "tls_required", hint: "The server accepts mail under TLS only: set tls to true" },
  {
    code: "tls_unavailable",
    hint: "The server offers TLS but cannot start it at the moment: try again later",
  },
  { code: "sender_missing", hint: "Set sender: there is no address the mail could come from" },
  {
    code: "sender_rejected",
    hint: "The server does not accept this sender: use an address that the account may send from",
  },
  {
    code: "recipient_rejected",
    when: ({ username, reply }) => username === "" && reply?.enhanced === "5.7.1",
    hint: "The server does not relay for this recipient without log-in: give username and password",
  },
  { code: "recipient_rejected", hint: "The server does not accept this recipient: check the address" },
  { code: "content_rejected", hint: "The server refused the mail itself: its words tell why" },
  { code: "too_large", hint: "The mail is larger than the server takes" },
  { code: "rate_limited", hint: "The server asks for patience: try again later" },
  { code: "sign_no_key", hint: "Give private_key and certificate as PEM text, or set smime to false" },
  { code: "sign_passphrase", hint: "Give the passphrase of the private key again" },
  { code: "sign_mismatch", hint: "Give the certificate that was issued for this private key" },
  { code: "sign_expired", hint: "Get a new certificate for this sender" },
  { code: "sign_usage", hint: "Get a certificate that may sign mail (emailProtection)" },
  { code: "sign_sender", hint: "Use a sender that the certificate names" },
  {
    code: "unsupported_here",
    phase: "connect",
    hint: "Port 25 cannot be reached; Cloudflare closes it for Workers: use 587, or smtps:// on 465",
  },
  {
    code: "unsupported_here",
    hint: "The server cannot take such an address (no SMTPUTF8): use one in ASCII",
  },
  { code: "server_unknown", hint: "There is no definition of that name" },
  { code: "cancelled", hint: "Sealpost was stopping: send it again" },
];

/** What to change so that it works, in one sentence; null if nobody knows. */
export function hintFor(failure: Failure, context: HintContext): string | null {
  const rule = RULES.find(
    ({ code, phase, when }) =>
      code === failure.code &&
      (phase === undefined || phase === failure.phase) &&
      (when === undefined || when(context)),
  );
  if (!rule) return null;
  return typeof rule.hint === "string" ? rule.hint : rule.hint(context);
}
