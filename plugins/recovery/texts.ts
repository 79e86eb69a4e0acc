/** Languages of the built-in texts; the first is the default. */
export const LANGUAGES = ["en", "de"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Tags of `recovery.subject` and `recovery.text`. */
export const TAGS = ["username", "realm", "givenname", "surname", "link", "code", "minutes"] as const;

/** Templates of the built-in messages. */
export const MESSAGES: Readonly<
  Record<Language, Readonly<Record<"subject" | "text" | "changedSubject" | "changedText", string>>>
> = {
  en: {
    subject: "Set a new password",
    text: `Somebody, hopefully you, has asked for a new password for the account {username}.

To set one, open this page:
{link}

It works once, for {minutes} minutes. If it was not you, there is nothing to do: your password stays as it is.
`,
    changedSubject: "Your password was changed",
    changedText: `The password of the account {username} has just been changed by means of a link that was mailed to you.

If it was not you, tell those who run this service at once.
`,
  },
  de: {
    subject: "Neues Passwort setzen",
    text: `Jemand, hoffentlich Sie, hat für das Konto {username} ein neues Passwort angefordert.

Auf dieser Seite setzen Sie es:
{link}

Sie wirkt einmal, {minutes} Minuten lang. Falls Sie es nicht waren, ist nichts zu tun: Ihr Passwort bleibt, wie es ist.
`,
    changedSubject: "Ihr Passwort wurde geändert",
    changedText: `Das Passwort des Kontos {username} ist soeben über einen Link geändert worden, der Ihnen zugesandt wurde.

Falls Sie es nicht waren, sagen Sie sofort denen Bescheid, die diesen Dienst betreiben.
`,
  },
};

/** Texts of the page. */
export const PAGE: Readonly<Record<Language, Readonly<Record<PageText, string>>>> = {
  en: {
    title: "Set a new password",
    account: "Account",
    password: "New password",
    again: "Repeat the password",
    button: "Set password",
    incomplete: "This link is incomplete. Copy all of it from the message, or request a new one.",
    noscript: "This page needs JavaScript.",
    differ: "The two passwords do not match.",
    done: "The password is set. You can close this page.",
    stale: "This link was already used, has expired or was replaced by a newer one. Request a new one.",
    refused:
      "This password is not accepted. Choose one with at least {least} characters that is not one of the most common, and not the account name.",
    busy: "Too many attempts. Try again later.",
    failed: "Something went wrong. Try again later.",
  },
  de: {
    title: "Neues Passwort setzen",
    account: "Konto",
    password: "Neues Passwort",
    again: "Passwort wiederholen",
    button: "Passwort setzen",
    incomplete:
      "Dieser Link ist unvollständig. Kopieren Sie ihn ganz aus der Mail, oder fordern Sie einen neuen an.",
    noscript: "Diese Seite braucht JavaScript.",
    differ: "Die beiden Passwörter stimmen nicht überein.",
    done: "Das Passwort ist gesetzt. Sie können diese Seite schließen.",
    stale:
      "Dieser Link wurde schon benutzt, ist abgelaufen oder wurde durch einen neueren ersetzt. Fordern Sie einen neuen an.",
    refused:
      "Dieses Passwort wird nicht angenommen. Wählen Sie eines mit mindestens {least} Zeichen, das nicht zu den häufigsten gehört und nicht der Name des Kontos ist.",
    busy: "Zu viele Versuche. Versuchen Sie es später noch einmal.",
    failed: "Etwas ist schiefgegangen. Versuchen Sie es später noch einmal.",
  },
};
type PageText =
  | "title"
  | "account"
  | "password"
  | "again"
  | "button"
  | "incomplete"
  | "noscript"
  | "differ"
  | "done"
  | "stale"
  | "refused"
  | "busy"
  | "failed";
