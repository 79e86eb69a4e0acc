import type { Context } from "hono";
import type { Env, MessageTemplates } from "sealpost/plugin";
import type { OwnedToken, TokenType } from "./store.ts";

export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

interface Texts {
  /** Shown after the PIN was accepted. */
  readonly prompt: Readonly<Record<TokenType, string>>;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly sms: string;
  /** To the directory's address of a user whose token has another one. */
  readonly foreign: MessageTemplates;
  readonly accepted: string;
  readonly wrongCode: string;
  readonly wrongVerification: string;
  /** The same for every reason, so that it reveals none. */
  readonly notTriggered: string;
  readonly duration: (seconds: number) => string;
}

/** Built-in texts, as templates. */
export const TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    prompt: {
      email: "Please enter the code that was sent by mail",
      sms: "Please enter the code that was sent by SMS",
    },
    subject: "Your code",
    text: `Your code is {otp}

It is good once, for {validtime}. If you did not ask for it, somebody may know your PIN: tell those who look after your account. Never give a code to anybody.
`,
    html: `<p>Your code is</p>
<p style="font-size:1.6em;letter-spacing:.1em"><strong>{otp}</strong></p>
<p>It is good once, for {validtime}. If you did not ask for it, somebody may know your PIN: tell those who look after your account. Never give a code to anybody.</p>
`,
    sms: "{otp} is your code, good once, for {validtime}.",
    foreign: {
      subject: "Codes for your account go to another address",
      text: `The account {username} has a token whose codes are sent to {address}, and not to the address or number that the account has. Its serial is {serial}.

If you do not know about this, contact the people who look after your account immediately.
`,
    },
    accepted: "The code is right",
    wrongCode: "The code is wrong, used or too old",
    wrongVerification: "the code is wrong, used or too old; without verify, another one is sent",
    notTriggered: "No code was sent: check what you entered",
    duration: (seconds) => spell(seconds, ["second", "seconds"], ["minute", "minutes"]),
  },
  de: {
    prompt: {
      email: "Bitte geben Sie den Code ein, der per E-Mail gesendet wurde",
      sms: "Bitte geben Sie den Code ein, der per SMS gesendet wurde",
    },
    subject: "Ihr Code",
    text: `Ihr Code ist {otp}

Er gilt einmal, {validtime} lang. Haben Sie ihn nicht angefordert, kennt vielleicht jemand Ihre PIN: Wenden Sie sich an die Betreuer Ihres Kontos. Geben Sie einen Code niemals weiter.
`,
    html: `<p>Ihr Code ist</p>
<p style="font-size:1.6em;letter-spacing:.1em"><strong>{otp}</strong></p>
<p>Er gilt einmal, {validtime} lang. Haben Sie ihn nicht angefordert, kennt vielleicht jemand Ihre PIN: Wenden Sie sich an die Betreuer Ihres Kontos. Geben Sie einen Code niemals weiter.</p>
`,
    sms: "{otp} ist Ihr Code, er gilt einmal, {validtime} lang.",
    foreign: {
      subject: "Codes für Ihr Konto gehen an eine andere Adresse",
      text: `Das Konto {username} hat einen Token, dessen Codes an {address} gesendet werden und nicht an die Adresse oder Nummer des Kontos. Seine Seriennummer ist {serial}.

Wissen Sie davon nichts, wenden Sie sich sofort an die Betreuer Ihres Kontos.
`,
    },
    accepted: "Der Code stimmt",
    wrongCode: "Der Code ist falsch, verbraucht oder zu alt",
    wrongVerification: "der Code ist falsch, verbraucht oder zu alt; ohne verify wird ein neuer gesendet",
    notTriggered: "Es wurde kein Code gesendet: Prüfen Sie Ihre Eingabe",
    duration: (seconds) => spell(seconds, ["Sekunde", "Sekunden"], ["Minute", "Minuten"]),
  },
};

type Word = readonly [one: string, many: string];

function spell(seconds: number, second: Word, minute: Word): string {
  const isWhole = seconds % 60 === 0;
  const [number, [one, many]] = isWhole ? [seconds / 60, minute] : [seconds, second];
  return `${number} ${number === 1 ? one : many}`;
}

/** Tags that every template may contain; their names are those of privacyIDEA. */
const COMMON_TAGS = [
  "serial",
  "tokentype",
  "tokendescription",
  "user",
  "givenname",
  "surname",
  "username",
  "userrealm",
  "realm",
  "recipient_givenname",
  "recipient_surname",
  "admin",
  "action",
  "client_ip",
  "time",
  "date",
  "url",
  "validtime",
] as const;
export const PROMPT_TAGS: readonly string[] = COMMON_TAGS;
export const SMS_TAGS: readonly string[] = ["otp", ...COMMON_TAGS];
export const MAIL_TAGS = SMS_TAGS;

/** Replaces the tags `<otp>` and `<serial>` of old privacyIDEA templates. */
export function withCurrentTags(template: string): string {
  return template.replaceAll(/<(otp|serial)>/g, "{$1}");
}

/** Returns the values of the tags. Times are in UTC. */
export function tagValues(
  c: Context<Env>,
  { token, owner }: OwnedToken,
  about: { readonly now: Date; readonly url: string; readonly validtime: string },
): Readonly<Record<(typeof COMMON_TAGS)[number], string>> {
  const [date = "", time = ""] = about.now.toISOString().slice(0, 19).split("T");
  const { givenname = "", surname = "" } = owner ?? {};
  return {
    serial: token.serial,
    tokentype: token.type,
    tokendescription: token.description,
    user: givenname,
    givenname,
    surname,
    username: token.username,
    userrealm: token.realm,
    realm: token.realm,
    recipient_givenname: givenname,
    recipient_surname: surname,
    admin: c.get("actor")?.administrator ?? "",
    action: c.req.path,
    client_ip: c.get("clientAddress") ?? "",
    time,
    date,
    url: about.url,
    validtime: about.validtime,
  };
}

/** Returns just enough of an address for its owner to recognize it. */
export function redactedAddress(address: string): string {
  const at = address.lastIndexOf("@");
  return `${[...address].slice(0, Math.min(1, at)).join("")}***${address.slice(at)}`;
}

export function redactedPhone(phone: string): string {
  return `***${phone.replace(/\D/g, "").slice(-2)}`;
}
