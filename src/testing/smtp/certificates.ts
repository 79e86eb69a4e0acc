import {
  concat,
  objectIdentifier,
  sequence,
  setOf,
  smallInteger,
  TAG,
  time,
  tlv,
  unsignedInteger,
} from "../../smime/der.ts";
import type { KeyPair } from "./options.ts";

/** Certificates for tests of TLS, created once per process. */
export interface TestCertificates {
  /** PEM of the authority that issued all but `untrusted` and `untrustedClient`. */
  readonly ca: string;
  /** For `localhost` and `127.0.0.1`. */
  readonly valid: KeyPair;
  /** For `other.example`. */
  readonly wrongName: KeyPair;
  /** For `localhost` and `127.0.0.1`, until 2020. */
  readonly expired: KeyPair;
  /** For `localhost` and `127.0.0.1`, issued by another authority. */
  readonly untrusted: KeyPair;
  /** For a client, with the common name `client.test`. */
  readonly client: KeyPair;
  /** The same, issued by another authority. */
  readonly untrustedClient: KeyPair;
}

interface Authority {
  readonly name: Der;
  readonly keys: CryptoKeyPair;
  readonly pem: string;
}

type Der = Uint8Array<ArrayBuffer>;

interface Template {
  readonly subject: string;
  /** Absent for an authority, and empty for a client. */
  readonly names?: readonly string[];
  readonly from: Date;
  readonly until: Date;
}

const DAY_MS = 86_400_000;
const VALID_DAYS = 30;
const EXPIRED = { from: new Date("2019-01-01T00:00:00Z"), until: new Date("2020-01-01T00:00:00Z") };
const LOCAL = { subject: "localhost", names: ["localhost", "127.0.0.1"] };
const CLIENT = { subject: "client.test", names: [] };
const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;
const ECDSA_WITH_SHA256 = sequence(objectIdentifier("1.2.840.10045.4.3.2"));
const SERIAL_OCTETS = 15;
/** GeneralName (RFC 5280 4.2.1.6). */
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;
const VERSION_3 = tlv(TAG.CONTEXT_0, smallInteger(2));
const CONTEXT_3 = 0xa3;
const BIT_STRING = 0x03;
const BOOLEAN_TRUE = Uint8Array.of(0x01, 0x01, 0xff);
const UTF8_STRING = 0x0c;
/** `[0]` of AuthorityKeyIdentifier (RFC 5280 4.2.1.1). */
const KEY_IDENTIFIER = 0x80;
const KEY_ID_OCTETS = 20;
/** Purposes of ExtKeyUsage (RFC 5280 4.2.1.12). */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** KeyUsage (RFC 5280 4.2.1.3): the number of unused bits, then keyCertSign and cRLSign, or digitalSignature. */
const SIGN_CERTIFICATES = Uint8Array.of(1, 0x06);
const SIGN = Uint8Array.of(7, 0x80);

let created: Promise<TestCertificates> | undefined;

/** Creates an authority and its certificates (ECDSA, P-256), in memory. The second call returns the same. */
export function testCertificates(): Promise<TestCertificates> {
  created ??= create();
  return created;
}

async function create(): Promise<TestCertificates> {
  const now = Date.now();
  // Valid from a day ago, in case another machine's clock is behind.
  const current = { from: new Date(now - DAY_MS), until: new Date(now + VALID_DAYS * DAY_MS) };
  const [authority, other] = await Promise.all([
    createAuthority("Test authority", current),
    createAuthority("Another authority", current),
  ]);
  const [valid, wrongName, expired, untrusted, client, untrustedClient] = await Promise.all([
    issue(authority, { ...LOCAL, ...current }),
    issue(authority, { subject: "other.example", names: ["other.example"], ...current }),
    issue(authority, { ...LOCAL, ...EXPIRED }),
    issue(other, { ...LOCAL, ...current }),
    issue(authority, { ...CLIENT, ...current }),
    issue(other, { ...CLIENT, ...current }),
  ]);
  return { ca: authority.pem, valid, wrongName, expired, untrusted, client, untrustedClient };
}

async function createAuthority(subject: string, dates: Pick<Template, "from" | "until">): Promise<Authority> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const name = nameOf(subject);
  const certificate = await certificateOf({ subject, ...dates }, keys.publicKey, { name, keys });
  return { name, keys, pem: pem("CERTIFICATE", certificate) };
}

async function issue(authority: Authority, template: Template): Promise<KeyPair> {
  const keys = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  const certificate = await certificateOf(template, keys.publicKey, authority);
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return { key: pem("PRIVATE KEY", key), cert: pem("CERTIFICATE", certificate) };
}

/** Creates a certificate (RFC 5280 4.1). */
async function certificateOf(
  { subject, names, from, until }: Template,
  publicKey: CryptoKey,
  issuer: Pick<Authority, "name" | "keys">,
): Promise<Der> {
  const serial = crypto.getRandomValues(new Uint8Array(SERIAL_OCTETS));
  const [ownId, issuerId] = await Promise.all([keyIdOf(publicKey), keyIdOf(issuer.keys.publicKey)]);
  const extensions = [
    extension("2.5.29.14", tlv(TAG.OCTET_STRING, ownId)),
    extension("2.5.29.35", sequence(tlv(KEY_IDENTIFIER, issuerId))),
    ...(names === undefined ? authorityExtensions() : leafExtensions(names)),
  ];
  const toSign = sequence(
    VERSION_3,
    unsignedInteger(serial),
    ECDSA_WITH_SHA256,
    issuer.name,
    sequence(time(from), time(until)),
    nameOf(subject),
    new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
    tlv(CONTEXT_3, sequence(...extensions)),
  );
  const raw = new Uint8Array(await crypto.subtle.sign(SIGNATURE, issuer.keys.privateKey, toSign));
  // WebCrypto concatenates r and s, but RFC 3279 2.2.3 requires a SEQUENCE.
  const half = raw.length / 2;
  const signature = sequence(unsignedInteger(raw.subarray(0, half)), unsignedInteger(raw.subarray(half)));
  return sequence(toSign, ECDSA_WITH_SHA256, bitString(signature));
}

/** Returns the leftmost 160 bits of a hash of the key (RFC 7093 2). */
async function keyIdOf(publicKey: CryptoKey): Promise<Uint8Array> {
  const spki = await crypto.subtle.exportKey("spki", publicKey);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", spki)).subarray(0, KEY_ID_OCTETS);
}

function authorityExtensions(): readonly Der[] {
  const constraints = sequence(BOOLEAN_TRUE);
  return [
    extension("2.5.29.19", constraints, true),
    extension("2.5.29.15", tlv(BIT_STRING, SIGN_CERTIFICATES), true),
  ];
}

function leafExtensions(names: readonly string[]): readonly Der[] {
  const isClient = names.length === 0;
  return [
    extension("2.5.29.15", tlv(BIT_STRING, SIGN), true),
    extension("2.5.29.37", sequence(objectIdentifier(isClient ? CLIENT_AUTH : SERVER_AUTH))),
    ...(isClient ? [] : [extension("2.5.29.17", sequence(...names.map(generalName)))]),
  ];
}

function extension(id: string, value: Der, isCritical = false): Der {
  const critical = isCritical ? [BOOLEAN_TRUE] : [];
  return sequence(objectIdentifier(id), ...critical, tlv(TAG.OCTET_STRING, value));
}

function generalName(name: string): Der {
  const isIp = /^[\d.]+$/.test(name);
  return isIp
    ? tlv(IP_ADDRESS, Uint8Array.from(name.split("."), Number))
    : tlv(DNS_NAME, new TextEncoder().encode(name));
}

function nameOf(commonName: string): Der {
  const text = tlv(UTF8_STRING, new TextEncoder().encode(commonName));
  return sequence(setOf(sequence(objectIdentifier("2.5.4.3"), text)));
}

function bitString(octets: Der): Der {
  return tlv(BIT_STRING, concat([Uint8Array.of(0), octets]));
}

function pem(label: string, der: Der): string {
  const lines = btoa(String.fromCharCode(...der))
    .replace(/.{64}/g, "$&\n")
    .trimEnd();
  return `-----BEGIN ${label}-----\n${lines}\n-----END ${label}-----\n`;
}
