import type { TOKEN_HINTS as ENGLISH } from "../../../domain/hints/token.ts";

export const TOKEN_HINTS: Readonly<Record<keyof typeof ENGLISH, string>> = {
  token_client:
    "Der Token-Endpunkt nimmt den Client nicht an. Prüfen Sie die Client-ID und das Client-Geheimnis, oder den privaten Schlüssel mit seinem Zertifikat.",
  token_grant:
    "Der Token-Endpunkt nimmt die Anmeldung nicht an. Melden Sie sich für ein neues Refresh-Token noch einmal an, und prüfen Sie den Benutzernamen.",
  token_scope:
    "Der Token-Endpunkt nimmt den Scope nicht an. Geben Sie den an, den Ihr Anbieter für SMTP dokumentiert.",
  token_consent:
    "Die App darf nicht als dieses Postfach senden. Bitten Sie einen Administrator des Anbieters, zuzustimmen oder die Anmeldung zu erlauben.",
  token_unavailable:
    "Der Token-Endpunkt hat kein Token gegeben, und Sealpost fragt noch einmal. Bleibt es dabei, prüfen Sie die Token-URL und das Netzwerk dieses Rechners.",
  token_login_missing:
    "Der Server bietet keine Anmeldung mit Zugriffstoken an (XOAUTH2, OAUTHBEARER). Prüfen Sie Server und Port, oder melden Sie sich mit Passwort an.",
  token_rejected:
    "Der Server hat das Zugriffstoken abgelehnt. Der Benutzername muss das Postfach des Tokens sein, und der Scope der für SMTP.",
  token_request:
    "Der Token-Endpunkt erlaubt diese Anfrage nicht. Prüfen Sie den Weg zum Token, den Token-Endpunkt und die Client-ID.",
  entra_secret_wrong:
    "Das Client-Geheimnis ist falsch. Verwenden Sie den Wert („Value“) des Geheimnisses, nicht seine Secret ID.",
  entra_secret_expired:
    "Das Client-Geheimnis ist abgelaufen. Erzeugen Sie ein neues, oder verwenden Sie ein Zertifikat (oauth_private_key und oauth_certificate).",
  entra_public_client:
    "Die App ist ein öffentlicher Client, der kein Geheimnis senden darf. Löschen Sie das Client-Geheimnis, oder machen Sie die App vertraulich.",
  entra_app_unknown:
    "Der Mandant hat keine App {client_id}. Prüfen Sie die Client-ID, und den Mandanten in der Token-URL.",
  entra_tenant_unknown:
    "Der Mandant in der Token-URL ist unbekannt oder fehlt. Der Token-Endpunkt hat die Form https://login.microsoftonline.com/<Mandanten-ID>/oauth2/v2.0/token.",
  entra_tenant_needed:
    "Der Token-Endpunkt von /common oder /consumers ist nicht für diese App. Schreiben Sie an seiner Stelle die Mandanten-ID in den Token-Endpunkt.",
  entra_certificate:
    "Das Zertifikat wird nicht angenommen. Laden Sie oauth_certificate (Fingerabdruck {thumbprint}) in die App hoch, und prüfen Sie, ob es abgelaufen ist.",
  entra_scope:
    "Der Scope ist ungültig. Der Weg client_credentials nimmt genau einen, für SMTP https://outlook.office365.com/.default.",
  entra_permission:
    "Der App {client_id} fehlt eine Berechtigung oder die Zustimmung dazu. Bitten Sie einen Administrator des Mandanten um die Administratorzustimmung, für SMTP zu Office 365 Exchange Online.",
  entra_conditional_access:
    "Der bedingte Zugriff oder die Sicherheitsstandards sperren diese Anmeldung. Bitten Sie einen Administrator des Mandanten, die App oder die IP-Adresse dieses Rechners auszunehmen.",
  entra_refresh_expired:
    "Das Refresh-Token ist abgelaufen oder wurde widerrufen: nach 90 Tagen ohne Gebrauch, durch ein neues Passwort oder durch die Anmeldehäufigkeit. Melden Sie sich noch einmal an.",
  entra_second_factor:
    "Das Konto braucht einen zweiten Faktor. Melden Sie sich im Browser noch einmal an, oder verwenden Sie den Weg client_credentials.",
  entra_account:
    "Das Konto ist unbekannt, deaktiviert oder gesperrt. Prüfen Sie das Postfach im Benutzernamen.",
  entra_too_many:
    "Der Anbieter zählt zu viele Token-Anfragen dieser App. Warten Sie, und prüfen Sie, ob andere Programme dieselbe App verwenden.",
  google_delegation:
    "Die domainweite Delegierung fehlt. Tragen Sie die Client-ID {client_id} mit dem Scope https://mail.google.com/ in der Google-Admin-Konsole unter API-Steuerung ein, und warten Sie bis zu 24 Stunden.",
  google_user_unknown:
    "Google hat keinen solchen Benutzer. Der Benutzername ist das Postfach eines Workspace-Benutzers, nicht das Dienstkonto.",
  google_refresh_expired:
    "Das Refresh-Token ist abgelaufen oder wurde widerrufen: Melden Sie sich noch einmal an. Wiederholt sich das alle 7 Tage, steht der Zustimmungsbildschirm auf „Testing“: Veröffentlichen Sie die App, oder machen Sie sie intern.",
  entra_app_unknown_id:
    "Der Mandant hat keine App mit dieser Client-ID. Prüfen Sie die Client-ID, und den Mandanten in der Token-URL.",
  entra_certificate_unnamed:
    "Das Zertifikat wird nicht angenommen. Laden Sie oauth_certificate in die App hoch, und prüfen Sie, ob es abgelaufen ist.",
  entra_permission_unnamed:
    "Der App fehlt eine Berechtigung oder die Zustimmung dazu. Bitten Sie einen Administrator des Mandanten um die Administratorzustimmung, für SMTP zu Office 365 Exchange Online.",
  google_delegation_unnamed:
    "Die domainweite Delegierung fehlt. Tragen Sie die Client-ID des Dienstkontos mit dem Scope https://mail.google.com/ in der Google-Admin-Konsole unter API-Steuerung ein, und warten Sie bis zu 24 Stunden.",
  assertion_time: "Die Assertion ist außerhalb ihrer Zeit.",
  clock_check: "Prüfen Sie die Uhr dieses Rechners.",
  clock_agrees: "Die Uhr dieses Rechners stimmt mit der des Token-Endpunkts überein.",
  clock_behind: "Die Uhr dieses Rechners geht gegenüber der des Token-Endpunkts {seconds} s nach.",
  clock_ahead: "Die Uhr dieses Rechners geht gegenüber der des Token-Endpunkts {seconds} s vor.",
  field_missing: "{parameter} fehlt. Geben Sie einen Wert an, und speichern Sie.",
  field_unreadable: "{parameter} ist nicht lesbar. Geben Sie den Wert neu an, und speichern Sie.",
  field_without_key:
    "{parameter} hat keinen lesbaren Schlüssel. Geben Sie den Wert neu an, und speichern Sie.",
  sign_in_missing: "{parameter} fehlt. Melden Sie sich für die Definition an, um eines zu bekommen.",
  sign_in_unreadable:
    "{parameter} ist nicht lesbar. Melden Sie sich für die Definition an, um ein neues zu bekommen.",
};
