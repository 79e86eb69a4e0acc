import { dictionary, language } from "./language.ts";

export const settingTexts = dictionary(
  {
    intro: "Settings of the plugins. They take effect without a restart.",
    none: "No plugin of this instance has settings.",
    byDefault: (value: string) => `By default: ${value}`,
    nothing: "empty",
    stored: "A value is stored. Enter another one to replace it.",
    save: (plugin: string) => `Save ${plugin}`,
    reset: "Use the default",
    listHelp: "Several values are separated by commas.",
    saved: "Saved.",
  },
  {
    intro: "Einstellungen der Plugins. Sie gelten ohne Neustart.",
    none: "Kein Plugin dieser Instanz hat Einstellungen.",
    byDefault: (value) => `Standard: ${value}`,
    nothing: "leer",
    stored: "Ein Wert ist gespeichert. Geben Sie einen anderen ein, um ihn zu ersetzen.",
    save: (plugin) => `${plugin} speichern`,
    reset: "Standard verwenden",
    listHelp: "Mehrere Werte werden durch Kommas getrennt.",
    saved: "Gespeichert.",
  },
);

/** German descriptions of the settings of the plugins that come with Sealpost. */
const GERMAN: Readonly<Record<string, string>> = {
  "directory.identifier": "SMTP-Server für Nachrichten über eine neue Adresse",
  "directory.validtime": "Sekunden, die der Code für eine neue Adresse gilt",
  "directory.subject": "Betreff der Nachricht mit dem Code an eine neue Adresse",
  "directory.text": "Ihr Text",
  "directory.html": "Ihr HTML",
  "directory.notice_subject": "Betreff der Mitteilung an die alte Adresse",
  "directory.notice_text": "Ihr Text",
  "directory.notice_html": "Ihr HTML",
  "email.identifier": "SMTP-Server, über die Codes gesendet werden",
  "email.validtime": "Sekunden, die ein Code per E-Mail gilt",
  "email.subject": "Betreff der Nachricht",
  "email.text": "Text der Nachricht",
  "email.html": "HTML der Nachricht",
  "email.challenge_text": "Aufforderung, nachdem ein Code per E-Mail gesendet wurde",
  "email.origin":
    "Origin der Seite, auf der Codes eingegeben werden, für die Kopfzeile OTP-Token; leer für die Basis-URL",
  "email.verify_enrollment": "Ein E-Mail-Token zählt erst, wenn sein Code eingegeben wurde",
  "sms.verify_enrollment": "Ein SMS-Token zählt erst, wenn sein Code eingegeben wurde",
  "sms.identifier": "SMS-Gateway, über das Codes gesendet werden",
  "sms.providerTimeout": "Sekunden, die ein Code per SMS gilt",
  "sms.text": "Text der SMS",
  "sms.challenge_text": "Aufforderung, nachdem ein Code per SMS gesendet wurde",
  "recovery.enabled": "Benutzer können per E-Mail ein neues Passwort setzen",
  "recovery.identifier": "SMTP-Server, über die Nachrichten gesendet werden",
  "recovery.subject": "Betreff der Nachricht mit dem Link",
  "recovery.text": "Text der Nachricht mit dem Link",
  "recovery.validtime": "Sekunden, die ein Code gilt",
  "register.enabled": "Personen können sich registrieren",
  "register.identifier": "SMTP-Server, über die Nachrichten gesendet werden",
  "register.realm": "Realm neuer Benutzer; leer für den des Verzeichnisses",
  "register.requiredemail":
    "Adressen, die sich registrieren dürfen: example.org, *.example.org, ann-*@example.org; leer für alle",
  "register.hide_existing": "Die Antwort ist für einen vergebenen Namen dieselbe wie für einen freien",
  "register.scripts":
    "Schriften von Benutzernamen: Latin, Greek, …; ein Name in einer anderen oder in mehreren gilt als vergeben",
  "register.validtime": "Sekunden, die ein Code gilt",
  "register.subject": "Betreff der Nachricht mit dem Code",
  "register.text": "Text der Nachricht mit dem Code",
  "register.html": "HTML der Nachricht mit dem Code",
  "register.existing_subject": "Betreff der Nachricht an den Inhaber eines vergebenen Namens",
  "register.existing_text": "Ihr Text",
  "register.existing_html": "Ihr HTML",
  "events.admins": "Adressen lokaler Admins: name=adresse, durch Kommas getrennt",
  "events.mails_per_hour": "Höchstzahl der Nachrichten an eine Adresse je Stunde",
};

/** A description with the language that it is in. */
interface Description {
  readonly text: string;
  readonly lang: "en" | "de";
}

/** Returns the description of a setting. That of another plugin is the one of the API. */
export function descriptionOf(name: string, english: string): Description {
  const german = new Map(Object.entries(GERMAN)).get(name);
  if (language.value === "de" && german !== undefined) return { text: german, lang: "de" };
  return { text: english, lang: "en" };
}
