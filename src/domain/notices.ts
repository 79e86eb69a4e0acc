/**
 * Notices of requests that succeed, by code. Programs and translations match on the code; the sentence is for people.
 * Names in braces stand for values.
 */
export const NOTICES = {
  /** A username over a connection without TLS. */
  clear_text: "The password and mail travel in clear text: set tls to true, or use smtps://.",
  /** A field without which no access token can be got. */
  oauth_incomplete: "{parameter} is missing: without it there is no access token, and no login.",
  /** Values that do not fit the preset of a definition. */
  provider_host: "{host} is not a host of {provider}: check server.",
  provider_region: "{provider} has no SMTP server in the region {region}: check server.",
  provider_tls: "{provider} requires TLS: set tls to true, or use smtps://.",
  provider_implicit_tls: "Port {port} expects TLS from the first byte: write the server as smtps://{host}.",
  provider_username: "{provider} expects another username: {expected}.",
  provider_secret: "{provider} expects another password: {expected}.",
  provider_oauth: "{provider} is switching off passwords for SMTP: set auth to oauth2.",
  /** The same for every target that the policy denies. */
  egress_denied:
    "This instance may not send to that server or port: see SEALPOST_EGRESS and SEALPOST_EGRESS_PORTS.",
  /** Cloudflare Workers do not connect to port 25. */
  port_blocked: "This platform does not connect to port {port}: use {other}.",
  /** A sign-in for a definition that logs in otherwise. */
  sign_in_unused:
    "The definition does not use its refresh token: set auth to oauth2 and oauth_flow to refresh_token.",
  /** The response of the token endpoint has no ID token that names an account. */
  mailbox_unverified: "The provider did not name the mailbox that signed in: test the definition.",
  /** A certificate without its key, or a key without its certificate. */
  tls_incomplete: "{parameter} is missing: without it the server sees no client certificate.",
  /** No configured key decrypts a stored password. */
  password_unreadable: "The password of {identifier} cannot be decrypted: enter it again.",
  unknown_parameter:
    "The parameter {name} is not known and has no effect: the nearest known name is {nearest}.",
  /** A parameter of another type of token, which the forms of some clients keep. */
  unused_parameter: "The parameter {name} has no effect: tokens of type {type} do not use it.",
  /** A gateway or a setting names a definition that does not exist. */
  server_missing: "No SMTP server is named {identifier}: create it or change the setting.",
  /** A setting whose messages contain a link. */
  base_url_missing: "{parameter} has no effect without links: set SEALPOST_BASE_URL.",
  expires_soon: "The certificate expires in {days} days: get a new one.",
  /** A certificate that logs in, not one that signs. The server may accept it all the same. */
  expired: "The certificate expired on {date}: get a new one.",
  rarely_verified: "Most mail programs cannot verify Ed25519 signatures: prefer RSA or P-256.",
  // The path from the certificate to its root, as receivers check it (RFC 5280 6.1).
  chain_incomplete:
    "The certificate chain stops at {subject}, so receivers cannot verify signatures: add the certificate of its issuer {issuer}.",
  chain_root_unreached:
    "The certificate chain stops at {subject} and does not reach the root {root}: add the certificate of the issuer {issuer}.",
  chain_expired:
    "The certificate of {subject} in the chain expired on {date}: replace it with the authority's current one.",
  chain_not_yet_valid:
    "The certificate of {subject} in the chain is not valid before {date}: replace it with the authority's current one.",
  chain_expires_soon:
    "The certificate of {subject} in the chain expires in {days} days: get the authority's next one.",
  chain_not_authority:
    "{subject} has signed a certificate of the chain and is not an authority (basic constraints): get the certificates of the chain from the authority.",
  chain_key_usage:
    "The authority {subject} may not sign certificates (key usage): get the certificates of the chain from the authority.",
  chain_purpose:
    "The authority {subject} may not issue certificates for email (extended key usage): use a certificate of an authority that may.",
  chain_path_length:
    "The authority {subject} allows {max} authorities below it, but the chain has {count}: use a certificate of an authority closer to it.",
  chain_name:
    "The authority {subject} may not issue certificates for {name} (name constraints): use a certificate of an authority that may.",
  chain_key_identifier:
    "The certificate of {subject} is not the one that {child} names (authority key identifier), which OpenSSL rejects: get the certificates of the chain from the authority.",
  netscape_type:
    "The certificate of {subject} is not for email (Netscape certificate type), which OpenSSL rejects: use one without that type.",
  critical_extension:
    "The certificate of {subject} has a critical extension ({extension}) that mail programs reject: use one without it.",
  any_purpose:
    "The certificate of {subject} allows any purpose without naming email (extended key usage), which OpenSSL and NSS reject: use one with emailProtection.",
  long_serial:
    "The serial number of {subject} has {octets} octets, and some mail programs reject more than 20: use a certificate with a shorter one.",
  weak_hash:
    "The certificate of {subject} is signed with {hash}, which many mail programs reject: use one signed with SHA-256.",
  self_signed: "The certificate is self-signed: each receiver has to trust it by hand.",
  self_signed_end:
    "The certificate is self-signed and not an authority (CA:FALSE), which strict mail programs reject: use one issued by an authority.",
  passphrase_unused: "The private key is not encrypted: private_key_password is not needed.",
  // Key and certificate that cannot sign. The reason is that of the error that rejects them.
  sign_no_key: "{reason}.",
  sign_passphrase: "{reason}.",
  sign_mismatch: "{reason}.",
  sign_expired: "{reason}.",
  sign_usage: "{reason}.",
  sign_sender: "{reason}.",
} as const;
export type NoticeCode = keyof typeof NOTICES;
export const NOTICE_CODES = Object.keys(NOTICES) as readonly NoticeCode[];

/** One notice about one parameter. */
export interface Notice {
  readonly code: NoticeCode;
  readonly parameter: string;
  /** A sentence in English. */
  readonly text: string;
}

/** The names in braces of a sentence. */
export type Placeholder<S extends string> = S extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never;
type Values<C extends NoticeCode> = Readonly<Record<Placeholder<(typeof NOTICES)[C]>, string | number>>;

/** Creates a notice. @param values the values that its sentence names in braces. */
export function notice<C extends NoticeCode>(
  code: C,
  parameter: string,
  ...[values]: [Placeholder<(typeof NOTICES)[C]>] extends [never] ? [] : [values: Values<C>]
): Notice {
  return { code, parameter, text: filled(NOTICES[code], values ?? {}) };
}

/** Returns a sentence with values in place of the names in braces. An unknown name stays as it is. */
export function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
  const known = new Map(Object.entries(values));
  return sentence.replace(/\{(\w+)\}/g, (braces, name: string) => String(known.get(name) ?? braces));
}
