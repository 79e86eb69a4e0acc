import type { API_HINTS as ENGLISH } from "../../../domain/hints/api.ts";

export const API_HINTS: Readonly<Record<keyof typeof ENGLISH, string>> = {
  not_the_api: "Die Antwort stammt nicht von der API. Prüfen Sie die URL der API.",
  graph_no_response:
    "Microsoft Graph hat auf die Nachricht nicht geantwortet und sie vielleicht angenommen. Sehen Sie in die gesendeten Elemente des Postfachs, bevor Sie noch einmal senden.",
  api_no_response:
    "Die API hat auf die Nachricht nicht geantwortet und sie vielleicht angenommen. Sehen Sie in ihr Protokoll, bevor Sie noch einmal senden.",
  api_name_unknown:
    "Zum Host der API ist keine IP-Adresse bekannt. Prüfen Sie die URL der API, und den Mandanten oder die Region im Feld Server.",
  api_lookup_failed:
    "Die IP-Adresse der API lässt sich gerade nicht ermitteln. Prüfen Sie den Nameserver dieses Rechners.",
  api_unavailable: "Die API ist gerade nicht verfügbar. Versuchen Sie es später noch einmal.",
  api_port_closed: "An der Adresse der API lauscht nichts. Prüfen Sie die URL der API und die Firewall.",
  api_unreachable:
    "Die API ist nicht erreichbar. Prüfen Sie die URL der API, das Netzwerk dieses Rechners und die Firewall.",
  api_slow: "Die API war zu langsam. Setzen Sie das Zeitlimit höher, oder prüfen Sie die URL der API.",
  not_https: "Der Dienst an dieser Adresse spricht kein HTTPS. Prüfen Sie die URL der API.",
  api_closed:
    "Die API hat die Verbindung geschlossen, bevor sie geantwortet hat. Versuchen Sie es später noch einmal.",
  api_certificate_name:
    "Das Zertifikat gilt nicht für den Host der API. Geben Sie als URL der API einen Namen an, für den es gilt.",
  graph_token_rejected:
    "Microsoft Graph hat das Zugriffstoken abgelehnt. Prüfen Sie den Scope, den Mandanten und die App.",
  api_login_rejected:
    "Die API hat die Anmeldung abgelehnt. Geben Sie als Benutzernamen eine Zugriffsschlüssel-ID an, und als Passwort ihren geheimen Zugriffsschlüssel.",
  api_sender_rejected:
    "Die API hat den Absender abgelehnt. Verwenden Sie eine Adresse, von der dieses Konto senden darf.",
  api_recipient_rejected: "Die API hat diesen Empfänger abgelehnt. Prüfen Sie die Adresse.",
  api_content_rejected: "Die API hat die Nachricht abgelehnt. Ihre Antwort nennt den Grund.",
  graph_too_large:
    "Die Nachricht ist größer, als Microsoft Graph annimmt: etwa 3 MB. Senden Sie eine kleinere, oder senden Sie über smtp.office365.com.",
  api_too_large:
    "Die Nachricht ist größer, als die API annimmt. Senden Sie eine kleinere, etwa ohne Anhänge.",
  api_limit:
    "Das Konto hat eine Grenze der API erreicht. Warten Sie, bis sie sich zurücksetzt, oder setzen Sie Nachrichten pro Minute und Verbindungen niedriger.",
  graph_token_scope:
    "Microsoft Graph hat das Zugriffstoken abgelehnt. Der Scope ist https://graph.microsoft.com/.default oder leer, und der Token-Endpunkt der des Mandanten.",
  graph_send_as:
    "Das Postfach darf nicht als dieser Absender senden. Der Absender ist die Adresse des Postfachs im Benutzernamen; oder geben Sie dem Postfach das Recht „Senden als“.",
  graph_no_mailbox:
    "Der Benutzername ist kein Postfach von Exchange Online in diesem Mandanten. Prüfen Sie ihn, und ob das Postfach eine Lizenz hat.",
  graph_blocked:
    "Microsoft lässt dieses Postfach gerade nicht senden. Öffnen Sie es: Vielleicht ist es voll, oder eine Nachricht darin sagt, was zu tun ist.",
  graph_permission:
    "Die App darf nicht als dieses Postfach senden. Geben Sie ihr die Anwendungsberechtigung Mail.Send mit Administratorzustimmung, oder weisen Sie sie in Exchange für dieses Postfach zu (RBAC for Applications).",
  aws_time: "Amazon hat die Zeit der Anfrage abgelehnt. Stellen Sie die Uhr dieses Rechners.",
  aws_secret:
    "Amazon hat den geheimen Schlüssel abgelehnt. Das Passwort ist der geheime Zugriffsschlüssel, der zum Benutzernamen gehört; das SMTP-Passwort von SES ist ein anderes.",
  aws_key_unknown:
    "Amazon kennt den Zugriffsschlüssel nicht. Der Benutzername ist die ID eines aktiven Zugriffsschlüssels.",
  aws_permission:
    "Der Zugriffsschlüssel darf nicht als dieser Absender senden. Erlauben Sie seinem Benutzer ses:SendEmail und ses:SendRawEmail für die Identität des Absenders.",
  ses_unverified:
    "SES hat eine Adresse dieser Nachricht in dieser Region nicht bestätigt. Bestätigen Sie die Domain des Absenders, und in der Sandbox auch jeden Empfänger.",
  ses_paused: "Amazon hat das Senden für dieses Konto angehalten. Den Grund nennt die SES-Konsole.",
};
