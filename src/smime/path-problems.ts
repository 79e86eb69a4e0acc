import { type Notice, type NoticeCode, notice } from "../domain/notices.ts";
import type { Certificate } from "./certificate.ts";
import { equalBytes } from "./der.ts";
import { contentsOf, weakHashOf } from "./issuance.ts";
import { isSameName, nameText } from "./names.ts";
import { daysUntil, EXPIRES_SOON_DAYS, minuteText } from "./validity.ts";

/** Notices about a path that receivers reject. The others are about some receivers, or later ones. */
const FATAL: readonly NoticeCode[] = [
  "chain_expired",
  "chain_not_yet_valid",
  "chain_not_authority",
  "chain_key_usage",
  "chain_purpose",
  "chain_path_length",
  "chain_name",
  "chain_key_identifier",
  "critical_extension",
];

const PARAMETER = "certificate";
const EMAIL_PROTECTION = "1.3.6.1.5.5.7.3.4";
const ANY_PURPOSE = "2.5.29.37.0";
/** Critical extensions that OpenSSL processes. By default it rejects proxy certificates (RFC 3820). */
const KNOWN_EXTENSIONS: readonly string[] = [
  // id-ce: key usage, alternative name, basic constraints, name constraints, CRL distribution points, policies with their
  // mappings, policy constraints, extended key usage, inhibitAnyPolicy.
  ...[15, 17, 19, 30, 31, 32, 33, 36, 37, 54].map((id) => `2.5.29.${id}`),
  // id-pkix-ocsp-nocheck, Netscape's certificate type.
  "1.3.6.1.5.5.7.48.1.5",
  "2.16.840.1.113730.1.1",
];
/** keyCertSign, in the first octet of keyUsage. */
const CERT_SIGN_BIT = 0x04;
/** Netscape's types S/MIME and SSL client. */
const NETSCAPE_MAIL_BITS = 0x20 | 0x80;
/** RFC 5280 4.1.2.2. */
const MAX_SERIAL_OCTETS = 20;

/** Whether receivers reject a path because of this notice. */
export function isFatal({ code }: Notice): boolean {
  return FATAL.includes(code);
}

/**
 * Checks a path as receivers do (RFC 5280 6.1): each certificate and what it may issue. The dates and the usage of the
 * signer are not checked here.
 * @param path the signer first.
 * @param hasRoot whether the last certificate is a root: signed by itself.
 */
export function inspectPath(path: readonly Certificate[], hasRoot: boolean, now: Date): readonly Notice[] {
  return path.flatMap((certificate, index) => {
    const below = path.slice(0, index);
    const isRoot = hasRoot && index === path.length - 1;
    return [
      ...(index > 0 ? authorityNotices(certificate, below, isRoot, now) : typeNotices(certificate)),
      ...strictNotices(certificate, isRoot),
    ];
  });
}

function authorityNotices(
  authority: Certificate,
  below: readonly Certificate[],
  isRoot: boolean,
  now: Date,
): Notice[] {
  const subject = nameText(authority.subject);
  const child = below.at(-1);
  return [
    ...dateNotices(authority, subject, now),
    ...(isAuthority(authority, isRoot) ? [] : [notice("chain_not_authority", PARAMETER, { subject })]),
    ...(maySignCertificates(authority) ? [] : [notice("chain_key_usage", PARAMETER, { subject })]),
    ...(mayIssueForMail(authority) ? [] : [notice("chain_purpose", PARAMETER, { subject })]),
    ...pathLengthNotices(authority, subject, below),
    ...nameNotices(authority, subject, below),
    ...(child && hasOtherIdentifier(authority, child)
      ? [notice("chain_key_identifier", PARAMETER, { subject, child: nameText(child.subject) })]
      : []),
  ];
}

function dateNotices({ notBefore, notAfter }: Certificate, subject: string, now: Date): Notice[] {
  if (now > notAfter) {
    return [notice("chain_expired", PARAMETER, { subject, date: minuteText(notAfter) })];
  }
  if (now < notBefore) {
    return [notice("chain_not_yet_valid", PARAMETER, { subject, date: minuteText(notBefore) })];
  }
  const days = daysUntil(notAfter, now);
  return days < EXPIRES_SOON_DAYS ? [notice("chain_expires_soon", PARAMETER, { subject, days })] : [];
}

/** Roots of version 1 have no extensions, and some roots have keyUsage alone. OpenSSL accepts both. */
function isAuthority({ basicConstraints, keyUsage, version }: Certificate, isRoot: boolean): boolean {
  if (basicConstraints !== null) return basicConstraints.isAuthority;
  return isRoot && (version === 1 || keyUsage !== null);
}

function maySignCertificates({ keyUsage }: Certificate): boolean {
  return keyUsage === null || (keyUsage & CERT_SIGN_BIT) !== 0;
}

function mayIssueForMail({ extendedKeyUsage }: Certificate): boolean {
  return (
    extendedKeyUsage === null ||
    extendedKeyUsage.includes(EMAIL_PROTECTION) ||
    extendedKeyUsage.includes(ANY_PURPOSE)
  );
}

/** Certificates that an authority issues to itself, as for a new key, do not count (RFC 5280 4.2.1.9). */
function pathLengthNotices(
  { basicConstraints }: Certificate,
  subject: string,
  below: readonly Certificate[],
): Notice[] {
  const max = basicConstraints?.pathLength ?? null;
  const count = below.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  return max !== null && count > max ? [notice("chain_path_length", PARAMETER, { subject, max, count })] : [];
}

function nameNotices(
  { nameConstraints }: Certificate,
  subject: string,
  below: readonly Certificate[],
): Notice[] {
  if (nameConstraints === null) return [];
  const constrained = below.filter((certificate, index) => index === 0 || !isSelfIssued(certificate));
  const names = constrained.map(nameConstraints.forbiddenName);
  return names
    .filter((name) => name !== null)
    .map((name) => notice("chain_name", PARAMETER, { subject, name }));
}

/** OpenSSL compares each part that authorityKeyIdentifier has (RFC 5280 4.2.1.1). */
function hasOtherIdentifier(
  { keyIdentifier, issuer, serialNumber }: Certificate,
  { issuerKeyIdentifier, issuersIssuer, issuersSerialNumber }: Certificate,
): boolean {
  return (
    (keyIdentifier !== null &&
      issuerKeyIdentifier !== null &&
      !equalBytes(keyIdentifier, issuerKeyIdentifier)) ||
    (issuersSerialNumber !== null && !equalBytes(contentsOf(serialNumber), issuersSerialNumber)) ||
    (issuersIssuer !== null && !isSameName(issuer, issuersIssuer))
  );
}

/** OpenSSL takes Netscape's type for clients as well. */
function typeNotices({ netscapeType, subject }: Certificate): Notice[] {
  const isForMail = netscapeType === null || (netscapeType & NETSCAPE_MAIL_BITS) !== 0;
  return isForMail ? [] : [notice("netscape_type", PARAMETER, { subject: nameText(subject) })];
}

/** The signature and the serial number of a root do not matter: receivers have their own copy. */
function strictNotices(certificate: Certificate, isRoot: boolean): Notice[] {
  const { criticalExtensions, extendedKeyUsage, serialNumber } = certificate;
  const subject = nameText(certificate.subject);
  const octets = contentsOf(serialNumber).length;
  const hash = isRoot ? null : weakHashOf(certificate);
  const isForAny = extendedKeyUsage?.includes(ANY_PURPOSE) && !extendedKeyUsage.includes(EMAIL_PROTECTION);
  const unknown = criticalExtensions.filter((extension) => !KNOWN_EXTENSIONS.includes(extension));
  return [
    ...unknown.map((extension) => notice("critical_extension", PARAMETER, { subject, extension })),
    ...(isForAny ? [notice("any_purpose", PARAMETER, { subject })] : []),
    ...(octets > MAX_SERIAL_OCTETS && !isRoot ? [notice("long_serial", PARAMETER, { subject, octets })] : []),
    ...(hash === null ? [] : [notice("weak_hash", PARAMETER, { subject, hash })]),
  ];
}

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return isSameName(subject, issuer);
}
