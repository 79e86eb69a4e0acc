import {
  AUTH,
  type KnownReply,
  LIMITED,
  OWN_ADDRESS,
  PASSWORD,
  RECIPIENT,
  REFUSED,
  SENDER,
} from "../known-reply.ts";
import { ENTRA_ERRORS } from "./entra-errors.ts";
import { ANY_PASSWORD, CHECKED, MAILBOX, type OAuthPreset, type Provider } from "./provider.ts";

/** "Authentication unsuccessful": only the words after it name the cause. */
const UNSUCCESSFUL = { ...AUTH, enhanced: /^7\.139$/, code: "auth_rejected" } as const;

/** Replies that no other server sends. */
export const MICROSOFT_REPLIES: readonly KnownReply[] = [
  // "Authenticated client SMTP submission", and Exchange Team Blog on basic authentication (2026-01).
  {
    ...AUTH,
    sign: "550 5.7.30 Basic authentication is not supported for Client Submission",
    enhanced: /^7\.30$/,
    code: "auth_rejected",
    hint: "microsoft_basic_off",
  },
  {
    ...UNSUCCESSFUL,
    sign: "535 5.7.139 basic authentication is disabled",
    words: /\bbasic authentication is disabled/i,
    hint: "microsoft_basic_off",
  },
  {
    ...UNSUCCESSFUL,
    sign: "535 5.7.139 the user credentials were incorrect",
    words: /\bcredentials were incorrect/i,
    hint: "login_rejected",
    remedy: PASSWORD,
  },
  {
    ...UNSUCCESSFUL,
    sign: "535 5.7.139 the request did not meet the criteria",
    words: /\bdid not meet the criteria|\bsecurity defaults/i,
    hint: "microsoft_policies",
  },
  {
    ...UNSUCCESSFUL,
    sign: "535 5.7.139 SmtpClientAuthentication is disabled for the Tenant",
    hint: "microsoft_smtp_auth_off",
  },
  // Direct Send and connectors offer no AUTH.
  {
    ...AUTH,
    sign: "504 5.7.4 Unrecognized authentication type",
    codes: [504],
    enhanced: /^7\.4$/,
    code: "auth_not_offered",
    hint: "microsoft_no_auth",
  },
  // Exchange Team Blog, "Changes coming to the SMTP Authenticated Submission client protocol".
  {
    sign: "432 4.3.2 sender thread limit exceeded",
    codes: [432],
    words: /\bsender thread limit exceeded|\bconcurrent connections? limit/i,
    code: "rate_limited",
    hint: "microsoft_connections",
    remedy: { parameter: "max_connections", value: 3 },
  },
  // "Email non-delivery reports and SMTP errors in Exchange Online" (learn.microsoft.com), for the other rows.
  { ...SENDER, sign: "550 5.2.252 SendAsDenied", enhanced: /^2\.252$/, hint: "send_as", remedy: OWN_ADDRESS },
  {
    ...SENDER,
    sign: "550 5.7.60 Client does not have permissions to send as this sender",
    words: /\bSendAsDenied|\bpermissions? to send as this sender/i,
    hint: "send_as",
    remedy: OWN_ADDRESS,
  },
  {
    ...SENDER,
    sign: "550 5.1.8 Access denied, bad outbound sender",
    words: /\bbad outbound sender|\bOutboundSpamException/i,
    hint: "microsoft_spam_block",
  },
  {
    ...LIMITED,
    sign: "550 5.1.90 you've reached your daily limit",
    enhanced: /^1\.90$|^7\.(508|705)$/,
    hint: "daily_limit",
  },
  // Reports of users: the limit of a tenant for external recipients, of a trial (232) or not (233).
  {
    ...LIMITED,
    sign: "550 5.7.233 tenant exceeded its daily limit",
    enhanced: /^7\.23[23]$/,
    hint: "daily_limit",
  },
  {
    ...LIMITED,
    sign: "550 5.2.121 Recipient's per hour message receive limit",
    enhanced: /^2\.12[12]$/,
    hint: "recipient_busy",
  },
  {
    ...LIMITED,
    sign: "554 5.2.0 SubmissionQuotaExceeded",
    words: /\bsubmission ?quota ?(was )?exceeded/i,
    hint: "daily_limit",
  },
  // Recipients that accept mail only from their own organization.
  {
    ...RECIPIENT,
    sign: "550 5.7.124 Sender not in allowed-senders list",
    enhanced: /^7\.(12|13|124|13[3-6])$/,
    hint: "microsoft_internal_recipient",
  },
  { ...RECIPIENT, enhanced: /^7\.50[45]$/ },
  { ...SENDER, enhanced: /^7\.(50[123]|750|800)$/ },
  {
    ...SENDER,
    sign: "550 5.7.509 sending domain does not pass DMARC verification",
    enhanced: /^7\.5(09|15)$/,
    hint: "sender_unverified",
  },
  {
    ...REFUSED,
    sign: "550 5.7.1 messages from [192.0.2.1] weren't sent",
    words: /\bmessages from \[\S+\] weren't sent\b/i,
    hint: "this_host",
  },
  { ...REFUSED, sign: "550 5.7.506 Access denied, bad HELO", enhanced: /^7\.506$/, hint: "ehlo_name" },
  {
    ...REFUSED,
    sign: "550 5.7.606 Access denied, banned sending IP",
    enhanced: /^7\.(507|51[013]|6[0-4]\d|708)$/,
    hint: "this_host",
  },
];

/** "Authenticate an IMAP, POP or SMTP connection using OAuth" (learn.microsoft.com). */
function entraOAuth(tenant: string, scopes: OAuthPreset["scopes"]): OAuthPreset {
  const base = `https://login.microsoftonline.com/${tenant}/oauth2/v2.0`;
  return {
    authorizationUrl: `${base}/authorize`,
    tokenUrl: `${base}/token`,
    deviceUrl: `${base}/devicecode`,
    scopes,
    mechanism: "xoauth2",
  };
}
const USER_SCOPE = "https://outlook.office.com/SMTP.Send offline_access";

const MULTIFUNCTION_DEVICE =
  "https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/how-to-set-up-a-multifunction-device-or-application-to-send-email-using-microsoft-365-or-office-365";

export const MICROSOFT = {
  microsoft365: {
    name: "Microsoft 365",
    host: "smtp.office365.com",
    ports: { starttls: 587 },
    username: MAILBOX,
    secret: { kind: "oauth2" },
    limits: { maxConnections: 3, mailsPerMinute: 30, recipientsPerDay: 10_000 },
    oauth: entraOAuth("{tenant}", {
      client_credentials: "https://outlook.office365.com/.default",
      refresh_token: USER_SCOPE,
    }),
    replies: [
      {
        ...AUTH,
        sign: "535 5.7.3 Authentication unsuccessful",
        codes: [535],
        enhanced: /^7\.3$/,
        code: "auth_rejected",
        hint: "microsoft_login",
      },
      ...MICROSOFT_REPLIES,
    ],
    tokenErrors: ENTRA_ERRORS,
    docs: MULTIFUNCTION_DEVICE,
    checked: CHECKED,
  },
  "microsoft365-relay": {
    name: "Microsoft 365, relay by connector",
    host: null,
    hostForm: "{domain}.mail.protection.outlook.com",
    ports: { starttls: 25 },
    username: { rule: "literal", value: "" },
    secret: { kind: "none" },
    replies: MICROSOFT_REPLIES,
    docs: MULTIFUNCTION_DEVICE,
    checked: CHECKED,
  },
  "microsoft365-hve": {
    name: "Microsoft 365, High Volume Email",
    host: "smtp-hve.office365.com",
    ports: { starttls: 587 },
    username: MAILBOX,
    secret: ANY_PASSWORD,
    replies: [
      {
        ...RECIPIENT,
        sign: "550 5.5.105",
        enhanced: /^5\.105$/,
        hint: "microsoft_hve_external",
      },
      ...MICROSOFT_REPLIES,
    ],
    docs: "https://learn.microsoft.com/en-us/exchange/mail-flow-best-practices/high-volume-mails-m365",
    checked: CHECKED,
  },
  "azure-communication": {
    name: "Azure Communication Services",
    host: "smtp.azurecomm.net",
    ports: { starttls: 587 },
    username: { rule: "free", expected: "the SMTP username of the resource" },
    secret: { kind: "password", expected: "the client secret of the Entra application" },
    limits: { mailsPerMinute: 30 },
    docs: "https://learn.microsoft.com/en-us/azure/communication-services/quickstarts/email/send-email-smtp/smtp-authentication",
    checked: CHECKED,
  },
  "outlook-com": {
    name: "Outlook.com",
    host: "smtp-mail.outlook.com",
    ports: { starttls: 587 },
    username: MAILBOX,
    secret: { kind: "oauth2" },
    oauth: entraOAuth("consumers", { refresh_token: USER_SCOPE }),
    replies: MICROSOFT_REPLIES,
    tokenErrors: ENTRA_ERRORS,
    docs: "https://support.microsoft.com/en-us/office/pop-imap-and-smtp-settings-for-outlook-com-d088b986-291d-42b8-9564-9c414e2aa040",
    checked: CHECKED,
  },
} as const satisfies Readonly<Record<string, Provider>>;
