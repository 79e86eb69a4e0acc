import type { REPLY_HINTS as ENGLISH } from "../../../domain/hints/reply.ts";

export const REPLY_HINTS: Readonly<Record<keyof typeof ENGLISH, string>> = {
  send_as:
    "Das Konto darf nicht als dieser Absender senden. Geben Sie als Absender die Adresse des Kontos an, oder erlauben Sie dem Konto, als diese Adresse zu senden.",
  this_host:
    "Der Server nimmt von der IP-Adresse dieses Rechners keine Nachrichten an. Senden Sie über das Relay Ihres Anbieters, oder bitten Sie den Betreiber des Servers, die Adresse zuzulassen.",
  ehlo_name:
    "Der Server hat den EHLO-Namen von Sealpost abgelehnt. Setzen Sie SEALPOST_EHLO_NAME auf einen Hostnamen, der zu diesem Rechner auflöst.",
  daily_limit:
    "Das Konto hat seine Grenze für das Senden erreicht. Warten Sie, bis der Anbieter sie zurücksetzt, oder bitten Sie ihn, sie zu erhöhen.",
  account_suspended:
    "Der Anbieter lässt dieses Konto derzeit nicht senden. Fragen Sie den Anbieter nach dem Grund.",
  mechanism_unverifiable:
    "Der Server kann diese Art der Anmeldung nicht überprüfen. Wählen Sie das Anmeldeverfahren PLAIN oder LOGIN.",
  login_service_down:
    "Der Server konnte die Anmeldung nicht überprüfen. Fragen Sie seinen Betreiber, ob der Anmeldedienst läuft, oder wählen Sie das Anmeldeverfahren PLAIN.",
  greylisting:
    "Der Server verzögert Nachrichten unbekannter Absender (Greylisting). Versuchen Sie es in einigen Minuten noch einmal.",
  connection_limit:
    "Der Server begrenzt die Zahl der Verbindungen. Setzen Sie die Verbindungen gleichzeitig niedriger.",
  google_app_password:
    "Google nimmt für SMTP das Passwort des Kontos nicht an. Erzeugen Sie ein App-Passwort, und geben Sie es als Passwort an.",
  google_browser:
    "Google verlangt zuerst eine Anmeldung im Browser. Melden Sie sich dort an, oder erzeugen Sie ein App-Passwort und geben es als Passwort an.",
  google_login:
    "Google hat Benutzername oder Passwort abgelehnt. Der Benutzername ist die ganze Adresse, das Passwort ein App-Passwort.",
  recipient_busy: "Der Empfänger bekommt gerade zu viele Nachrichten. Versuchen Sie es später noch einmal.",
  google_relay:
    "Das Relay nimmt weder diese Anmeldung noch diese IP-Adresse an. Erlauben Sie eines davon im SMTP-Relay-Dienst der Admin-Konsole, und setzen Sie SEALPOST_EHLO_NAME auf einen Namen Ihrer Domain.",
  app_password:
    "{provider} hat Benutzername oder Passwort abgelehnt. Der Benutzername ist die ganze Adresse, das Passwort ein App-Passwort.",
  microsoft_basic_off:
    "Der Anbieter nimmt für dieses Postfach keine Passwörter an (Basic Authentication ist aus). Bitten Sie den Administrator des Postfachs, sie zu erlauben, oder verwenden Sie OAuth.",
  microsoft_policies:
    "Der bedingte Zugriff der Organisation lehnt diese Anmeldung ab. Fragen Sie den Administrator, oder verwenden Sie OAuth.",
  microsoft_smtp_auth_off:
    "SMTP AUTH ist für dieses Postfach oder diese Organisation ausgeschaltet. Bitten Sie den Administrator, es einzuschalten.",
  microsoft_no_auth:
    "Der Server bietet diese Art der Anmeldung nicht an. Lassen Sie den Benutzernamen leer, wenn der Server keine Anmeldung verlangt.",
  microsoft_connections:
    "Der Anbieter begrenzt die Verbindungen eines Postfachs. Setzen Sie die Verbindungen gleichzeitig auf 3 oder weniger.",
  microsoft_spam_block:
    "Der Anbieter hat dieses Konto wegen Spam gesperrt. Bitten Sie den Administrator des Kontos, die Sperre aufzuheben.",
  microsoft_internal_recipient:
    "Der Empfänger nimmt nur Nachrichten der eigenen Organisation an. Bitten Sie den Administrator des Empfängers, diesen Absender zuzulassen.",
  microsoft_login:
    "Microsoft 365 hat die Anmeldung abgelehnt. SMTP AUTH muss für das Postfach eingeschaltet sein. Für OAuth muss Exchange die Anwendung unter der Objekt-ID ihrer Unternehmensanwendung kennen und ihr das Postfach freigeben.",
  microsoft_hve_external:
    "High Volume Email stellt nur innerhalb der Organisation zu. Senden Sie an fremde Empfänger über eine andere Definition.",
  ses_unverified_smtp:
    "Amazon SES hat eine Adresse dieser Nachricht in dieser Region nicht bestätigt. Bestätigen Sie den Absender in SES und in der Sandbox auch den Empfänger.",
  ses_paused_smtp: "Amazon SES hat das Senden für dieses Konto angehalten. Den Grund nennt die SES-Konsole.",
  ses_rate:
    "Das Konto sendet schneller, als Amazon SES erlaubt. Setzen Sie die Nachrichten pro Minute niedriger, oder erhöhen Sie die Rate in SES.",
  sendgrid_credits:
    "Das SendGrid-Konto hat kein Guthaben mehr. Warten Sie, bis SendGrid es erneuert, oder wechseln Sie den Tarif.",
  sender_unverified_provider:
    "Der Anbieter hat diesen Absender nicht bestätigt. Bestätigen Sie ihn beim Anbieter, oder geben Sie einen bestätigten Absender an.",
  brevo_ip:
    "Der Anbieter nimmt Anmeldungen von der IP-Adresse dieses Rechners nicht an. Nehmen Sie die Adresse in die erlaubten IPs des Anbieters auf.",
  brevo_inactive:
    "Der Anbieter hat SMTP für dieses Konto nicht freigeschaltet. Bitten Sie den Support des Anbieters darum.",
  mailgun_login:
    "Mailgun hat Benutzername oder Passwort abgelehnt. Verwenden Sie die SMTP-Zugangsdaten der sendenden Domain, und als Server smtp.eu.mailgun.org, wenn die Domain in der EU ist.",
  postmark_inactive:
    "Der Anbieter hat diesen Empfänger nach einem Bounce oder einer Beschwerde deaktiviert. Reaktivieren Sie ihn beim Anbieter.",
  ses_login:
    "Amazon SES hat die Anmeldung abgelehnt. SMTP-Zugangsdaten gehören zu einer Region und sind keine Zugriffsschlüssel: Erzeugen Sie sie für die Region des Servers.",
  sendgrid_login:
    "SendGrid hat die Anmeldung abgelehnt. Der Benutzername ist apikey, das Passwort ein API-Schlüssel, der senden darf.",
  postmark_login:
    "Postmark hat die Anmeldung abgelehnt. Benutzername und Passwort sind dasselbe Server-API-Token; oder verwenden Sie ein SMTP-Token.",
  brevo_login:
    "Brevo hat die Anmeldung abgelehnt. Der Benutzername ist der SMTP-Login, das Passwort ein SMTP-Schlüssel, der kein API-Schlüssel ist.",
  resend_login:
    "Resend hat die Anmeldung abgelehnt. Der Benutzername ist resend, das Passwort ein API-Schlüssel.",
  cloudflare_login:
    "Cloudflare hat die Anmeldung abgelehnt. Der Benutzername ist api_token, das Passwort ein API-Token mit der Berechtigung Email Sending: Edit.",
};
