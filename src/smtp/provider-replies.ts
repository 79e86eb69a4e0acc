import type { FailureCode, Phase, Remedy, SmtpReply } from "../domain/delivery.ts";

/** Conditions on a reply. An absent field matches every reply. */
export interface ReplyPattern {
  readonly phases?: readonly Phase[];
  /** Reply codes (RFC 5321 4.2.3). */
  readonly codes?: readonly number[];
  /** Whether the first digit is 4. */
  readonly isTemporary?: boolean;
  /** Matches subject and detail of the enhanced status code (RFC 3463 3), such as `7.1`. `0.0` if the reply has none. */
  readonly enhanced?: RegExp;
  /** Matches the text of the reply, with its lines joined by spaces. */
  readonly words?: RegExp;
}

/** A known reply of a server or provider. */
interface KnownReply extends ReplyPattern {
  /** Failure code. If absent, the other rules of `rejection` choose it. */
  readonly code?: FailureCode;
  /** One or two sentences. If absent, the hint of the code is used. */
  readonly hint?: string;
  readonly remedy?: Remedy;
}

const AUTH = { phases: ["auth"] } as const;
/** Some servers reject the sender at RCPT or after DATA (Postfix's `smtpd_delay_reject` is on by default). */
const TRANSACTION = { phases: ["sender", "recipient", "data"] } as const;
const SENDER = { ...TRANSACTION, code: "sender_rejected" } as const;
const RECIPIENT = { phases: ["recipient", "data"], code: "recipient_rejected" } as const;
const LIMITED = { phases: ["auth", "sender", "recipient", "data"], code: "rate_limited" } as const;
const REFUSED = { ...TRANSACTION, code: "refused" } as const;

const OWN_ADDRESS: Remedy = { parameter: "sender", value: null };
const PASSWORD: Remedy = { parameter: "password", value: null };
const SEND_AS =
  "The account may not send as this sender. Set sender to the address of the account, or allow the account to send as this address.";
const SENDER_DOMAIN =
  "The server could not verify the domain of the sender. Publish the SPF and DKIM records that your provider names, or set sender to an address of another domain.";
const THIS_HOST =
  "The server does not accept mail from this machine's IP address. Send through your provider's relay, or ask the server's operator to allow the address.";
const EHLO_NAME =
  "The server rejected the EHLO name of Sealpost. Set SEALPOST_EHLO_NAME to a host name that resolves to this machine.";
const DAILY_LIMIT =
  "The account has reached its sending limit. Wait until the provider resets the limit, or ask the provider to raise it.";

/**
 * Replies with known text or private enhanced codes. The first match wins. A row chooses the failure code and the hint,
 * never `retryable` or the outcome. Its comment names the public document or the source file of the text.
 */
export const KNOWN_REPLIES: readonly KnownReply[] = [
  // Microsoft 365: "Authenticated client SMTP submission", and Exchange Team Blog on basic authentication (2026-01).
  {
    ...AUTH,
    enhanced: /^7\.30$/,
    code: "auth_rejected",
    hint: "The provider does not accept passwords for this mailbox (basic authentication is off). Ask the mailbox's administrator to allow them, or use OAuth.",
  },
  {
    ...AUTH,
    enhanced: /^7\.139$/,
    code: "auth_rejected",
    hint: "SMTP AUTH is disabled for this mailbox or organization. Ask its administrator to enable it.",
  },
  // Direct Send and connectors offer no AUTH: 504 5.7.4 Unrecognized authentication type.
  {
    ...AUTH,
    codes: [504],
    enhanced: /^7\.4$/,
    code: "auth_not_offered",
    hint: "The server does not offer this kind of login. Leave username empty if the server requires no login.",
  },
  // Exchange Online limits: 3 connections at a time per mailbox; 432 4.3.2 STOREDRV.ClientSubmit.
  {
    codes: [432],
    words: /\bsender thread limit exceeded|\bconcurrent connections? limit/i,
    code: "rate_limited",
    hint: "The provider limits the connections of one mailbox. Set max_connections to 3 or less.",
    remedy: { parameter: "max_connections", value: 3 },
  },
  // "Email non-delivery reports and SMTP errors in Exchange Online" (learn.microsoft.com), for all rows up to Google.
  { ...SENDER, enhanced: /^2\.252$/, hint: SEND_AS, remedy: OWN_ADDRESS },
  {
    ...SENDER,
    words: /\bSendAsDenied|\bpermissions? to send as this sender/i,
    hint: SEND_AS,
    remedy: OWN_ADDRESS,
  },
  {
    ...SENDER,
    words: /\bbad outbound sender|\bOutboundSpamException/i,
    hint: "The provider has blocked this account for sending spam. Ask the account's administrator to unblock it.",
  },
  { ...LIMITED, enhanced: /^1\.90$|^2\.12[12]$|^7\.508$|^7\.705$/, hint: DAILY_LIMIT },
  { ...LIMITED, words: /\bsubmission ?quota ?(was )?exceeded/i, hint: DAILY_LIMIT },
  // Recipients that accept mail only from their own organization.
  {
    ...RECIPIENT,
    enhanced: /^7\.(12|13|124|13[3-6])$/,
    hint: "The recipient accepts mail only from its own organization. Ask the recipient's administrator to allow this sender.",
  },
  { ...RECIPIENT, enhanced: /^7\.50[45]$/ },
  { ...SENDER, enhanced: /^7\.(50[123]|750)$/ },
  { ...SENDER, enhanced: /^7\.509$/, hint: SENDER_DOMAIN },
  { ...REFUSED, enhanced: /^7\.506$/, hint: EHLO_NAME },
  { ...REFUSED, enhanced: /^7\.(507|51[013]|6[0-4]\d|708)$/, hint: THIS_HOST },

  // Google: "Gmail SMTP errors and codes" (support.google.com/a/answer/3726730), for all rows up to SES.
  {
    ...AUTH,
    codes: [534],
    words: /\bapplication-specific password/i,
    code: "auth_rejected",
    hint: "Google does not accept the account password for SMTP. Create an app password and set it as password.",
    remedy: PASSWORD,
  },
  {
    ...AUTH,
    codes: [534],
    words: /\blog in (with|via) your web browser/i,
    code: "auth_rejected",
    hint: "Google requires a login with a web browser first. Log in there, or create an app password and set it as password.",
    remedy: PASSWORD,
  },
  {
    ...AUTH,
    codes: [535],
    words: /\busername and password not accepted/i,
    code: "auth_rejected",
    hint: "Google rejected the username or password. Set username to the full address and password to an app password.",
    remedy: PASSWORD,
  },
  {
    phases: ["recipient", "data"],
    enhanced: /^2\.1$/,
    words: /\breceiving (e?mail|messages) (too quickly|at a rate)/i,
    code: "rate_limited",
    hint: "The recipient is receiving too much mail at the moment. Try again later.",
  },
  { ...LIMITED, words: /\bsending limit (has been )?exceeded|\brelay limit exceeded/i, hint: DAILY_LIMIT },
  { phases: ["data"], words: /\bcontent presents a potential security issue/i, code: "content_rejected" },
  { ...SENDER, words: /\bunauthenticated e?mail\b|\bmail is unauthenticated\b/i, hint: SENDER_DOMAIN },

  // Amazon SES developer guide, "Email sending errors" and "Errors related to the sending quotas".
  {
    ...SENDER,
    words: /\bemail address is not verified/i,
    hint: "Amazon SES has not verified an address of this message in this region. Verify the sender in SES and, in the sandbox, the recipient as well.",
    remedy: OWN_ADDRESS,
  },
  {
    ...SENDER,
    words: /\bsending paused for this account|\baccount not subscribed to SES/i,
    hint: "Amazon SES has paused sending for this account. See the SES console for the reason.",
  },
  {
    ...LIMITED,
    words: /\bmaximum sending rate exceeded/i,
    hint: "The account sends faster than Amazon SES allows. Set mails_per_minute to a lower value, or raise the rate in SES.",
    remedy: { parameter: "mails_per_minute", value: null },
  },
  { ...LIMITED, words: /\bdaily message quota exceeded/i, hint: DAILY_LIMIT },

  // Twilio SendGrid, "SMTP Errors and Troubleshooting".
  {
    ...LIMITED,
    words: /\bmaximum credits exceeded/i,
    hint: "The SendGrid account has no credits left. Wait until SendGrid renews them, or change the plan.",
  },
  {
    ...SENDER,
    words: /\bverified sender identity\b|\bnot authorized to send from that email address/i,
    hint: "The provider has not verified this sender. Verify it with the provider, or set sender to a verified address.",
    remedy: OWN_ADDRESS,
  },
  { ...TRANSACTION, words: /\bunauthenticated senders not allowed/i, code: "auth_required" },

  // Brevo help center, "Security: authorized IPs" and "SMTP relay".
  {
    ...AUTH,
    words: /\bunauthorized IP address/i,
    code: "auth_rejected",
    hint: "The provider does not accept logins from this machine's IP address. Add the address to the provider's authorized IPs.",
  },
  {
    ...AUTH,
    words: /\bSMTP account is not (yet )?activated|\bactivate your SMTP account/i,
    code: "auth_rejected",
    hint: "The provider has not activated SMTP for this account. Ask the provider's support to activate it.",
  },
  // Mailgun user manual, "Send via SMTP": credentials belong to one domain and one region.
  {
    ...AUTH,
    words: /\bMailgun is not loving your login/i,
    code: "auth_rejected",
    hint: "Mailgun rejected the username or password. Use SMTP credentials of the sending domain, and smtp.eu.mailgun.org as server if the domain is in the EU.",
  },
  // Postmark developer documentation, API error code 406.
  {
    ...RECIPIENT,
    words: /\binactive recipient/i,
    hint: "The provider has deactivated this recipient after a bounce or complaint. Reactivate it with the provider.",
  },
  // cPanel, "Max hourly emails per domain".
  { ...LIMITED, words: /\bexceeded the max (emails|defers)/i, hint: DAILY_LIMIT },

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
    hint: "The server cannot verify this kind of login. Set auth_mechanism to plain or login.",
    remedy: { parameter: "auth_mechanism", value: "plain" },
  },
  {
    ...AUTH,
    codes: [535],
    words: /\bauthentication failed: generic failure/i,
    code: "auth_rejected",
    hint: "The server could not verify the login. Ask its operator whether the authentication service is running, or set auth_mechanism to plain.",
  },
  // Postfix 3.7, src/smtpd/smtpd_check.c, for all rows up to Exim.
  { ...TRANSACTION, words: /\bsession encryption is required/i, code: "tls_required" },
  { ...TRANSACTION, words: /\bsender address rejected: not logged in/i, code: "auth_required" },
  {
    ...SENDER,
    words: /\bsender address rejected: not owned by/i,
    hint: SEND_AS,
    remedy: OWN_ADDRESS,
  },
  { ...SENDER, words: /\bsender address rejected\b/i },
  { ...REFUSED, words: /\bhelo command rejected\b/i, hint: EHLO_NAME },
  { ...REFUSED, words: /\bclient host rejected\b|\bclient host \[[^\]]*\] blocked\b/i, hint: THIS_HOST },
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
    hint: "The server delays mail from unknown senders (greylisting). Try again in a few minutes.",
  },
  // Postfix 3.7, src/smtpd/smtpd.c (connection limits of anvil); Amazon SES; Exim 4.96, src/daemon.c.
  {
    phases: ["greeting", "ehlo", "auth", "sender"],
    words: /\btoo many (concurrent )?(SMTP )?(connections|sessions)\b/i,
    code: "rate_limited",
    hint: "The server limits the number of connections. Set max_connections to a lower value.",
    remedy: { parameter: "max_connections", value: null },
  },
];

/** Whether a reply matches a pattern. */
export function matchesReply(pattern: ReplyPattern, phase: Phase, reply: SmtpReply): boolean {
  const { phases, codes, isTemporary, enhanced, words } = pattern;
  return (
    (phases?.includes(phase) ?? true) &&
    (codes?.includes(reply.code) ?? true) &&
    (isTemporary === undefined || isTemporary === reply.code < 500) &&
    (enhanced?.test(subjectAndDetail(reply)) ?? true) &&
    (words?.test(reply.text) ?? true)
  );
}

/** Returns the failure code of a known reply. `null` if the table has none. */
export function knownCode(phase: Phase, reply: SmtpReply): FailureCode | null {
  return KNOWN_REPLIES.find((known) => known.code && matchesReply(known, phase, reply))?.code ?? null;
}

/** Returns the hint for a known reply that led to this failure code. `null` if the table has none. */
export function knownHint(
  phase: Phase,
  code: FailureCode,
  reply: SmtpReply,
): { readonly text: string; readonly remedy: Remedy | null } | null {
  const known = KNOWN_REPLIES.find(
    (row) => row.hint && (row.code ?? code) === code && matchesReply(row, phase, reply),
  );
  return known?.hint === undefined ? null : { text: known.hint, remedy: known.remedy ?? null };
}

/** An absent enhanced code reads as X.0.0, "other undefined status" (RFC 3463 3.1). */
function subjectAndDetail({ enhanced }: SmtpReply): string {
  return enhanced === null ? "0.0" : enhanced.slice(enhanced.indexOf(".") + 1);
}
