import type { FailureCode, Phase, SmtpReply } from "../domain/delivery.ts";
import {
  AUTH,
  hintAmong,
  type KnownHint,
  type KnownReply,
  LIMITED,
  OWN_ADDRESS,
  REFUSED,
  SENDER,
  TRANSACTION,
} from "../domain/known-reply.ts";
import { PROVIDER_REPLIES } from "../domain/providers/index.ts";
import type { Provider } from "../domain/providers/provider.ts";

/** The account that sends, or its outgoing mail, is not active. An account that is not "yours" may be the recipient's. */
const SUSPENDED_ACCOUNTS: readonly KnownReply[] = [
  // A recipient may have blocked the account, and filters quote what a message says of one. An SMTP account with an address
  // is the recipient's.
  /^(?!.*\b(by|to|of) (the|this) (recipient|user|list|group|mailbox)\b|.*\bby (recipient|user|@)|.*\b(phishing|scam|content|contain\w*|text|subject|attachment|says)\b.{0,60}\byour\b).*(\b(your (\w+ )?account|smtp (account|user)(?!( \w+)? @))( [^\s:;]+){0,5} (suspended|disabled|deactivated|blocked|locked|activated)|; to continue sending messages, please sign in to)/i,
  // It is suspended; a message is blocked.
  /\boutgoing (e?-?mail|messages)( from\b.{0,60})?( is| are| being| ha(s|ve) been)( \w+)? (suspended|disabled|deactivated)/i,
  // It may not send at all: what follows in the sentence may be a recipient, or the content that it may not send.
  /\baccount (is |has been )?(\w+ )?(blocked from sending|not (allow|permitt|authori[sz])ed to send)( (e?-?mail|message)s?)?(\.|$)/i,
].map((words) => ({ ...SENDER, enhanced: /^(?![12]\.)/, words, hint: "account_suspended" }));

const CONNECTION_LIMIT = {
  code: "rate_limited",
  hint: "connection_limit",
  remedy: { parameter: "max_connections", value: null },
} as const;

/**
 * Replies with known text or private enhanced codes: those of providers, then those of mail server software. The first
 * match wins. The comment of a row names the public document or the source file of the text.
 */
export const KNOWN_REPLIES: readonly KnownReply[] = [
  ...PROVIDER_REPLIES,
  // cPanel, "Max hourly emails per domain"; GoDaddy's relay; GMX.
  {
    ...LIMITED,
    words: /\bexceeded the max (emails|defers)|\byour relay quota of|\bfailure sending mail\. try/i,
    hint: "daily_limit",
  },
  { ...LIMITED, enhanced: /^7\./, words: /(^|: )message quota exceeded\W*$/i },
  { ...AUTH, words: /\btoo many (message|e?-?mail)s\b/i, code: "rate_limited" },
  // Limits of the sending account, as relays and policy services word them, not of a message or a recipient. X.1.x and X.2.x
  // concern a mailbox.
  {
    ...TRANSACTION,
    enhanced: /^(?![12]\.)/,
    words:
      /^(?!.*\b(size|scor|spam|(mail|in)box|recipient('s| has)|receiv(e|ing)\b|user (mail|message)))((insufficient|out of) credits(\.|$)|.*(\b(daily|hourly|monthly|sender|sending|outgoing|rate|frequency|per (hour|day)|exceeded your|rejection)\b.{0,30}\b(limit|quota)|\bsend (limit|quota)|\bratelimit|\btoo many (message|e?-?mail|recipient)|\bnumber of (\w+ )?outgoing (message|e?-?mail)|\b(number (of )?|rejected: only \d+ )(message|e?-?mail|recipient)s\b(?!.*\buser).{0,40}\bper (hour|day)|\b(message rate|sending rate exceeded)\b(?!.*\buser)|\bsending too fast))/i,
    code: "rate_limited",
  },

  // The size of all messages of a time span. `size` excludes it from the limits above, because most sizes are of one message.
  {
    ...TRANSACTION,
    enhanced: /^(?![12]\.)/,
    words:
      /^(?!.*\b((mail|in)box|recipient(?! address)|receiving))(?=.*\b(cumulative|daily|hourly|monthly|per (hour|day)|(this|last|past) (hour|day)|today)\b)(?=.*\bsize\b).*\b(exceed|limit|quota)/i,
    code: "rate_limited",
  },
  ...SUSPENDED_ACCOUNTS,

  // Cyrus SASL, lib/common.c: the text of SASL_NOMECH, and of SASL_FAIL, which occurs if saslauthd is not running.
  {
    ...AUTH,
    codes: [535],
    words: /\bno mechanism available/i,
    code: "auth_rejected",
    hint: "mechanism_unverifiable",
    remedy: { parameter: "auth_mechanism", value: "plain" },
  },
  {
    ...AUTH,
    codes: [535],
    words: /\bgeneric failure/i,
    code: "auth_rejected",
    hint: "login_service_down",
  },
  // RFC 4954 6, X.7.12: one login by PLAIN makes the others work.
  {
    ...AUTH,
    codes: [432, 534],
    enhanced: /^7\.12$/,
    code: "auth_rejected",
    hint: "mechanism_unverifiable",
    remedy: { parameter: "auth_mechanism", value: "plain" },
  },
  // RFC 5248 and IANA's registry, X.7.13: the account is disabled, so no other password helps.
  { ...AUTH, enhanced: /^7\.13$/, code: "auth_rejected", hint: "account_suspended" },
  // A disabled mechanism and a blocked IP address are another matter, also if the reply names users or an account.
  {
    ...AUTH,
    codes: [454, 525, 535, 550],
    words:
      /(?<!\bfor (\w+ ){0,2})\b(account|mailbox|user)( (?!(ip|address|auth\w*|log-?in|plain|mechanism)\b)[^\s:;,]+){0,5} (is |been )?(disabled|suspended|deactivated|blocked|locked)\b/i,
    code: "auth_rejected",
    hint: "account_suspended",
  },
  // Postfix 3.7, src/smtpd/smtpd_check.c, for all rows up to Exim.
  { ...TRANSACTION, words: /\bsender address rejected: not logged in/i, code: "auth_required" },
  {
    ...SENDER,
    words: /\bsender address( rejected:| @)? not owned by/i,
    hint: "send_as",
    remedy: OWN_ADDRESS,
  },
  {
    ...REFUSED,
    words:
      /\b(helo|ehlo)( command| name)? rejected\b|\b(invalid|bad) (helo|ehlo)\b|\b(helo|ehlo) (argument|should)\b/i,
    hint: "ehlo_name",
  },
  { ...REFUSED, words: /\bclient host (rejected|\[\S+ blocked)/i, hint: "this_host" },
  // A list of IP addresses. After DATA, it may be the content that is listed.
  {
    phases: ["sender", "recipient"],
    words:
      /\b(dnsbl|rbl|spamhaus|spamcop|(your|this) ip|ip reputation|(ip|client)\b.{0,40}\bbad reputation)\b/i,
    code: "refused",
    hint: "this_host",
  },
  // SPF, DKIM and DMARC check the domain of the sender, also where the enhanced code does not say so (RFC 7372).
  { ...SENDER, words: /\b(spf|dkim|dmarc)\b/i, hint: "sender_unverified" },
  // The sender, as Postfix, Exim (src/verify.c and src/acl.c), GMX and IONOS, Zoho, QQ and Apple word it. A recipient who
  // does not accept this sender is another matter.
  {
    ...SENDER,
    words:
      /^(?!.*\b(recipient(?!s| address)|(by|to this) (the )?user|(to|by|in|on|of) (the |this |an? )?(\w+ )?(list|group|mailbox|alias)\b)).*(sender verify|\b(sender('s)?|return[- ]path)( address| domain)?( @)?( is| was| has)? (not (been )?(allow|permit|author|accept|verif|local)|reject|denied|refused|invalid|unknown|unauth|unverif|blacklist|does not|must |mismatch|verification failed)|\b(unauthori[sz]ed|unverified|invalid|unknown|bad|no|local|domain of|required for) sender\b|\bdenied for sender @|\b(from (header|address|domain)|envelope[- ]from) (((is|does) )?not (?!compl)|must (match|be the)|and the auth\w+ user must)|\bmatch (sender|from)\b|\bbadmailfrom\b|\bdomain you (don't|do not) own|\bmail from ((address )?must|@ reject)|\b(not (allow|permitt|authori[sz])ed to|(no|(not|\w+n't) have|lacks?) permissions? to|cannot|may not) (use (this )?(sender|from)|send(( \w+)? (e-?)?(mail|message)s?)? (on behalf|as (?!an? |attach|html|bulk)|from (@|\S+\.[a-z]{2}|(th(is|at)|your) (header )?(address|domain|user|account))))|relaying disallowed as)/i,
  },
  // RFC 6647 4: greylisting. Postgrey, Exim and rspamd use this word.
  {
    phases: ["recipient", "data"],
    isTemporary: true,
    words: /\bgr[ae]y[- ]?list/i,
    hint: "greylisting",
  },
  // Postfix 3.7, src/smtpd/smtpd.c (connection limits of anvil); Amazon SES; Exim 4.96, src/daemon.c.
  { ...CONNECTION_LIMIT, words: /\btoo many (\w+ ){0,2}(conn|sess)/i },
  // Exchange's words, which Microsoft 365 sends with 432 only. Later, and with 5xx, the reply is about a recipient, a message or
  // a login, and in the singular the connection is one to another server.
  {
    ...CONNECTION_LIMIT,
    phases: ["greeting", "ehlo", "auth"],
    isTemporary: true,
    words:
      /^(?!.*\bconnection to\b).*(\bconnections? limit (is |was |has been )?(exceeded|reached)|\bmaximum number of (\w+ )?connections\b)/i,
  },
];

/** Returns the hint for a known reply that led to this failure code, first of the provider. `null` if there is none. */
export function knownHint(
  phase: Phase,
  code: FailureCode,
  reply: SmtpReply,
  provider: Provider | null,
): KnownHint | null {
  return hintAmong([...(provider?.replies ?? []), ...KNOWN_REPLIES], phase, code, reply);
}
