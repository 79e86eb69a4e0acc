import type { MessageTemplates } from "sealpost/plugin";

/** Languages of the built-in texts; the first is the default. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Built-in texts. In templates, empty lines separate paragraphs. */
interface Texts {
  /** To the given address, with the code. Contains no personal name, because anyone can have it sent to anyone. */
  readonly code: MessageTemplates;
  /** To the owner of a name that someone else asked for. */
  readonly existing: MessageTemplates;
  readonly closed: string;
  readonly emailNotAllowed: string;
  readonly nameTaken: string;
  readonly notSent: string;
  readonly wrongCode: string;
}

export const TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    code: {
      subject: "Confirm your registration",
      text: `Somebody, probably you, has registered as {username} with this address.

Your code is {code}. Enter it to confirm; it holds until {valid_until}, and for five tries.

If it was not you, there is nothing to do: without the code no account is made.`,
    },
    existing: {
      subject: "Your user name was used to register",
      text: `Somebody has tried to register as {username}. This user name is yours, so no account was made.

If it was you: you have an account already. Log in, or ask for a new password.

If it was not you, there is nothing to do: your account is as it was.`,
    },
    closed: "Nobody can register here at present",
    emailNotAllowed: "This email address is not allowed to register",
    nameTaken: "This username is taken",
    notSent: "The mail with the code could not be sent; nothing was registered",
    wrongCode: "The code is wrong or no longer valid",
  },
  de: {
    code: {
      subject: "Bestätigen Sie Ihre Registrierung",
      text: `Jemand, vermutlich Sie, hat sich mit dieser Adresse als {username} registriert.

Ihr Code ist {code}. Geben Sie ihn ein, um das zu bestätigen; er gilt bis {valid_until} und für fünf Versuche.

Waren Sie es nicht, ist nichts zu tun: ohne den Code entsteht kein Konto.`,
    },
    existing: {
      subject: "Ihr Benutzername wurde bei einer Registrierung angegeben",
      text: `Jemand hat versucht, sich als {username} zu registrieren. Dieser Benutzername gehört Ihnen, darum ist kein Konto entstanden.

Waren Sie es: Sie haben schon ein Konto. Melden Sie sich an, oder fordern Sie ein neues Passwort an.

Waren Sie es nicht, ist nichts zu tun: Ihr Konto ist, wie es war.`,
    },
    closed: "Zurzeit kann sich hier niemand registrieren",
    emailNotAllowed: "Diese E-Mail-Adresse darf sich nicht registrieren",
    nameTaken: "Dieser Benutzername ist vergeben",
    notSent: "Die Mail mit dem Code konnte nicht gesendet werden; es wurde nichts registriert",
    wrongCode: "Der Code ist falsch oder gilt nicht mehr",
  },
};
