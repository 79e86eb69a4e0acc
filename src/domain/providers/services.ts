import type { HintCode } from "../hints/index.ts";
import {
  AUTH,
  type KnownReply,
  LIMITED,
  OWN_ADDRESS,
  PASSWORD,
  RECIPIENT,
  SENDER,
  TRANSACTION,
} from "../known-reply.ts";
import { ANY_PASSWORD, API_KEY, CHECKED, MAILBOX, type Provider } from "./provider.ts";

/** Amazon SES developer guide, "Email sending errors" and "Errors related to the sending quotas". */
const SES_REPLIES: readonly KnownReply[] = [
  {
    ...SENDER,
    sign: "554 Message rejected: Email address is not verified",
    words: /\bemail address is not verified/i,
    hint: "ses_unverified_smtp",
    remedy: OWN_ADDRESS,
  },
  {
    ...SENDER,
    sign: "454 Sending paused for this account",
    words: /\bsending (paused|suspended) for this account|\baccount not subscribed to SES/i,
    hint: "ses_paused_smtp",
  },
  // Amazon SES developer guide, "Controlling access to Amazon SES".
  {
    ...SENDER,
    sign: "554 Access denied: User is not authorized to perform ses:SendRawEmail",
    words: /\bnot authorized to perform \W?ses:/i,
    hint: "send_as",
    remedy: OWN_ADDRESS,
  },
  {
    ...LIMITED,
    sign: "454 Throttling failure: Maximum sending rate exceeded",
    words: /\bmaximum sending rate exceeded/i,
    hint: "ses_rate",
    remedy: { parameter: "mails_per_minute", value: null },
  },
  {
    ...LIMITED,
    sign: "454 Throttling failure: Daily message quota exceeded",
    words: /\bdaily message quota exceeded/i,
    hint: "daily_limit",
  },
];

/** Twilio SendGrid, "SMTP Errors and Troubleshooting". */
const SENDGRID_REPLIES: readonly KnownReply[] = [
  {
    ...LIMITED,
    sign: "451 Authentication failed: Maximum credits exceeded",
    words: /\bmaximum credits exceeded/i,
    hint: "sendgrid_credits",
  },
  {
    ...SENDER,
    sign: "550 The from address does not match a verified Sender Identity",
    words: /\bverified sender identity\b|\bnot authorized to send from that email address/i,
    hint: "sender_unverified_provider",
    remedy: OWN_ADDRESS,
  },
  { ...TRANSACTION, words: /\bunauthenticated senders not allowed/i, code: "auth_required" },
];

/** Rejections of a sender that was not verified, as Mailgun, Postmark, SparkPost and Resend word them. */
const UNVERIFIED_SENDERS: readonly KnownReply[] = [
  /\bdomain (\S+ )?is not allowed to send\b(?!( \w+)? to\b)/i,
  /\bis not a sender signature on your account/i,
  /\bunconfigured sending domain/i,
  /\bdomain is not verified\. please,? add|\bonly send testing emails to your own\b/i,
].map((words) => ({ ...SENDER, words, hint: "sender_unverified_provider", remedy: OWN_ADDRESS }));

/** Brevo help center, "Security: authorized IPs" and "SMTP relay". */
const BREVO_REPLIES: readonly KnownReply[] = [
  {
    ...AUTH,
    sign: "525 5.7.1 Unauthorized IP address",
    words: /\bunauthorized IP address/i,
    code: "auth_rejected",
    hint: "brevo_ip",
  },
  {
    ...AUTH,
    sign: "502 5.7.0 Your SMTP account is not yet activated",
    words: /\bSMTP account is not (yet )?activated|\bactivate your SMTP account/i,
    code: "auth_rejected",
    hint: "brevo_inactive",
  },
];

/** Mailgun user manual, "Send via SMTP": credentials belong to one domain and one region. */
const MAILGUN_REPLIES: readonly KnownReply[] = [
  {
    ...AUTH,
    sign: "535 5.7.1 Mailgun is not loving your login or password",
    words: /\bMailgun is not loving your login/i,
    code: "auth_rejected",
    hint: "mailgun_login",
  },
];

/** Postmark developer documentation, API error code 406. */
const POSTMARK_REPLIES: readonly KnownReply[] = [
  {
    ...RECIPIENT,
    sign: "406 Inactive recipient",
    words: /\binactive recipient/i,
    hint: "postmark_inactive",
  },
];

/** Replies that no other server sends. */
export const SERVICE_REPLIES: readonly KnownReply[] = [
  ...SES_REPLIES,
  ...SENDGRID_REPLIES,
  ...UNVERIFIED_SENDERS,
  ...BREVO_REPLIES,
  ...MAILGUN_REPLIES,
  ...POSTMARK_REPLIES,
];

/** A rejected login. */
function loginRejected(hint: HintCode): KnownReply {
  return { ...AUTH, sign: "535", codes: [535], code: "auth_rejected", hint, remedy: PASSWORD };
}

/** Regions with an SMTP endpoint: AWS General Reference and the code example for SMTP credentials. */
const SES_REGIONS = [
  ..."us-east-1 us-east-2 us-west-1 us-west-2 us-gov-east-1 us-gov-west-1 ca-central-1 sa-east-1".split(" "),
  ..."eu-central-1 eu-north-1 eu-south-1 eu-west-1 eu-west-2 eu-west-3".split(" "),
  ..."ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-southeast-1 ap-southeast-2".split(" "),
];

const SUBMISSION = { ports: { starttls: 587, implicit: 465 }, checked: CHECKED } as const;
const IMPLICIT_FIRST = { ports: { implicit: 465, starttls: 587 }, checked: CHECKED } as const;
const STARTTLS = { ports: { starttls: 587 }, checked: CHECKED } as const;

/** Services that send mail of applications. */
export const SERVICES = {
  ses: {
    ...IMPLICIT_FIRST,
    name: "Amazon SES",
    host: null,
    hostForm: "email-smtp.{region}.amazonaws.com",
    regions: Object.fromEntries(SES_REGIONS.map((region) => [region, `email-smtp.${region}.amazonaws.com`])),
    username: { rule: "free", expected: "the username of SMTP credentials" },
    // Base64 of a version byte, 4, and 32 bytes of HMAC. The secret of an access key has 40 characters.
    secret: {
      kind: "password",
      pattern: /^B[\w+/]{43}$/,
      expected: "the 44 characters of SMTP credentials, not the secret of an access key",
    },
    replies: [loginRejected("ses_login"), ...SES_REPLIES],
    docs: "https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html",
  },
  sendgrid: {
    ...SUBMISSION,
    name: "Twilio SendGrid",
    host: "smtp.sendgrid.net",
    regions: { global: "smtp.sendgrid.net", eu: "smtp.eu.sendgrid.net" },
    username: { rule: "literal", value: "apikey" },
    secret: { kind: "api-key", pattern: /^SG\./, expected: "an API key, which starts with SG" },
    replies: [loginRejected("sendgrid_login"), ...SENDGRID_REPLIES],
    docs: "https://www.twilio.com/docs/sendgrid/for-developers/sending-email/integrating-with-the-smtp-api",
  },
  mailgun: {
    ...SUBMISSION,
    name: "Mailgun",
    host: "smtp.mailgun.org",
    regions: { us: "smtp.mailgun.org", eu: "smtp.eu.mailgun.org" },
    username: MAILBOX,
    secret: { kind: "password", expected: "the SMTP password of the domain" },
    replies: MAILGUN_REPLIES,
    docs: "https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/send-smtp",
  },
  postmark: {
    ...STARTTLS,
    name: "Postmark",
    host: "smtp.postmarkapp.com",
    regions: { transactional: "smtp.postmarkapp.com", broadcast: "smtp-broadcasts.postmarkapp.com" },
    username: { rule: "free", expected: "the server API token, or the access key of an SMTP token" },
    secret: { kind: "api-key", expected: "the same token, or the secret key of the SMTP token" },
    replies: [loginRejected("postmark_login"), ...POSTMARK_REPLIES],
    docs: "https://postmarkapp.com/support/article/811-what-are-the-smtp-details-credentials-i-should-be-using",
  },
  brevo: {
    ...SUBMISSION,
    name: "Brevo",
    host: "smtp-relay.brevo.com",
    username: MAILBOX,
    secret: { kind: "api-key", pattern: /^xsmtpsib-/, expected: "an SMTP key, which starts with xsmtpsib" },
    replies: [...BREVO_REPLIES, loginRejected("brevo_login")],
    docs: "https://developers.brevo.com/docs/smtp-integration",
  },
  resend: {
    ...IMPLICIT_FIRST,
    name: "Resend",
    host: "smtp.resend.com",
    username: { rule: "literal", value: "resend" },
    secret: { kind: "api-key", pattern: /^re_/, expected: "an API key, which starts with re" },
    replies: [loginRejected("resend_login")],
    docs: "https://resend.com/docs/send-with-smtp",
  },
  mailjet: {
    ...STARTTLS,
    name: "Mailjet",
    host: "in-v3.mailjet.com",
    username: { rule: "free", expected: "the API key" },
    secret: { kind: "api-key", expected: "the secret key" },
    docs: "https://dev.mailjet.com/smtp-relay/configuration/",
  },
  sparkpost: {
    ...STARTTLS,
    name: "SparkPost",
    host: "smtp.sparkpostmail.com",
    regions: { us: "smtp.sparkpostmail.com", eu: "smtp.eu.sparkpostmail.com" },
    username: { rule: "literal", value: "SMTP_Injection" },
    secret: API_KEY,
    docs: "https://developers.sparkpost.com/api/smtp/",
  },
  smtp2go: {
    ...SUBMISSION,
    name: "SMTP2GO",
    host: "mail.smtp2go.com",
    regions: {
      any: "mail.smtp2go.com",
      us: "mail-us.smtp2go.com",
      eu: "mail-eu.smtp2go.com",
      "eu-only": "mail-eu2.smtp2go.com",
      au: "mail-au.smtp2go.com",
    },
    username: { rule: "free", expected: "the name of an SMTP user" },
    secret: ANY_PASSWORD,
    docs: "https://developers.smtp2go.com/docs/smtp-relay",
  },
  socketlabs: {
    ...SUBMISSION,
    name: "SocketLabs",
    host: "smtp.socketlabs.com",
    username: { rule: "free", expected: "the ID of the server" },
    secret: ANY_PASSWORD,
    limits: { maxConnections: 20, recipientsPerMessage: 500, messageSize: 40_000_000 },
    docs: "https://help.socketlabs.com/docs/inbound-smtp-restrictions",
  },
  mailtrap: {
    ...STARTTLS,
    name: "Mailtrap",
    host: "live.smtp.mailtrap.io",
    regions: {
      transactional: "live.smtp.mailtrap.io",
      bulk: "bulk.smtp.mailtrap.io",
      sandbox: "sandbox.smtp.mailtrap.io",
    },
    username: {
      rule: "free",
      expected: "the SMTP username of the stream",
      shared: ["api", "smtp@mailtrap.io"],
    },
    secret: API_KEY,
    docs: "https://docs.mailtrap.io/email-api-smtp/setup/smtp-integration",
  },
  "scaleway-tem": {
    ...SUBMISSION,
    name: "Scaleway Transactional Email",
    host: "smtp.tem.scaleway.com",
    username: { rule: "free", expected: "the ID of the project" },
    secret: { kind: "api-key", expected: "the secret key of an API key" },
    docs: "https://www.scaleway.com/en/docs/transactional-email/how-to/generate-api-keys-for-tem-with-iam/",
  },
  cloudflare: {
    name: "Cloudflare Email Sending",
    host: "smtp.mx.cloudflare.net",
    ports: { implicit: 465 },
    username: { rule: "literal", value: "api_token" },
    secret: { kind: "api-key", expected: "an API token with the permission Email Sending: Edit" },
    limits: { recipientsPerMessage: 50, messageSize: 5_242_880 },
    replies: [loginRejected("cloudflare_login")],
    docs: "https://developers.cloudflare.com/email-service/api/send-emails/smtp/",
    checked: CHECKED,
  },
} as const satisfies Readonly<Record<string, Provider>>;
