import { IA5String, Utf8String } from "asn1js";
import type { Certificate } from "./certificate.ts";
import type { Der } from "./der.ts";
import { type PemBlock, readPem } from "./pem.ts";
import type * as Pkijs from "./pkijs.ts";
import { certificateContent, certificateForm, IdentityError } from "./problem.ts";
import { child, children, DerError, firstOctetOf, isContext, oidOf, rawOf, readDer } from "./read.ts";

/** A mail chain has two to four; the bound keeps a hostile text from costing a verification each. */
const MAX_CERTIFICATES = 16;

const OID = {
  subjectAltName: "2.5.29.17",
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  emailAddress: "1.2.840.113549.1.9.1",
  smtpUtf8Mailbox: "1.3.6.1.5.5.7.8.9",
} as const;
/** `GeneralName` choices (RFC 5280 4.2.1.6). */
const OTHER_NAME = 0;
const RFC822_NAME = 1;

const CERTIFICATE_LABELS: readonly string[] = ["CERTIFICATE", "X509 CERTIFICATE"];
/** What to do about labels that are no certificate. */
const UNSUPPORTED_LABELS: Readonly<Record<string, string>> = {
  "TRUSTED CERTIFICATE":
    "is in openssl's own form. Convert it with: openssl x509 -in cert.pem -out cert2.pem",
  PKCS7: "is PKCS#7. Convert it with: openssl pkcs7 -in cert.p7b -print_certs -out cert.pem",
  "CERTIFICATE REQUEST": "is only a request: give the certificate that the authority made from it",
};
const NOT_PEM =
  "The certificate is not PEM text (-----BEGIN CERTIFICATE-----). Convert a PKCS#12 file with: " +
  "openssl pkcs12 -in file.p12 -nokeys -out cert.pem, a DER file with: openssl x509 -in cert.der -out cert.pem";

/**
 * Reads the certificates of a PEM text, in its order.
 * @param pkijs the module, which its one importer loads on demand.
 * @throws {IdentityError} if there is none, too many, a private key among them, or one is damaged.
 */
export function parseCertificates(pkijs: typeof Pkijs, pem: string): readonly Certificate[] {
  if (pem.trim() === "") {
    throw new IdentityError(certificateContent("sign_no_key", "There is no certificate to sign with"));
  }
  const blocks = readPem(pem);
  for (const { label } of blocks) refuseLabel(label);
  const certificates = blocks.filter(({ label }) => CERTIFICATE_LABELS.includes(label));
  if (certificates.length === 0) throw certificateForm(NOT_PEM);
  if (certificates.length > MAX_CERTIFICATES) {
    throw certificateForm(
      `There are more than ${MAX_CERTIFICATES} certificates: leave only the sender's chain`,
    );
  }
  return certificates.map((block, index) => parseCertificate(pkijs, block, index + 1));
}

function refuseLabel(label: string): void {
  if (label.endsWith("PRIVATE KEY")) {
    // A certificate is shown to whoever may read the definition.
    throw certificateForm("The certificate text holds a private key: move it to private_key");
  }
  const unsupported = UNSUPPORTED_LABELS[label];
  if (unsupported !== undefined) throw certificateForm(`The certificate ${unsupported}`);
}

function parseCertificate(pkijs: typeof Pkijs, { der }: PemBlock, ordinal: number): Certificate {
  try {
    if (der === null) throw new DerError("Broken base64");
    const names = readNames(der);
    const parsed = pkijs.Certificate.fromBER(der);
    const addresses = [...alternativeAddresses(pkijs, parsed), ...subjectAddresses(parsed)];
    return { der, ...names, ...readValidity(parsed), ...readUsage(pkijs, parsed), addresses };
  } catch (cause) {
    const reason = `Certificate ${ordinal} of the text is damaged: paste the whole PEM block again`;
    throw certificateForm(reason, { cause });
  }
}

/** RFC 5280 4.1: the fields that go into a signature or are compared, byte for byte as they were issued. */
function readNames(der: Der): Pick<Certificate, "serialNumber" | "issuer" | "subject" | "publicKey"> {
  const fields = children(child(readDer(der), 0));
  const hasVersion = fields[0] !== undefined && isContext(fields[0], 0);
  const [serialNumber, , issuer, , subject, publicKey] = fields.slice(hasVersion ? 1 : 0).map(rawOf);
  if (!serialNumber || !issuer || !subject || !publicKey) throw new DerError("Missing fields");
  return { serialNumber, issuer, subject, publicKey };
}

/** A date that is none would compare as neither past nor future. */
function readValidity(parsed: Pkijs.Certificate): Pick<Certificate, "notBefore" | "notAfter"> {
  const [notBefore, notAfter] = [parsed.notBefore.value, parsed.notAfter.value];
  if (Number.isNaN(notBefore.getTime()) || Number.isNaN(notAfter.getTime()))
    throw new DerError("Broken dates");
  return { notBefore, notAfter };
}

function readUsage(
  pkijs: typeof Pkijs,
  parsed: Pkijs.Certificate,
): Pick<Certificate, "isAuthority" | "keyUsage" | "extendedKeyUsage"> {
  const constraints = extension(parsed, OID.basicConstraints);
  const purposes = extension(parsed, OID.extendedKeyUsage);
  const bits = find(parsed, OID.keyUsage);
  return {
    isAuthority: constraints !== null && expect(constraints, pkijs.BasicConstraints).cA,
    keyUsage: bits === null ? null : firstOctetOf(readDer(bits.extnValue.valueBlock.valueHexView)),
    extendedKeyUsage: purposes === null ? null : expect(purposes, pkijs.ExtKeyUsage).keyPurposes,
  };
}

function alternativeAddresses(pkijs: typeof Pkijs, parsed: Pkijs.Certificate): readonly string[] {
  const names = extension(parsed, OID.subjectAltName);
  if (names === null) return [];
  return expect(names, pkijs.AltName).altNames.flatMap(({ type, value }) => {
    if (type === RFC822_NAME) return [String(value)];
    return type === OTHER_NAME ? smtpUtf8Mailbox(value) : [];
  });
}

/** RFC 9598 3: an otherName whose value, in `[0]`, is a UTF8String. */
function smtpUtf8Mailbox(otherName: Parameters<typeof children>[0]): readonly string[] {
  if (oidOf(child(otherName, 0)) !== OID.smtpUtf8Mailbox) return [];
  return [expect(child(child(otherName, 1), 0), Utf8String).getValue()];
}

/** RFC 5280 4.1.2.6: emailAddress in the subject, the way of old certificates. */
function subjectAddresses(parsed: Pkijs.Certificate): readonly string[] {
  return parsed.subject.typesAndValues
    .filter(({ type }) => type === OID.emailAddress)
    .flatMap(({ value }) =>
      value instanceof IA5String || value instanceof Utf8String ? [value.getValue()] : [],
    );
}

function find(parsed: Pkijs.Certificate, oid: string): Pkijs.Extension | null {
  return parsed.extensions?.find(({ extnID }) => extnID === oid) ?? null;
}

/** The value of an extension; null without it. What pkijs cannot read must not pass for absent. */
function extension(parsed: Pkijs.Certificate, oid: string): object | null {
  const found = find(parsed, oid);
  if (found === null) return null;
  const value = found.parsedValue;
  if (value === undefined || value.parsingError !== undefined) throw new DerError(`Broken extension ${oid}`);
  return value;
}

function expect<T>(value: unknown, type: new (...parameters: never[]) => T): T {
  if (value instanceof type) return value;
  throw new DerError("A value is of another type");
}
