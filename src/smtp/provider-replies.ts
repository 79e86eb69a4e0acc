import type { FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import {
  AUTH,
  hintAmong,
  type KnownHint,
  type KnownReply,
  LIMITED,
  matchesReply,
  OWN_ADDRESS,
  REFUSED,
  SENDER,
  TRANSACTION,
} from "../domain/known-reply.ts";
import { PROVIDER_REPLIES } from "../domain/providers/index.ts";
import type { Provider } from "../domain/providers/provider.ts";

/**
 * Replies with known text or private enhanced codes: those of providers, then those of mail server software. The first
 * match wins. The comment of a row names the public document or the source file of the text.
 */
export const KNOWN_REPLIES: readonly KnownReply[] = [
  ...PROVIDER_REPLIES,
  // cPanel, "Max hourly emails per domain".
  { ...LIMITED, words: /\bexceeded the max (emails|defers)/i, hint: "daily_limit" },

  // Postfix 3.7, src/smtpd/smtpd_sasl_proto.c; Exim 4.96, src/smtp_in.c.
  {
    ...AUTH,
    codes: [503],
    words: /\bauthentication not enabled|\bAUTH command used when not advertised/i,
    code: "auth_not_offered",
  },
  // Cyrus SASL, lib/common.c: the text of SASL_NOMECH, and of SASL_FAIL, which occurs if saslauthd is not running.
  {
    ...AUTH,
    codes: [535],
    words: /\bauthentication failed: no mechanism available/i,
    code: "auth_rejected",
    hint: "mechanism_unverifiable",
    remedy: { parameter: "auth_mechanism", value: "plain" },
  },
  {
    ...AUTH,
    codes: [535],
    words: /\bauthentication failed: generic failure/i,
    code: "auth_rejected",
    hint: "login_service_down",
  },
  // Postfix 3.7, src/smtpd/smtpd_check.c, for all rows up to Exim.
  { ...TRANSACTION, words: /\bsession encryption is required/i, code: "tls_required" },
  { ...TRANSACTION, words: /\bsender address rejected: not logged in/i, code: "auth_required" },
  {
    ...SENDER,
    words: /\bsender address rejected: not owned by/i,
    hint: "send_as",
    remedy: OWN_ADDRESS,
  },
  { ...SENDER, words: /\bsender address rejected\b/i },
  { ...REFUSED, words: /\bhelo command rejected\b/i, hint: "ehlo_name" },
  { ...REFUSED, words: /\bclient host rejected\b|\bclient host \[[^\]]*\] blocked\b/i, hint: "this_host" },
  // Exim 4.96, src/verify.c and src/acl.c.
  { ...SENDER, words: /\bsender verify failed|\bcould not complete sender verify/i },
  // Apple, "Mail server settings for iCloud Mail".
  {
    ...SENDER,
    words: /\bfrom address (is not|does not|not)\b|\bsender (is )?not (allowed|authorized)\b/i,
    remedy: OWN_ADDRESS,
  },
  // RFC 6647 4: greylisting. Postgrey, Exim and rspamd use this word.
  {
    phases: ["recipient", "data"],
    isTemporary: true,
    words: /\bgr[ae]y-?list/i,
    hint: "greylisting",
  },
  // Postfix 3.7, src/smtpd/smtpd.c (connection limits of anvil); Amazon SES; Exim 4.96, src/daemon.c.
  {
    phases: ["greeting", "ehlo", "auth", "sender"],
    words: /\btoo many (concurrent )?(SMTP )?(connections|sessions)\b/i,
    code: "rate_limited",
    hint: "connection_limit",
    remedy: { parameter: "max_connections", value: null },
  },
];

/** Returns the failure code of a known reply. `null` if the table has none. */
export function knownCode(phase: Phase, reply: SmtpReply): FailureCode | null {
  return KNOWN_REPLIES.find((known) => known.code && matchesReply(known, phase, reply))?.code ?? null;
}

/** Returns the hint for a known reply that led to this failure code, first of the provider. `null` if there is none. */
export function knownHint(
  phase: Phase,
  code: FailureCode,
  reply: SmtpReply,
  provider: Provider | null,
): KnownHint | null {
  return hintAmong([...(provider?.replies ?? []), ...KNOWN_REPLIES], phase, code, reply);
}
