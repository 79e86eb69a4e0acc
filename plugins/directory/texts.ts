import type { MessageTemplates } from "sealpost/plugin";

/** Languages of the built-in texts; the first is the default. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Built-in texts. */
interface Texts {
  /** To the new address. Contains no personal name, because the address may be someone else's. */
  readonly code: MessageTemplates;
  /** To the old address, which does not learn the new one. */
  readonly notice: Readonly<Record<Notice, MessageTemplates>>;
  readonly wrongCode: string;
  readonly notSent: string;
}

/** The reason of a notice: a new address waits for its code, or has replaced the old one. */
export type Notice = "requested" | "changed";

export const TEXTS: Readonly<Record<Language, Texts>> = {
  en: {
    code: {
      subject: "Confirm your new address",
      text: `This is to become the address of the account {username}.

Your code is {code}. Enter it where the change was made; it is valid until {valid_until}, and for five attempts.

If you did not ask for this, there is nothing to do: without the code, this address is not used.
`,
    },
    notice: {
      requested: {
        subject: "A new address for your account",
        text: `A new address was entered for the account {username}. It replaces this one as soon as it is confirmed.

If you did not ask for this, contact the people who look after your account immediately.
`,
      },
      changed: {
        subject: "The address of your account was changed",
        text: `The account {username} no longer has this address, and its messages no longer arrive here.

If you did not ask for this, contact the people who look after your account immediately.
`,
      },
    },
    wrongCode: "The code is wrong, used or has expired",
    notSent: "The message with the code could not be sent; nothing was changed",
  },
  de: {
    code: {
      subject: "Bestätigen Sie Ihre neue Adresse",
      text: `Dies soll die Adresse des Kontos {username} werden.

Ihr Code ist {code}. Geben Sie ihn dort ein, wo Sie die Adresse geändert haben; er gilt bis {valid_until} und für fünf Versuche.

Haben Sie das nicht veranlasst, ist nichts zu tun: Ohne den Code wird diese Adresse nicht verwendet.
`,
    },
    notice: {
      requested: {
        subject: "Eine neue Adresse für Ihr Konto",
        text: `Für das Konto {username} wurde eine neue Adresse eingegeben. Sie ersetzt diese, sobald sie bestätigt ist.

Haben Sie das nicht veranlasst, wenden Sie sich sofort an die Betreuer Ihres Kontos.
`,
      },
      changed: {
        subject: "Die Adresse Ihres Kontos wurde geändert",
        text: `Das Konto {username} hat diese Adresse nicht mehr, und seine Nachrichten kommen hier nicht mehr an.

Haben Sie das nicht veranlasst, wenden Sie sich sofort an die Betreuer Ihres Kontos.
`,
      },
    },
    wrongCode: "Der Code ist falsch, verbraucht oder abgelaufen",
    notSent: "Die Nachricht mit dem Code konnte nicht gesendet werden; es wurde nichts geändert",
  },
};
