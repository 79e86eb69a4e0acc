import type { FindingCode } from "../../domain/findings.ts";
import { GERMAN_HINTS } from "./hints/index.ts";
import { type CodedSentence, type Sentences, translated } from "./translated.ts";

/** German sentences by code. The English ones come from the API. */
export const GERMAN_FINDINGS: Readonly<Record<FindingCode, string>> = {
  setting_invalid:
    "Der gespeicherte Wert von {name} ist nicht mehr gültig, und die Vorgabe gilt: Setzen Sie ihn neu.",
  base_url_missing: "{parameter} ist ohne Links wirkungslos: Setzen Sie SEALPOST_BASE_URL.",
  server_missing:
    "Kein SMTP-Server heißt {identifier}, aber Plugins sollen darüber senden ({plugins}): Legen Sie ihn an, oder ändern Sie ihre Einstellungen.",
  password_unreadable: "Das Passwort von {identifier} lässt sich nicht entschlüsseln: Geben Sie es neu ein.",
  read_slow:
    "Ein Lesezugriff dauerte {ms} ms: Betreiben Sie Sealpost näher an seiner Datenbank, oder verringern Sie die Last beider.",
  clock_differs:
    "Dieser Rechner und die Datenbank weichen {seconds} s voneinander ab: Gleichen Sie die Uhren mit NTP ab.",
  row_from_future: "Eine Zeile im Audit stammt aus der Zukunft, {time}: Gleichen Sie die Uhren mit NTP ab.",
  message_overdue:
    "Eine Nachricht ist seit {time} fällig: Prüfen Sie, ob ein Worker läuft, und die Server in diesem Bericht.",
  messages_held:
    "Angehaltene Nachrichten und Webhooks, wie nach einer Wiederherstellung: {count}. Sobald die gesicherte Instanz nicht mehr sendet, sendet POST /mail/release sie.",
  messages_failed:
    "Nachrichten, die an ihrem Server oder ihrer Definition gescheitert sind: {count}. Beheben Sie das, und versuchen Sie sie innerhalb von 24 Stunden auf der Seite Nachrichten noch einmal.",
  server_fails: "{target}: {code}.",
  server_untested: "{target}: nicht rechtzeitig geprüft. Testen Sie die Definition.",
  test_definition: "Testen Sie die Definition.",
  circuit_open:
    "{identifier} scheitert mit {code}. Wartende Nachrichten: {waiting}. Testen Sie die Definition, und beheben Sie den Fehler.",
  certificate_of_other_pair:
    "{parameter} von {identifier} gehört nicht zu seinem Schlüssel: Speichern Sie beide neu.",
  certificate_unreadable: "{parameter} von {identifier} ist nicht lesbar: Speichern Sie es neu.",
  certificate_ends: "{parameter} von {identifier} läuft am {time} ab: Besorgen Sie ein neues Zertifikat.",
  certificate_ended:
    "{parameter} von {identifier} ist am {time} abgelaufen: Besorgen Sie ein neues Zertifikat.",
  key_ends: "Der API-Schlüssel {name} läuft am {time} ab: Erzeugen Sie einen neuen, und löschen Sie diesen.",
  key_ended:
    "Der API-Schlüssel {name} ist am {time} abgelaufen: Erzeugen Sie einen neuen, und löschen Sie diesen.",
  oauth_incomplete:
    "{identifier}: {parameter} fehlt. Ohne diese Angabe gibt es kein Zugriffstoken und keine Anmeldung.",
  oauth_invalid: "{identifier}: Eine Angabe ist ungültig ({reason}).",
  oauth_failed:
    "{identifier}: Die letzte Token-Anfrage scheiterte mit {code}. Melden Sie sich noch einmal an, oder testen Sie die Definition.",
  more: "Und {count} weitere.",
  check_late:
    "Die Prüfung wurde nicht innerhalb von {seconds} s fertig: Wiederholen Sie sie, und sehen Sie in das Protokoll.",
  check_rejected: "Die Prüfung ist gescheitert: {reason}",
  check_failed: "Die Prüfung ist gescheitert: Den Grund nennt das Protokoll.",
};

/** Returns the problems of a finding in the current language. */
export function findingText(message: string, problems: readonly CodedSentence[]): Sentences {
  return translated(message, problems, { ...GERMAN_HINTS, ...GERMAN_FINDINGS });
}
