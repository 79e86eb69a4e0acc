import { type BaseBlock, Boolean as BooleanValue, IA5String, OctetString, Utf8String } from "asn1js";
import * as pkijs from "pkijs";
import {
  bitsOf,
  child,
  children,
  type Der,
  DerError,
  firstOctetOf,
  isContext,
  joinedOctetsOf,
  numberOf,
  octetsOf,
  oidOf,
  rawOf,
  readDer,
} from "./der.ts";
import { explain } from "./explain.ts";
import { CERTIFICATE_LABELS } from "./label.ts";
import {
  type GeneralName,
  ia5Of,
  type NameConstraints,
  readGeneralName,
  readNameConstraints,
} from "./name-constraints.ts";
import { comparableName } from "./names.ts";
import { type PemBlock, readPem } from "./pem.ts";
import { certificateContent, certificateForm, IdentityError } from "./problem.ts";

/** The fields of an X.509 certificate (RFC 5280) that matter for signing mail. */
export interface Certificate {
  readonly der: Der;
  /** `SubjectPublicKeyInfo`. */
  readonly publicKey: Der;
  /** `Name`, byte for byte as in the certificate. */
  readonly issuer: Der;
  readonly subject: Der;
  /** `CertificateSerialNumber`, a whole INTEGER. */
  readonly serialNumber: Der;
  /** 1, 2 or 3. */
  readonly version: number;
  /** `TBSCertificate`, the part that the issuer signed. */
  readonly signed: Der;
  /** `AlgorithmIdentifier` of the signature. */
  readonly signatureAlgorithm: Der;
  /** Contents of the BIT STRING. */
  readonly signature: Der;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** `null` without that extension, as in certificates of versions 1 and 2. */
  readonly basicConstraints: BasicConstraints | null;
  /** The first octet of keyUsage. `null` without that extension. */
  readonly keyUsage: number | null;
  /** Purposes as dotted OIDs. `null` without that extension. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** Key identifier of this certificate's key, and of its issuer's. `null` if absent. */
  readonly keyIdentifier: Der | null;
  readonly issuerKeyIdentifier: Der | null;
  /** Issuer of the issuer's certificate, and the contents of its serial number, as this one names them. `null` if absent. */
  readonly issuersIssuer: Der | null;
  readonly issuersSerialNumber: Der | null;
  /** `null` without that extension. */
  readonly nameConstraints: NameConstraints | null;
  /** Dotted OIDs of the extensions that receivers must understand (RFC 5280 4.2). */
  readonly criticalExtensions: readonly string[];
  /** Unchanged values of rfc822Name, SmtpUTF8Mailbox (RFC 9598) and the subject's emailAddress. */
  readonly addresses: readonly string[];
  /** The other names of subjectAltName. */
  readonly alternativeNames: readonly GeneralName[];
  /** Netscape's certificate type. `null` without that extension. */
  readonly netscapeType: number | null;
}

interface BasicConstraints {
  readonly isAuthority: boolean;
  /** Authorities that may follow below this one. `null` for any number. */
  readonly pathLength: number | null;
}

/** An S/MIME chain has two to four. The bound limits the verifications that a hostile text can cause. */
const MAX_CERTIFICATES = 16;

const OID = {
  subjectAltName: "2.5.29.17",
  keyUsage: "2.5.29.15",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  nameConstraints: "2.5.29.30",
  basicConstraints: "2.5.29.19",
  extendedKeyUsage: "2.5.29.37",
  emailAddress: "1.2.840.113549.1.9.1",
  netscapeType: "2.16.840.1.113730.1.1",
  smtpUtf8Mailbox: "1.3.6.1.5.5.7.8.9",
} as const;
/** `GeneralName` choices (RFC 5280 4.2.1.6). */
const OTHER_NAME = 0;
const RFC822_NAME = 1;
const DIRECTORY_NAME = 4;

/**
 * Reads the certificates of a PEM text, in its order.
 * @throws {IdentityError} if the text holds no certificate, more than 16, a damaged one, or a private key.
 */
export function parseCertificates(pem: string): readonly Certificate[] {
  if (pem.trim() === "") {
    throw new IdentityError(
      certificateContent("sign_no_key", "There is no certificate to sign with: set certificate"),
    );
  }
  const blocks = readPem(pem);
  for (const { label } of blocks) assertLabel(label);
  const certificates = blocks.filter(({ label }) => CERTIFICATE_LABELS.includes(label));
  if (certificates.length === 0) throw explain(pem, "certificate");
  if (certificates.length > MAX_CERTIFICATES) {
    throw certificateForm(
      `There are more than ${MAX_CERTIFICATES} certificates: keep only the chain of the sender`,
    );
  }
  return certificates.map((block, index) => parseCertificate(block, index + 1));
}

function assertLabel(label: string): void {
  if (label.endsWith("PRIVATE KEY")) {
    // Everyone who may read the definition sees its certificate.
    throw certificateForm("The certificate text holds a private key: move it to private_key");
  }
}

function parseCertificate({ der }: PemBlock, ordinal: number): Certificate {
  try {
    if (der === null) throw new DerError("Broken base64");
    const names = readNames(der);
    const parsed = pkijs.Certificate.fromBER(der);
    const alternative = extension(parsed, OID.subjectAltName);
    const alternatives = alternative === null ? [] : children(alternative);
    const addresses = [...alternatives.flatMap(alternativeAddresses), ...subjectAddresses(parsed)];
    return {
      der,
      ...names,
      ...readSignature(der),
      ...readValidity(parsed),
      ...readUsage(parsed),
      ...readIdentifiers(parsed),
      criticalExtensions: readCritical(parsed),
      addresses,
      alternativeNames: alternatives
        .filter((name) => alternativeAddresses(name).length === 0)
        .map(readGeneralName),
    };
  } catch (cause) {
    const reason = `Certificate ${ordinal} of the text is damaged: paste the whole PEM block again`;
    throw certificateForm(reason, { cause });
  }
}

type Names = Pick<Certificate, "version" | "serialNumber" | "issuer" | "subject" | "publicKey">;

/** Reads the fields that are signed or compared, byte for byte as they were issued (RFC 5280 4.1). */
function readNames(der: Der): Names {
  const fields = children(child(readDer(der), 0));
  const [first] = fields;
  const hasVersion = first !== undefined && isContext(first, 0);
  const version = hasVersion ? numberOf(child(first, 0)) + 1 : 1;
  const [serialNumber, , issuer, , subject, publicKey] = fields.slice(hasVersion ? 1 : 0).map(rawOf);
  if (!serialNumber || !issuer || !subject || !publicKey) throw new DerError("Missing fields");
  // Names that cannot be compared would be an error later.
  for (const name of [issuer, subject]) comparableName(name);
  return { version, serialNumber, issuer, subject, publicKey };
}

function readSignature(der: Der): Pick<Certificate, "signed" | "signatureAlgorithm" | "signature"> {
  const [signed, algorithm, signature] = children(readDer(der));
  if (!signed || !algorithm || !signature) throw new DerError("Missing signature");
  return { signed: rawOf(signed), signatureAlgorithm: rawOf(algorithm), signature: bitsOf(signature) };
}

/** Rejects invalid dates, which would compare as neither past nor future. */
function readValidity(parsed: pkijs.Certificate): Pick<Certificate, "notBefore" | "notAfter"> {
  const [notBefore, notAfter] = [parsed.notBefore.value, parsed.notAfter.value];
  if (Number.isNaN(notBefore.getTime()) || Number.isNaN(notAfter.getTime()))
    throw new DerError("Broken dates");
  return { notBefore, notAfter };
}

function readUsage(
  parsed: pkijs.Certificate,
): Pick<Certificate, "basicConstraints" | "keyUsage" | "extendedKeyUsage" | "netscapeType"> {
  const constraints = extension(parsed, OID.basicConstraints);
  const purposes = extension(parsed, OID.extendedKeyUsage);
  const bits = extension(parsed, OID.keyUsage);
  const type = extension(parsed, OID.netscapeType);
  return {
    basicConstraints: constraints && readConstraints(children(constraints)),
    keyUsage: bits && firstOctetOf(bits),
    extendedKeyUsage: purposes && children(purposes).map(oidOf),
    netscapeType: type && firstOctetOf(type),
  };
}

/** Both fields are optional. */
function readConstraints([first, second]: readonly BaseBlock[]): BasicConstraints {
  const hasFlag = first instanceof BooleanValue;
  const pathLength = hasFlag ? second : first;
  return {
    isAuthority: hasFlag && first.getValue(),
    pathLength: pathLength === undefined ? null : numberOf(pathLength),
  };
}

/** Reads the extensions that concern the certificates above or below this one. */
function readIdentifiers(
  parsed: pkijs.Certificate,
): Pick<
  Certificate,
  "keyIdentifier" | "issuerKeyIdentifier" | "issuersIssuer" | "issuersSerialNumber" | "nameConstraints"
> {
  const own = extension(parsed, OID.subjectKeyIdentifier);
  const issuer = extension(parsed, OID.authorityKeyIdentifier);
  const names = extension(parsed, OID.nameConstraints);
  const fieldOf = (tag: number) => issuer && children(issuer).find((field) => isContext(field, tag));
  const [issuerKey, issuersNames, serialNumber] = [fieldOf(0), fieldOf(1), fieldOf(2)];
  const issuersName = issuersNames && children(issuersNames).find((name) => isContext(name, DIRECTORY_NAME));
  return {
    keyIdentifier: own instanceof OctetString ? octetsOf(own) : null,
    issuerKeyIdentifier: issuerKey ? joinedOctetsOf(issuerKey) : null,
    issuersIssuer: issuersName ? readGeneralName(issuersName).value : null,
    issuersSerialNumber: serialNumber ? joinedOctetsOf(serialNumber) : null,
    nameConstraints: names && readNameConstraints(names),
  };
}

function readCritical({ extensions = [] }: pkijs.Certificate): readonly string[] {
  return extensions.filter(({ critical }) => critical).map(({ extnID }) => extnID);
}

function alternativeAddresses(name: BaseBlock): readonly string[] {
  if (isContext(name, RFC822_NAME)) return [ia5Of(joinedOctetsOf(name))];
  return isContext(name, OTHER_NAME) ? smtpUtf8Mailbox(name) : [];
}

/** Reads an otherName whose value, in `[0]`, is a UTF8String (RFC 9598 3). */
function smtpUtf8Mailbox(otherName: BaseBlock): readonly string[] {
  if (oidOf(child(otherName, 0)) !== OID.smtpUtf8Mailbox) return [];
  const text = child(child(otherName, 1), 0);
  if (text instanceof Utf8String) return [text.getValue()];
  throw new DerError("Not a UTF-8 string");
}

/** Reads emailAddress in the subject, as in old certificates (RFC 5280 4.1.2.6). */
function subjectAddresses(parsed: pkijs.Certificate): readonly string[] {
  return parsed.subject.typesAndValues
    .filter(({ type }) => type === OID.emailAddress)
    .flatMap(({ value }) =>
      value instanceof IA5String || value instanceof Utf8String ? [value.getValue()] : [],
    );
}

/** Returns the value of an extension, or `null` without it. Treats an unparsable extension as an error, not as absent. */
function extension({ extensions = [] }: pkijs.Certificate, oid: string): BaseBlock | null {
  const found = extensions.find(({ extnID }) => extnID === oid);
  return found === undefined ? null : readDer(found.extnValue.valueBlock.valueHexView);
}
