import type { FailureCode, Phase } from "../../domain/delivery.ts";
import { dictionary, keysOf } from "./language.ts";

type Phases = Readonly<Record<Phase, string>>;
type Failures = Readonly<Record<FailureCode, string>>;

/** In the order of a delivery. */
const PHASE_TEXTS = {
  policy: "Policy",
  sign: "Signature",
  encrypt: "Encryption",
  oauth: "Access token",
  dns: "Name lookup",
  connect: "Connection",
  greeting: "Greeting",
  ehlo: "EHLO",
  starttls: "STARTTLS",
  certificate: "Certificate",
  auth: "Login",
  sender: "Sender",
  recipient: "Recipient",
  data: "Message",
} satisfies Phases;
/** Every phase, in the order of a delivery. */
export const PHASE_NAMES: readonly Phase[] = keysOf<Phase>(PHASE_TEXTS);

const phases = dictionary(PHASE_TEXTS, {
  policy: "Richtlinie",
  sign: "Signatur",
  encrypt: "Verschlüsselung",
  oauth: "Zugriffstoken",
  dns: "Namensauflösung",
  connect: "Verbindung",
  greeting: "Begrüßung",
  ehlo: "EHLO",
  starttls: "STARTTLS",
  certificate: "Zertifikat",
  auth: "Anmeldung",
  sender: "Absender",
  recipient: "Empfänger",
  data: "Nachricht",
});

const failures = dictionary(
  {
    timeout: "The server did not reply in time.",
    refused: "The server rejected the connection.",
    unreachable: "The server cannot be reached from here.",
    network: "The network connection failed.",
    dns_not_found: "No server has this name.",
    closed: "The server closed the connection.",
    protocol: "The server sent something that is not SMTP.",
    tls_not_offered: "The server does not offer STARTTLS on this port.",
    tls_required: "The server requires TLS.",
    tls_unavailable: "The server cannot start TLS at the moment.",
    cert_untrusted: "The certificate's authority is unknown here.",
    cert_name: "The server's certificate is for another name.",
    cert_expired: "The server's certificate has expired.",
    cert_required: "The server requires a client certificate.",
    cert_rejected: "The server does not accept the client certificate.",
    tls_failed: "TLS could not be agreed with the server.",
    auth_not_offered: "The server offers no login that can be used here.",
    auth_rejected: "The server rejected the login.",
    auth_required: "The server requires a login.",
    sender_missing: "There is no sender.",
    sender_rejected: "The server rejected the sender.",
    recipient_rejected: "The server rejected this recipient.",
    content_rejected: "The server rejected the message.",
    too_large: "The message is too large for the server.",
    rate_limited: "The server limits how much may be sent.",
    sign_no_key: "Key or certificate for signing is missing.",
    sign_passphrase: "The passphrase of the private key is wrong.",
    sign_mismatch: "Private key and certificate do not belong together.",
    sign_expired: "The certificate for signing is outside its dates.",
    sign_usage: "The certificate is not for signing mail.",
    sign_sender: "The certificate does not name the sender.",
    encrypt_no_certificate: "The recipient has no certificate to encrypt to.",
    oauth_client: "The provider rejected the client: its ID, secret or certificate.",
    oauth_grant: "The provider rejected the sign-in: sign in again.",
    oauth_scope: "The provider rejected the scope.",
    oauth_consent: "An administrator of the provider has to consent.",
    oauth_unavailable: "The provider's token endpoint cannot be reached.",
    egress_denied: "Sealpost may not connect to this address.",
    unsupported_here: "This cannot be done on this platform.",
    server_unknown: "The definition no longer exists.",
    cancelled: "The message was canceled.",
  } satisfies Failures,
  {
    timeout: "Der Server hat nicht rechtzeitig geantwortet.",
    refused: "Der Server hat die Verbindung abgelehnt.",
    unreachable: "Der Server ist von hier nicht erreichbar.",
    network: "Die Netzwerkverbindung ist gescheitert.",
    dns_not_found: "Kein Server hat diesen Namen.",
    closed: "Der Server hat die Verbindung geschlossen.",
    protocol: "Der Server hat etwas gesendet, das kein SMTP ist.",
    tls_not_offered: "Der Server bietet auf diesem Port kein STARTTLS an.",
    tls_required: "Der Server verlangt TLS.",
    tls_unavailable: "Der Server kann TLS gerade nicht beginnen.",
    cert_untrusted: "Die Zertifizierungsstelle des Servers ist hier nicht bekannt.",
    cert_name: "Das Zertifikat des Servers gilt für einen anderen Namen.",
    cert_expired: "Das Zertifikat des Servers ist abgelaufen.",
    cert_required: "Der Server verlangt ein Client-Zertifikat.",
    cert_rejected: "Der Server nimmt das Client-Zertifikat nicht an.",
    tls_failed: "Mit dem Server kam kein TLS zustande.",
    auth_not_offered: "Der Server bietet keine Anmeldung an, die hier möglich ist.",
    auth_rejected: "Der Server hat die Anmeldung abgelehnt.",
    auth_required: "Der Server verlangt eine Anmeldung.",
    sender_missing: "Es gibt keinen Absender.",
    sender_rejected: "Der Server hat den Absender abgelehnt.",
    recipient_rejected: "Der Server hat den Empfänger abgelehnt.",
    content_rejected: "Der Server hat die Nachricht abgelehnt.",
    too_large: "Die Nachricht ist für den Server zu groß.",
    rate_limited: "Der Server begrenzt, wie viel gesendet werden darf.",
    sign_no_key: "Schlüssel oder Zertifikat zum Signieren fehlt.",
    sign_passphrase: "Die Passphrase des privaten Schlüssels ist falsch.",
    sign_mismatch: "Privater Schlüssel und Zertifikat gehören nicht zusammen.",
    sign_expired: "Das Zertifikat zum Signieren ist nicht gültig: Es ist abgelaufen oder gilt noch nicht.",
    sign_usage: "Das Zertifikat ist nicht zum Signieren von E-Mail bestimmt.",
    sign_sender: "Das Zertifikat nennt den Absender nicht.",
    encrypt_no_certificate: "Der Empfänger hat kein Zertifikat zum Verschlüsseln.",
    oauth_client: "Der Anbieter hat den Client abgelehnt: ID, Geheimnis oder Zertifikat.",
    oauth_grant: "Der Anbieter hat die Anmeldung abgelehnt: Melden Sie sich neu an.",
    oauth_scope: "Der Anbieter hat den Scope abgelehnt.",
    oauth_consent: "Ein Administrator des Anbieters muss zustimmen.",
    oauth_unavailable: "Der Token-Endpunkt des Anbieters ist nicht erreichbar.",
    egress_denied: "Sealpost darf sich nicht mit dieser Adresse verbinden.",
    unsupported_here: "Das ist auf dieser Plattform nicht möglich.",
    server_unknown: "Die Definition gibt es nicht mehr.",
    cancelled: "Die Nachricht wurde abgebrochen.",
  },
);

/** Returns the name of a phase. A newer API may have more of them. */
export function phaseText(phase: string): string {
  return new Map(Object.entries(phases())).get(phase) ?? phase;
}

const portTexts = dictionary(
  { closedPort: "Nothing is listening on this port." },
  { closedPort: "Auf diesem Port lauscht nichts." },
);

/** Returns the sentence for a failure code. @param phase the phase that failed, if it is known */
export function failureText(code: string, phase: string | null = null): string {
  // A server that rejects the connection in its greeting has the same code as a closed port.
  if (code === "refused" && phase === "connect") return portTexts().closedPort;
  return new Map(Object.entries(failures())).get(code) ?? code;
}
