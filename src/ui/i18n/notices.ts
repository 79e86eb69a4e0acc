import type { NoticeCode } from "../../domain/notices.ts";
import { language } from "./language.ts";

/** The members of `detail` for warnings. */
export interface Notices {
  readonly warnings?: readonly string[] | undefined;
  readonly notices?: readonly { readonly code: string; readonly parameter: string }[] | undefined;
}

/** German sentences by code. The English ones come from the API, with their values. */
const GERMAN: Readonly<Record<NoticeCode, string>> = {
  clear_text: "Passwort und Nachrichten werden im Klartext übertragen.",
  oauth_incomplete: "Für ein Zugriffstoken fehlt eine Angabe.",
  provider_host: "Der Server gehört nicht zu diesem Anbieter.",
  provider_region: "Der Anbieter hat in dieser Region keinen SMTP-Server.",
  provider_tls: "Der Anbieter verlangt TLS.",
  provider_implicit_tls: "Dieser Port erwartet TLS ab dem ersten Byte.",
  provider_username: "Der Anbieter erwartet einen anderen Benutzernamen.",
  provider_secret: "Der Anbieter erwartet ein anderes Passwort.",
  provider_oauth: "Der Anbieter schafft Passwörter für SMTP ab: Verwenden Sie Zugriffstoken.",
  egress_denied: "Diese Instanz darf nicht an diesen Server oder Port senden.",
  port_blocked: "Diese Plattform verbindet sich nicht mit diesem Port.",
  sign_in_unused: "Die Definition verwendet die Anmeldung eines Benutzers nicht.",
  mailbox_unverified: "Der Anbieter hat das Postfach nicht genannt: Testen Sie die Definition.",
  tls_incomplete: "Dem Client-Zertifikat fehlt ein Teil.",
  password_unreadable: "Das Passwort lässt sich nicht entschlüsseln: Geben Sie es neu ein.",
  unknown_parameter: "Ein Parameter ist nicht bekannt und bleibt ohne Wirkung.",
  unused_parameter: "Ein Parameter bleibt bei dieser Art von Token ohne Wirkung.",
  server_missing: "Ein SMTP-Server dieses Namens fehlt.",
  base_url_missing: "Ohne SEALPOST_BASE_URL gibt es keine Links.",
  expires_soon: "Das Zertifikat läuft bald ab.",
  expired: "Das Zertifikat ist abgelaufen.",
  rarely_verified:
    "Die meisten Mailprogramme können Ed25519-Signaturen nicht prüfen: Besser sind RSA oder P-256.",
  chain_incomplete: "Die Zertifikatskette ist unvollständig: Ergänzen Sie das Zertifikat des Ausstellers.",
  chain_root_unreached:
    "Die Zertifikatskette erreicht ihre Wurzel nicht: Ergänzen Sie das Zertifikat des Ausstellers.",
  chain_expired: "Ein Zertifikat der Kette ist abgelaufen.",
  chain_not_yet_valid: "Ein Zertifikat der Kette gilt noch nicht.",
  chain_expires_soon: "Ein Zertifikat der Kette läuft bald ab.",
  chain_not_authority: "Ein Zertifikat der Kette hat unterschrieben und ist keine Zertifizierungsstelle.",
  chain_key_usage: "Eine Zertifizierungsstelle der Kette darf keine Zertifikate ausstellen.",
  chain_purpose: "Eine Zertifizierungsstelle der Kette darf keine Zertifikate für E-Mail ausstellen.",
  chain_path_length: "Die Kette ist länger, als eine ihrer Zertifizierungsstellen erlaubt.",
  chain_name: "Eine Zertifizierungsstelle darf für diesen Namen kein Zertifikat ausstellen.",
  chain_key_identifier: "Ein Zertifikat der Kette nennt ein anderes Zertifikat als das seines Ausstellers.",
  netscape_type: "Das Zertifikat ist nicht für E-Mail ausgestellt (Zertifikatstyp von Netscape).",
  critical_extension: "Ein Zertifikat verlangt eine Erweiterung, die Mailprogramme nicht kennen.",
  any_purpose: "Das Zertifikat nennt E-Mail nicht als Zweck, was manche Programme ablehnen.",
  long_serial: "Die Seriennummer des Zertifikats ist länger, als manche Programme erlauben.",
  weak_hash: "Das Zertifikat ist mit einer veralteten Hashfunktion unterschrieben.",
  self_signed: "Das Zertifikat ist selbst ausgestellt: Jeder Empfänger muss ihm von Hand vertrauen.",
  self_signed_end:
    "Das Zertifikat ist selbst ausgestellt und keine Zertifizierungsstelle, was strenge Programme ablehnen.",
  passphrase_unused: "Der private Schlüssel ist nicht verschlüsselt: Die Passphrase ist überflüssig.",
  sign_no_key: "Schlüssel oder Zertifikat fehlt.",
  sign_passphrase: "Die Passphrase ist falsch.",
  sign_mismatch: "Schlüssel und Zertifikat gehören nicht zusammen.",
  sign_expired: "Das Zertifikat ist außerhalb seiner Daten.",
  sign_usage: "Das Zertifikat ist nicht zum Signieren von E-Mail bestimmt.",
  sign_sender: "Das Zertifikat nennt den Absender nicht.",
};

/** Returns the warnings in the current language; a translation comes with the original, which has the values. */
export function noticeTexts({ warnings = [], notices = [] }: Notices = {}): readonly {
  readonly text: string;
  readonly original: string | null;
}[] {
  const german = new Map<string, string>(Object.entries(GERMAN));
  return warnings.map((sentence, index) => {
    const translated = language.value === "de" ? german.get(notices[index]?.code ?? "") : undefined;
    return translated === undefined
      ? { text: sentence, original: null }
      : { text: translated, original: sentence };
  });
}
