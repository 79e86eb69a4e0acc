import type { SERVER_HINTS as ENGLISH } from "../../../domain/hints/server.ts";

export const SERVER_HINTS: Readonly<Record<keyof typeof ENGLISH, string>> = {
  expects_implicit_tls: "Port 465 erwartet TLS ab dem ersten Byte. Schreiben Sie den Server als {url}.",
  invalid_final_reply:
    "Die Antwort des Servers auf die Nachricht ist ungültig, und vielleicht hat er sie angenommen. Sehen Sie in sein Protokoll, bevor Sie noch einmal senden.",
  no_final_reply:
    "Der Server hat auf das Ende der Nachricht nicht geantwortet und sie vielleicht angenommen. Sehen Sie in sein Protokoll, bevor Sie noch einmal senden.",
  egress:
    "Diese Instanz darf an diese Adresse oder diesen Port nicht senden. Siehe die Einstellungen SEALPOST_EGRESS und SEALPOST_EGRESS_PORTS.",
  name_unknown: "Zu {host} ist keine IP-Adresse bekannt. Prüfen Sie die Schreibweise des Servers.",
  not_accepting:
    "Der Server wurde erreicht, nimmt aber gerade keine Nachrichten an. Versuchen Sie es später noch einmal.",
  ehlo_rejected:
    "Der Server wurde erreicht, hat aber EHLO abgelehnt. Setzen Sie SEALPOST_EHLO_NAME auf einen Hostnamen, der zu diesem Rechner auflöst.",
  host_rejected:
    "Der Server wurde erreicht, nimmt aber von diesem Rechner keine Nachrichten an. Geben Sie als Server den Host zum Einliefern an, oder bitten Sie seinen Betreiber, die IP-Adresse dieses Rechners zuzulassen.",
  port_closed_587:
    "Auf Port 587 lauscht nichts. Versuchen Sie 465 (smtps://) oder 25, oder prüfen Sie die Firewall.",
  port_closed_25:
    "Auf Port 25 lauscht nichts. Versuchen Sie 587 (STARTTLS) oder 465 (smtps://), oder prüfen Sie die Firewall.",
  port_closed:
    "Auf Port {port} lauscht nichts. Versuchen Sie 587 (STARTTLS) oder 465 (smtps://), oder prüfen Sie die Firewall.",
  lookup_failed:
    "Die IP-Adresse von {host} lässt sich gerade nicht ermitteln. Prüfen Sie den Nameserver dieses Rechners.",
  host_unreachable:
    "Der Host ist nicht erreichbar. Prüfen Sie Server und Port, das Netzwerk dieses Rechners und die Firewall.",
  network_error:
    "Die Verbindung ist an einem Fehler ohne eigenen Code gescheitert. Prüfen Sie das Netzwerk dieses Rechners und seine Grenzen, etwa die offenen Dateien.",
  no_free_connection:
    "Keine Verbindung war frei, bevor die Zeit um war. Versuchen Sie es später, oder stellen Sie die Nachricht in die Warteschlange.",
  port_silent_25: "Auf Port 25 antwortet nichts. Viele Anbieter sperren ihn: Versuchen Sie 587.",
  port_silent: "Auf Port {port} antwortet nichts. Prüfen Sie Server, Port und Firewall.",
  greeting_missing:
    "Der Server hat die Verbindung angenommen und nichts gesendet. Prüfen Sie den Port, oder setzen Sie das Zeitlimit höher.",
  server_slow:
    "Der Server war zu langsam. Setzen Sie das Zeitlimit höher, oder prüfen Sie die Last des Servers.",
  implicit_tls_rejected:
    "Port {port} nimmt kein TLS ab dem ersten Byte an. Schreiben Sie den Server ohne smtps://, und wählen Sie STARTTLS.",
  handshake_failed:
    "Der TLS-Handshake ist nach STARTTLS gescheitert. Vielleicht kann der Server nur alte Versionen von TLS.",
  starttls_invalid:
    "Die Antwort des Servers auf STARTTLS ist ungültig. Vielleicht hat sie unterwegs etwas verändert: Prüfen Sie das Netz.",
  pipelining_rejected: "Der Server hat einen Befehl abgelehnt. Schalten Sie das Pipelining aus.",
  command_rejected: "Der Server hat einen Befehl abgelehnt. Seine Antwort nennt den Grund.",
  not_smtp: "Der Dienst auf Port {port} spricht kein SMTP. Prüfen Sie Server und Port.",
  closed_client_certificate:
    "Der Server hat die Verbindung ohne Grund geschlossen. Vielleicht nimmt er das Client-Zertifikat nicht an: Sehen Sie in sein Protokoll.",
  closed_before_greeting:
    "Der Server hat die Verbindung vor seiner Begrüßung geschlossen. Vielleicht nimmt er die IP-Adresse dieses Rechners nicht an.",
  closed_before_reply:
    "Der Server hat die Verbindung geschlossen, bevor er geantwortet hat. Sehen Sie in sein Protokoll.",
  starttls_temporary: "Der Server kann TLS gerade nicht beginnen. Versuchen Sie es später noch einmal.",
  starttls_rejected: "Der Server lehnt STARTTLS ab. Versuchen Sie smtps:// auf 465.",
  starttls_missing_587:
    "Der Server bietet auf Port 587 kein STARTTLS an, oder etwas auf dem Weg verbirgt es. Versuchen Sie smtps:// auf 465.",
  starttls_missing_25:
    "Der Server bietet auf Port 25 kein STARTTLS an. Versuchen Sie 587, oder smtps:// auf 465.",
  starttls_missing:
    "Der Server bietet auf Port {port} kein STARTTLS an. Versuchen Sie 587, oder smtps:// auf 465.",
  tls_temporary:
    "Der Server bietet TLS an, kann es aber gerade nicht beginnen. Versuchen Sie es später noch einmal.",
  token_needs_tls: "Ein Zugriffstoken wird nur unter TLS gesendet: Wählen Sie eine Verschlüsselung.",
  tls_required_first: "Der Server verlangt TLS ab dem ersten Byte. Schreiben Sie den Server als {url}.",
  tls_required_encrypted:
    "Der Server verlangt TLS, obwohl die Verbindung verschlüsselt ist. Sehen Sie in sein Protokoll, oder versuchen Sie smtps:// auf 465.",
  tls_required: "Der Server verlangt TLS: Wählen Sie STARTTLS.",
  authority_unknown:
    "Die Zertifizierungsstelle ist hier nicht bekannt. Nehmen Sie ihr Zertifikat in SEALPOST_TLS_CA auf.",
  certificate_name:
    "Das Zertifikat gilt nicht für {host}. Geben Sie als Server einen Namen an, für den es gilt.",
  certificate_dates:
    "Das Zertifikat des Servers ist abgelaufen oder gilt noch nicht. Bitten Sie seinen Betreiber, es zu erneuern, und prüfen Sie die Uhr dieses Rechners.",
  client_certificate_missing:
    "Der Server verlangt ein Client-Zertifikat, und es gibt keines. Geben Sie ein Client-Zertifikat und seinen Schlüssel an, die er annimmt.",
  client_certificate_rejected:
    "Der Server nimmt das Client-Zertifikat nicht an. Prüfen Sie seine Daten und seinen Aussteller, oder bitten Sie den Betreiber des Servers, es zuzulassen.",
  handshake_rejected:
    "Der Server hat den TLS-Handshake abgelehnt. Vielleicht kann er nur alte Versionen von TLS, oder er verlangt ein Client-Zertifikat.",
  tls_failed_workers:
    "TLS ist gescheitert, und Workers nennen den Grund nicht. Das Zertifikat kann abgelaufen sein, für einen anderen Namen gelten oder von einer privaten Zertifizierungsstelle stammen, der Workers nicht vertrauen können.",
  login_temporary: "Der Server kann die Anmeldung gerade nicht prüfen. Versuchen Sie es später noch einmal.",
  login_needs_tls:
    "Der Server nimmt im Klartext keine Anmeldung an: Wählen Sie STARTTLS, oder lassen Sie den Benutzernamen leer, wenn er keine braucht.",
  login_mechanism_missing:
    "Der Server bietet eine andere Anmeldung an. Setzen Sie das Anmeldeverfahren auf „Automatisch“.",
  login_none_accepted:
    "Der Server hat jede Art der Anmeldung abgelehnt, die er nennt (PLAIN, LOGIN, CRAM-MD5). Lassen Sie den Benutzernamen leer, wenn er keine braucht, oder versuchen Sie Port 587.",
  login_none_known:
    "Der Server bietet keine Anmeldung an, die Sealpost kennt (PLAIN, LOGIN, CRAM-MD5). Lassen Sie den Benutzernamen leer, wenn er keine braucht, oder versuchen Sie Port 587.",
  login_busy:
    "Der Server kann die Anmeldung gerade nicht prüfen. Warten Sie, und versuchen Sie es dann noch einmal.",
  password_empty: "Das Passwort ist leer. Geben Sie Benutzername und Passwort an, oder leeren Sie beide.",
  login_clear_rejected:
    "Der Server hat Benutzername und Passwort abgelehnt. Sind beide richtig, wählen Sie STARTTLS, oder das Anmeldeverfahren PLAIN, wenn der Server CRAM-MD5 nicht prüfen kann.",
  login_rejected:
    "Der Server hat Benutzername und Passwort abgelehnt. Viele Anbieter verlangen ein App-Passwort.",
  relay_certificate:
    "Der Server leitet für dieses Client-Zertifikat allein nicht weiter. Bitten Sie seinen Betreiber, es zuzulassen, oder geben Sie Benutzername und Passwort an.",
  relay_needs_login: "Der Server leitet ohne Anmeldung nicht weiter. Geben Sie Benutzername und Passwort an.",
  login_required: "Der Server verlangt eine Anmeldung. Geben Sie Benutzername und Passwort an.",
  login_incomplete:
    "Der Server verlangt eine Anmeldung, die er nicht bekommen hat. Prüfen Sie Benutzername und Passwort, und ob dieses Konto senden darf.",
  sender_missing:
    "Die Nachricht hat keinen Absender. Geben Sie einen an, oder eine E-Mail-Adresse als Benutzernamen.",
  sender_temporary: "Der Server nimmt diesen Absender gerade nicht an. Versuchen Sie es später noch einmal.",
  sender_domain:
    "Der Server hat die Domain des Absenders abgelehnt. Geben Sie als Absender eine Adresse an, deren Domain Nachrichten empfängt.",
  sender_unverified:
    "Der Server konnte die Domain des Absenders nicht überprüfen. Veröffentlichen Sie die SPF- und DKIM-Einträge, die Ihr Anbieter nennt, oder geben Sie einen Absender einer anderen Domain an.",
  sender_rejected:
    "Der Server hat den Absender abgelehnt. Verwenden Sie eine Adresse, von der dieses Konto senden darf.",
  relay_denied:
    "Der Server leitet Nachrichten dieses Kontos an diesen Empfänger nicht weiter. Fragen Sie seinen Betreiber, ob das Konto an andere Domains senden darf.",
  mailbox_full_temporary: "Das Postfach des Empfängers ist voll. Versuchen Sie es später noch einmal.",
  recipient_temporary:
    "Der Server nimmt für diesen Empfänger gerade keine Nachrichten an. Versuchen Sie es später noch einmal.",
  mailbox_full:
    "Das Postfach des Empfängers ist voll. Bitten Sie den Empfänger, Platz zu schaffen, oder verwenden Sie eine andere Adresse.",
  recipient_needs_login:
    "Der Server hat diesen Empfänger abgelehnt. Verlangt er eine Anmeldung, geben Sie Benutzername und Passwort an.",
  recipient_rejected: "Der Server hat diesen Empfänger abgelehnt. Prüfen Sie die Adresse.",
  content_temporary: "Der Server nimmt diese Nachricht gerade nicht an. Versuchen Sie es später noch einmal.",
  content_rejected: "Der Server hat den Inhalt der Nachricht abgelehnt. Seine Antwort nennt den Grund.",
  no_room:
    "Der Server hat für eine Nachricht dieser Größe gerade keinen Platz. Versuchen Sie es später noch einmal.",
  too_large: "Die Nachricht ist größer, als der Server annimmt. Senden Sie eine kleinere, etwa ohne Anhänge.",
  sending_limit:
    "Das Konto oder der Server hat eine Grenze für das Senden erreicht. Warten Sie, bis sie sich zurücksetzt, oder erhöhen Sie sie beim Anbieter.",
  rate_limited:
    "Der Server nimmt gerade nicht mehr an. Versuchen Sie es später noch einmal, oder setzen Sie die Nachrichten pro Minute niedriger.",
  key_missing:
    "Zum Signieren fehlt ein Schlüssel. Geben Sie privaten Schlüssel und Zertifikat als PEM-Text an, oder schalten Sie S/MIME aus.",
  passphrase_wrong: "Der private Schlüssel lässt sich nicht entschlüsseln. Geben Sie seine Passphrase an.",
  certificate_of_other_key:
    "Das Zertifikat gehört nicht zum privaten Schlüssel. Geben Sie das an, das für diesen Schlüssel ausgestellt wurde.",
  signer_dates:
    "Das Zertifikat ist abgelaufen oder gilt noch nicht. Geben Sie ein neues für diesen Absender an.",
  signer_usage:
    "Das Zertifikat darf keine E-Mail signieren. Geben Sie eines mit dem Zweck emailProtection an.",
  signer_sender:
    "Das Zertifikat nennt den Absender nicht. Geben Sie als Absender eine Adresse an, die es nennt.",
  recipient_certificate:
    "Ein Empfänger hat kein Zertifikat zum Verschlüsseln. Hinterlegen Sie das Zertifikat des Benutzers, oder senden Sie recipient_certificate mit.",
  workers_port_25:
    "Cloudflare lässt Workers sich nicht mit Port 25 verbinden. Verwenden Sie 587, oder smtps:// auf 465.",
  client_certificate_unsupported:
    "Diese Laufzeitumgebung kann das Client-Zertifikat nicht zeigen. Senden Sie von Bun, Deno oder Node mit einem RSA- oder P-256-Schlüssel, oder löschen Sie das Client-Zertifikat.",
  smtputf8_missing:
    "Der Server nimmt keine Adressen außerhalb von ASCII an (kein SMTPUTF8). Verwenden Sie eine in ASCII.",
  definition_missing:
    "Keine Definition hat diesen Namen. Legen Sie sie an, oder verwenden Sie den Namen einer anderen.",
  shutting_down: "Sealpost wurde gerade beendet. Senden Sie die Nachricht noch einmal.",
};
