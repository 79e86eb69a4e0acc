import { type Failure, type FailureCode, notSent, type Phase, type SmtpReply } from "../domain/delivery.ts";
import { matchesReply, type ReplyPattern } from "../domain/known-reply.ts";
import { KNOWN_REPLIES } from "./provider-replies.ts";

/** The session in which a command was rejected. */
export interface RejectionContext {
  /** Whether the definition uses TLS, which may start only after the rejected command. */
  readonly isTls: boolean;
  /** Whether a username is set. */
  readonly hasLogin: boolean;
}

interface Rule extends ReplyPattern, Partial<RejectionContext> {
  readonly code?: FailureCode;
}

const OPENING = ["greeting", "ehlo"] as const;
const TRANSACTION = ["sender", "recipient", "data"] as const;
const ADDRESSED = ["recipient", "data"] as const;
const AFTER_TLS = { codes: [421], phases: OPENING, isTls: true } as const;

const TLS_WORDS = /tls\b|\b(ssl\b|encrypt)/i;
const LOGIN_WORDS = /\b(auth|(log|sign)(g?ed)? ?in\b|logon\b|credential|password)/i;
/** Denied relaying, as Postfix, Exim, Sendmail, Exchange, Google's relay and qmail (`rcpthosts`) word it. */
export const RELAY_WORDS =
  /\brelay(ing)?\b(?![.@-]\w).{0,99}\b(denied|rejected|refused|prohibited|disallowed|not (permitted|allowed|enabled|authori[sz]ed))|\b(no|not|cannot|unable|don't) (an? |open |to |permitted |allowed |authori[sz]ed )*relay|\bcredentials for relay|\ballowed rcpthosts/i;
/** A demand for a login. */
const LOGIN_WANTED =
  /\b(auth\w*|log-?in|anmeldung)( command)?( ist?)? (first|before mail|need|requi|mandatory|erforderlich)|\b(requires?|needs?|must|please|without)( [\w-]+){0,3} (auth\b|authentic|log(ged)?[ -]?in\b)|(?<!(domain|sender|mail|message)( is| was)? )\bnot (authenticated|logged in)|\banonymous (client|user|access|send(ing)?\b)/i;
/** A demand for TLS: its name, and a word for a need. */
const TLS_WANTED =
  /^(?=.*(tls\b|\b(ssl|encryption|(encrypted|secure) (conn|sess)))).*\b(requi[rs]|need|must|first|use\b|issue|without|disallowed|erforderlich)/i;
/** Words for a connection without TLS. Filters of content have them, too, so they count before DATA only. */
const IN_CLEAR =
  /\b(unencrypted|plaintext) (conn|sess)|\b(connection|session)( is)? not (encrypted|secure)|\bencryption is mandatory|\bonly (over|after|with) (start)?tls/i;
/** Commands that came too early, or several at a time (RFC 2920). */
const OUT_OF_STEP = /\bsynchroni|\bpipelining/i;
const SIZE_WORDS = /\b(size|too (big|large|long))\b/i;
/** The size of one message, not of all messages of a time span, in replies that no 552 names. */
const MESSAGE_SIZE =
  /^(?!.*\b(cumulative|total|quota|daily|hourly|monthly|hours?|days?|today)\b).*\b((message|e?-?mail) (size|length)\b.{0,40}\b(exceed|larger|too)|message( is)? too (big|large)\b)/i;
/** A recipient who does not exist or chooses senders, whatever else the reply says. */
const RECIPIENT_WORDS =
  /^(?!.*sender [av]).*\b((no such|unknown) (user|recipient)|(user|recipient)( @)? unknown|this (list|group)|members|recipient requires)\b/i;
/** The content of the message, also where the code is of the session. */
const CONTENT_WORDS = /\b(attachment|header|body|bare|line )/i;
/** A mailbox that is full. */
export const FULL_WORDS = /\b(mail|in)box\b.{0,30}\b(full|its limit)\b|\bover quota\b/i;
/** A recipient who does not exist, or whose mailbox is full. */
const MAILBOX_WORDS = /\b(recipient|mailbox|user|account|address|no such|not (found|exist))\b/i;

/** Enhanced codes of denied relaying: none, policy (RFC 3463 X.7.0, X.7.1), Exchange Online's X.4.1. */
const RELAYING = /^(0\.0|7\.[01]|4\.1)$/;

/** RFC 3463: X.3.2 not accepting messages, X.7.x policy. */
const BUSY = /^(3\.2|7\.\d+)$/;

/**
 * Maps reply codes to failure codes. The first match wins: first codes and enhanced codes with one meaning in every phase,
 * and words that name the recipient; then the provider table (`provider-replies.ts`), then {@link AFTER_WORDS}.
 */
const BEFORE_WORDS: readonly Rule[] = [
  // Postfix 3.7, src/smtpd/smtpd.c (smtpd_tls_req_ccert): it checks the client's certificate after the handshake.
  { ...AFTER_TLS, words: /\bno client certificate/i, code: "cert_required" },
  { ...AFTER_TLS, words: /\bcertificate not trusted/i, code: "cert_rejected" },
  // RFC 5321 3.8: the server closes the connection, whatever the command.
  { codes: [421], code: "rate_limited" },
  // RFC 4954 6: the mechanism works only after the user has set a new password.
  { codes: [432], phases: ["auth"], enhanced: /^7\.12$/, code: "auth_rejected" },
  // Microsoft 365 sends it for too many connections, at AUTH and after DATA.
  { codes: [432], code: "rate_limited" },
  // RFC 3463 X.4.5, "mail system congestion". Providers send it to accounts over their limit.
  { enhanced: /^4\.5$/, code: "rate_limited" },
  // RFC 3463 X.7.28 in IANA's registry, "mail flood detected". Google sends it to clients over a rate.
  { phases: TRANSACTION, enhanced: /^7\.28$/, code: "rate_limited" },
  // RFC 3207 4: TLS is offered, but temporarily not available.
  { codes: [454], phases: ["starttls"], code: "tls_unavailable" },
  // RFC 4954 6: 538 and X.7.11. RFC 5248 (IANA's registry): X.7.10, "encryption needed".
  { codes: [538], code: "tls_required" },
  { enhanced: /^7\.1[01]$/, code: "tls_required" },
  // 530 stands for STARTTLS in RFC 3207 4 and for AUTH in RFC 4954 6. Many servers add X.7.0 to both.
  { codes: [530], words: TLS_WORDS, isTls: false, code: "tls_required" },
  { codes: [530], words: LOGIN_WORDS, code: "auth_required" },
  { codes: [530], words: TLS_WORDS, code: "tls_required" },
  { codes: [530], isTls: false, code: "tls_required" },
  { codes: [530], code: "auth_required" },
  { phases: ["starttls"], code: "tls_not_offered" },
  // The sender: X.1.7 and X.1.8 (RFC 3463), X.7.27 (RFC 7505 4.2), X.7.20 to X.7.24 and X.7.26 (RFC 7372 3).
  { phases: TRANSACTION, enhanced: /^(1\.[78]|7\.2[0-467])$/, code: "sender_rejected" },
  // RFC 7372 3.3: the client has no valid reverse DNS name.
  { phases: TRANSACTION, enhanced: /^7\.25$/, code: "refused" },
  // Exchange: 5.7.57 is an anonymous client, 5.7.54 and 5.7.64 deny relaying.
  { phases: TRANSACTION, enhanced: /^7\.57$/, code: "auth_required" },
  { phases: TRANSACTION, enhanced: /^7\.(54|64)$/, hasLogin: false, code: "auth_required" },
  { phases: ADDRESSED, enhanced: /^7\.(54|64)$/, code: "recipient_rejected" },
  // Postfix's submission service rejects unauthenticated clients with these words (master.cf).
  {
    phases: TRANSACTION,
    words: /\bclient host rejected: access denied/i,
    hasLogin: false,
    code: "auth_required",
  },
  // RFC 3463 X.3.4 too big for the system, X.2.3 too long for the mailbox.
  // Outlook.com also sends X.3.4 to accounts that have to sign in.
  {
    phases: TRANSACTION,
    enhanced: /^(3\.4|2\.3)$/,
    words: /^(?!requested action not taken; to c)/i,
    code: "too_large",
  },
  { phases: ADDRESSED, words: RECIPIENT_WORDS, code: "recipient_rejected" },
  // RFC 3463 X.1.1 to X.1.3 and X.1.6, RFC 7505 4.1 (X.1.10): this mailbox does not exist.
  { phases: ADDRESSED, enhanced: /^1\.([1236]|10)$/, code: "recipient_rejected" },
];

/** Maps the replies that no earlier rule matches: before MAIL by phase, then by words, by code and by phase. */
const AFTER_WORDS: readonly Rule[] = [
  // Temporary, so a limit.
  { phases: OPENING, isTemporary: true, enhanced: BUSY, code: "rate_limited" },
  { phases: OPENING, code: "refused" },
  { codes: [552], words: SIZE_WORDS, code: "too_large" },
  { phases: TRANSACTION, isTemporary: false, words: MESSAGE_SIZE, code: "too_large" },
  { phases: ["data"], isTemporary: false, words: CONTENT_WORDS, code: "content_rejected" },
  { words: TLS_WANTED, isTls: false, code: "tls_required" },
  { phases: ["auth", "sender", "recipient"], words: IN_CLEAR, isTls: false, code: "tls_required" },
  // RFC 4954 4 and 6: the server rejects the mechanism, not the credentials. 503: it rejects AUTH itself, now or ever.
  { phases: ["auth"], codes: [500, 502, 503, 504, 534], code: "auth_not_offered" },
  // RFC 3463 X.3.2: the server accepts no one now. For a login that cannot be checked, RFC 4954 6 has X.7.0.
  { phases: ["auth"], isTemporary: true, enhanced: /^3\.2$/, code: "rate_limited" },
  { phases: ["auth"], code: "auth_rejected" },
  { enhanced: RELAYING, words: RELAY_WORDS, hasLogin: false, code: "auth_required" },
  // Before a demand for a login: Sendmail's "Proper authentication required" is for clients that have logged in, too.
  { phases: ADDRESSED, enhanced: RELAYING, words: RELAY_WORDS, code: "recipient_rejected" },
  { words: LOGIN_WANTED, code: "auth_required" },
  // Under TLS, RCPT and the message are rejected for their own sake.
  { phases: ["sender"], words: TLS_WANTED, code: "tls_required" },
  // RFC 4954 6: these codes reject a login.
  { codes: [534, 535], code: "auth_required" },
  { words: OUT_OF_STEP, code: "protocol" },
  // RFC 5321 4.2.3: 550 is about a mailbox, so its words win over a code of system, network or protocol, such as Exchange
  // Online's X.4.1 for a recipient that it does not know.
  {
    phases: ADDRESSED,
    codes: [550, 552, 553],
    enhanced: /^[0345]/,
    words: MAILBOX_WORDS,
    code: "recipient_rejected",
  },
  // At RCPT, Postfix rejects an address with 504, Gmail with 555 5.5.2.
  { phases: ["recipient"], codes: [555], enhanced: /^5\.2$/, code: "recipient_rejected" },
  { phases: ["recipient"], isTemporary: false, words: MAILBOX_WORDS, code: "recipient_rejected" },
  // RFC 5321 4.2.3 and 4.1.1.11, RFC 3463 X.5.0 to X.5.2 and X.5.5: a command or its parameters, not their content.
  { codes: [455, 500, 502, 503, 504, 555], code: "protocol" },
  { enhanced: /^5\.[0125]$/, code: "protocol" },
  // RFC 3463 X.5.3, too many recipients. Each message has one, so the limit spans messages.
  { enhanced: /^5\.3$/, code: "rate_limited" },
  // RFC 5321 4.2.3, "exceeded storage allocation": at RCPT of the mailbox, otherwise of the message (RFC 1870 6.1).
  { phases: ["sender", "data"], codes: [552], enhanced: /^[056]/, code: "too_large" },
  { isTemporary: true, enhanced: BUSY, code: "rate_limited" },
  // RFC 3463: X.3.x and X.4.x concern mail system and network, not sender, recipient or content.
  { phases: ["sender"], isTemporary: true, enhanced: /^[34]/, code: "rate_limited" },
  // X.3.0, X.4.0 and X.4.1 say little: filters reject a recipient or a message with them. X.4.4: no route to the domain.
  { isTemporary: false, enhanced: /^[34]/, words: /error|hop/i, code: "refused" },
  { isTemporary: false, enhanced: /^(3\.[^0]|4\.[^014])/, code: "refused" },
  // RFC 7504 3: the host accepts no mail.
  { codes: [521], enhanced: /^[^12]/, code: "refused" },
  // RFC 5321 4.2.3, "insufficient system storage", and RFC 3463 X.2.2 for the mailbox of the sender.
  { codes: [452], enhanced: /^[03]/, code: "rate_limited" },
  { phases: ["sender"], enhanced: /^2\.2$/, code: "rate_limited" },
  { phases: ["sender"], code: "sender_rejected" },
  { phases: ["recipient"], code: "recipient_rejected" },
  // RFC 3463: X.1.x addresses, X.2.1 mailbox disabled, X.2.2 mailbox full, X.2.4 mailing list. X.2.0 is unspecific.
  { enhanced: /^(1\.\d+|2\.[124])$/, code: "recipient_rejected" },
  // RFC 5321 4.2.1: a temporary rejection does not mean that the content is at fault.
  { isTemporary: true, code: "rate_limited" },
];

/**
 * Replies that end a session and not a message: 421 (RFC 5321 3.8), X.4.2 for one that was idle for too long, X.4.5 for one
 * that has carried enough (Stalwart), or words for it (Exim's "too many messages in this connection").
 */
const ENDS_OF_SESSION: readonly ReplyPattern[] = [
  { codes: [421] },
  { isTemporary: true, enhanced: /^4\.[25]$/ },
  { words: /\b(per|in( (this|one|a|the same))?) (smtp )?(session|connection(?! with))\b/i },
];

/** Otherwise, the content is rejected. */
const RULES: readonly Rule[] = [...BEFORE_WORDS, ...KNOWN_REPLIES, ...AFTER_WORDS];

/**
 * Returns the failure for a 4xx or 5xx reply. The first digit alone decides `retryable` (RFC 5321 4.2.1), even if the
 * enhanced code or the text contradicts it. Text chooses a code or hint only.
 * @param phase the phase of the rejected command.
 */
export function rejection(phase: Phase, reply: SmtpReply, { isTls, hasLogin }: RejectionContext): Failure {
  const rule = RULES.find(
    (row) =>
      row.code &&
      matchesReply(row, phase, reply) &&
      (row.isTls ?? isTls) === isTls &&
      (row.hasLogin ?? hasLogin) === hasLogin,
  );
  return notSent(phase, rule?.code ?? "content_rejected", reply);
}

/** Whether the reply ends a session that has carried messages: a new connection may take the rejected one. */
export function endsSession({ phase, reply }: Failure): boolean {
  return reply !== null && ENDS_OF_SESSION.some((row) => matchesReply(row, phase, reply));
}
