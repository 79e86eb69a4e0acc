import { AUTH, type KnownReply, PASSWORD } from "../known-reply.ts";
import { ANY_PASSWORD, APP_PASSWORD, CHECKED, MAILBOX, type Provider } from "./provider.ts";

/** A rejected login of a provider that accepts no account password. */
function needsAppPassword(name: string): KnownReply {
  return {
    ...AUTH,
    sign: "535",
    codes: [535],
    code: "auth_rejected",
    hint: "app_password",
    hintValues: { provider: name },
    remedy: PASSWORD,
  };
}

const IMPLICIT = { ports: { implicit: 465 }, username: MAILBOX, checked: CHECKED } as const;
const BOTH = { ...IMPLICIT, ports: { implicit: 465, starttls: 587 } } as const;
const STARTTLS = { ...IMPLICIT, ports: { starttls: 587 } } as const;

/** Published settings of mail clients, for providers whose own page has no stable address. */
const published = (domain: string) => `https://autoconfig.thunderbird.net/v1.1/${domain}`;

/** Providers of mailboxes. Hosts and ports: their pages, and Mozilla's database of mail settings (2026-03). */
export const MAILBOXES = {
  fastmail: {
    ...IMPLICIT,
    name: "Fastmail",
    host: "smtp.fastmail.com",
    secret: APP_PASSWORD,
    replies: [needsAppPassword("Fastmail")],
    docs: "https://www.fastmail.com/help/technical/servernamesandports.html",
  },
  icloud: {
    ...STARTTLS,
    name: "iCloud Mail",
    host: "smtp.mail.me.com",
    secret: {
      kind: "app-password",
      pattern: /^[A-Za-z]{4}(-?[A-Za-z]{4}){3}$/,
      expected: "an app-specific password of 16 letters",
    },
    replies: [needsAppPassword("Apple")],
    docs: "https://support.apple.com/HT202304",
  },
  yahoo: {
    ...IMPLICIT,
    name: "Yahoo Mail",
    host: "smtp.mail.yahoo.com",
    secret: APP_PASSWORD,
    replies: [needsAppPassword("Yahoo")],
    docs: "https://help.yahoo.com/kb/new-mail-for-desktop/imap-server-settings-yahoo-mail-sln4075.html",
  },
  aol: {
    ...IMPLICIT,
    name: "AOL Mail",
    host: "smtp.aol.com",
    secret: APP_PASSWORD,
    replies: [needsAppPassword("AOL")],
    docs: "https://help.aol.com/articles/how-do-i-use-other-email-applications-to-send-and-receive-my-aol-mail",
  },
  proton: {
    ...STARTTLS,
    name: "Proton Mail",
    host: "smtp.protonmail.ch",
    secret: { kind: "app-password", expected: "an SMTP token" },
    docs: "https://proton.me/support/smtp-submission",
  },
  zoho: {
    ...BOTH,
    name: "Zoho Mail",
    host: "smtp.zoho.com",
    regions: {
      us: "smtp.zoho.com",
      eu: "smtp.zoho.eu",
      in: "smtp.zoho.in",
      au: "smtp.zoho.com.au",
      jp: "smtp.zoho.jp",
      "us-business": "smtppro.zoho.com",
      "eu-business": "smtppro.zoho.eu",
      "in-business": "smtppro.zoho.in",
      "au-business": "smtppro.zoho.com.au",
      "jp-business": "smtppro.zoho.jp",
    },
    secret: ANY_PASSWORD,
    docs: "https://www.zoho.com/mail/help/zoho-smtp.html",
  },
  gmx: {
    ...BOTH,
    name: "GMX",
    host: "mail.gmx.net",
    regions: { de: "mail.gmx.net", com: "mail.gmx.com" },
    secret: ANY_PASSWORD,
    docs: "https://hilfe.gmx.net/pop-imap/imap/imap-serverdaten.html",
  },
  "web.de": {
    ...BOTH,
    name: "WEB.DE",
    host: "smtp.web.de",
    username: { rule: "free", expected: "the address or the part before the @" },
    secret: ANY_PASSWORD,
    docs: "https://hilfe.web.de/pop-imap/imap/imap-serverdaten.html",
  },
  ionos: {
    ...BOTH,
    name: "IONOS",
    host: "smtp.ionos.de",
    regions: {
      de: "smtp.ionos.de",
      com: "smtp.ionos.com",
      uk: "smtp.ionos.co.uk",
      "1und1": "smtp.1und1.de",
    },
    secret: ANY_PASSWORD,
    docs: "https://www.ionos.de/hilfe/index.php?id=2490",
  },
  strato: {
    ...BOTH,
    name: "STRATO",
    host: "smtp.strato.de",
    secret: ANY_PASSWORD,
    docs: "https://www.strato.de/faq/mail/externes-e-mail-programm-mit-strato-e-mail-adresse-nutzen/",
  },
  "mailbox.org": {
    ...BOTH,
    name: "mailbox.org",
    host: "smtp.mailbox.org",
    secret: ANY_PASSWORD,
    docs: "https://kb.mailbox.org/de/privat/e-mail/e-mail-konfiguration/",
  },
  posteo: {
    ...BOTH,
    name: "Posteo",
    host: "posteo.de",
    secret: ANY_PASSWORD,
    docs: "https://posteo.de/hilfe/wie-richte-ich-posteo-in-einem-mailprogramm-ein-pop3-imap-und-smtp",
  },
  ovh: {
    ...IMPLICIT,
    name: "OVH",
    host: "ssl0.ovh.net",
    secret: ANY_PASSWORD,
    docs: published("ovh.net"),
  },
  yandex: {
    ...IMPLICIT,
    name: "Yandex Mail",
    host: "smtp.yandex.com",
    regions: { com: "smtp.yandex.com", ru: "smtp.yandex.ru" },
    secret: APP_PASSWORD,
    docs: published("yandex.ru"),
  },
  "mail.ru": {
    ...BOTH,
    name: "Mail.ru",
    host: "smtp.mail.ru",
    secret: APP_PASSWORD,
    docs: published("mail.ru"),
  },
  qq: { ...IMPLICIT, name: "QQ Mail", host: "smtp.qq.com", secret: APP_PASSWORD, docs: published("qq.com") },
} as const satisfies Readonly<Record<string, Provider>>;
