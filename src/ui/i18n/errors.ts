import { ApiError } from "../api.ts";
import { dictionary } from "./language.ts";

/** Texts for the codes of the API, never for its English sentences. */
const t = dictionary(
  {
    unreachable: "Sealpost cannot be reached. Check the connection and try again.",
    credentials: "User name or password is wrong.",
    missingUsername: "Enter a user name.",
    ended: "The session has ended. Log in again.",
    key: "This key is not valid.",
    denied: "You do not have the right to do this.",
    missing: "This value is required.",
    invalid: "This value is not valid.",
    rejected: "The values were rejected.",
    notFound: "It does not exist, or no longer.",
    conflict: "It conflicts with the current state.",
    stale: "It was changed in the meantime.",
    tooLarge: "The file or text is too large.",
    tooMany: (seconds: number) => `Too many attempts. Try again in ${seconds} s.`,
    busy: "Sealpost is busy. Try again in a moment.",
    database: "The database is unavailable. Try again in a moment.",
    signIn: "The provider did not complete the sign-in.",
    unexpected: "An unexpected error occurred. The log has the reason.",
  },
  {
    unreachable: "Sealpost ist nicht erreichbar. Prüfen Sie die Verbindung und versuchen Sie es noch einmal.",
    credentials: "Benutzername oder Passwort ist falsch.",
    missingUsername: "Geben Sie einen Benutzernamen ein.",
    ended: "Die Sitzung ist beendet. Melden Sie sich neu an.",
    key: "Dieser Schlüssel ist ungültig.",
    denied: "Dazu fehlt Ihnen das Recht.",
    missing: "Dieser Wert fehlt.",
    invalid: "Dieser Wert ist ungültig.",
    rejected: "Die Werte wurden abgelehnt.",
    notFound: "Das gibt es nicht oder nicht mehr.",
    conflict: "Das passt nicht zum gegenwärtigen Stand.",
    stale: "Das wurde inzwischen geändert.",
    tooLarge: "Die Datei oder der Text ist zu groß.",
    tooMany: (seconds) => `Zu viele Versuche. Versuchen Sie es in ${seconds} s noch einmal.`,
    busy: "Sealpost ist ausgelastet. Versuchen Sie es gleich noch einmal.",
    database: "Die Datenbank ist nicht erreichbar. Versuchen Sie es gleich noch einmal.",
    signIn: "Der Anbieter hat die Anmeldung nicht abgeschlossen.",
    unexpected: "Ein unerwarteter Fehler ist aufgetreten. Den Grund nennt das Protokoll.",
  },
);

/** Texts by `result.error.code`. */
const BY_CODE: Readonly<Record<number, (error: ApiError) => string>> = {
  4031: () => t().credentials,
  4032: () => t().missingUsername,
  4033: () => t().ended,
  4304: () => t().key,
  4305: () => t().ended,
  4306: () => t().ended,
  303: () => t().denied,
  905: ({ message, parameter }) => {
    if (parameter === null) return t().rejected;
    return message.startsWith("ERR905: Missing") ? t().missing : t().invalid;
  },
  601: () => t().notFound,
  404: () => t().notFound,
  409: () => t().conflict,
  412: () => t().stale,
  413: () => t().tooLarge,
  429: ({ retryAfterSeconds }) => t().tooMany(retryAfterSeconds ?? 1),
  503: () => t().busy,
  902: () => t().database,
  400: () => t().signIn,
};

/** An error as the page shows it. */
interface ErrorText {
  readonly text: string;
  /** The English sentence of the API, if it says more than the code does. */
  readonly original: string | null;
  readonly parameter: string | null;
}

/** Returns the text of an error in the current language. */
export function errorText(error: unknown): ErrorText {
  if (!(error instanceof ApiError)) return { text: t().unexpected, original: null, parameter: null };
  const { status, code, message, parameter } = error;
  if (status === 0) return { text: t().unreachable, original: null, parameter };
  const text = BY_CODE[code]?.(error) ?? t().unexpected;
  const original = message.replace(/^ERR\d+: (?:Invalid parameter: [\w. ]+: )?/, "");
  return { text, original: code === 905 && original !== "" ? original : null, parameter };
}
