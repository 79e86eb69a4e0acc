import { type Der, equalBytes } from "./der.ts";
import { explain } from "./explain.ts";
import { encryptInfo } from "./key-encryption.ts";
import { readPrivateKey } from "./keys.ts";
import { CERTIFICATE_LABEL, CERTIFICATE_LABELS } from "./label.ts";
import { type PemBlock, readPem, writePem } from "./pem.ts";
import { readPkcs12 } from "./pkcs12.ts";
import { IdentityError, keyForm } from "./problem.ts";

/** Key and certificates as texts. An empty text stands for an absent one. */
export interface IdentityTexts {
  readonly privateKey: string;
  readonly certificate: string;
}

interface Content {
  /** A text with one private key; `null` if there is none. */
  readonly privateKey: string | null;
  readonly certificates: readonly Der[];
  readonly isPkcs12: boolean;
  /** Whether other programs read the certificates in this text. */
  readonly isPlain: boolean;
  /** Whether a certificate has broken base64. */
  readonly isDamaged: boolean;
}

const PLAIN_CERTIFICATE =
  /(?:^|\n)-----BEGIN (?:X509 )?CERTIFICATE-----\r?\n(?:[\w+/=]+\r?\n)+-----END (?:X509 )?CERTIFICATE-----/g;

const isPrivateKey = ({ label }: PemBlock) => label.endsWith("PRIVATE KEY");
const isCertificate = ({ label }: PemBlock) => CERTIFICATE_LABELS.includes(label);

/**
 * Puts the key and the certificates of PKCS#12 files, and of texts that hold both, into the fields where they belong, as
 * PEM. A key from PKCS#12 is encrypted with the passphrase again, unless that is empty.
 * @throws {IdentityError} if a PKCS#12 file cannot be read, or the fields are swapped
 */
export async function separateIdentity(given: IdentityTexts, passphrase: string): Promise<IdentityTexts> {
  const [ofKey, ofCertificate] = [
    await read(given.privateKey, passphrase),
    await read(given.certificate, passphrase),
  ];
  const lacksKey = given.privateKey !== "" && ofKey.privateKey === null;
  if (lacksKey && ofKey.certificates.length > 0 && ofCertificate.privateKey !== null) {
    throw keyForm("private_key holds a certificate, and certificate a private key: swap them");
  }
  if (lacksKey && ofKey.certificates.length === 0 && !ofKey.isPkcs12)
    throw explain(given.privateKey, "private_key");
  const isInCertificate = given.privateKey === "" && given.certificate !== "";
  if (
    (lacksKey && ofKey.isPkcs12) ||
    (isInCertificate && ofCertificate.isPkcs12 && ofCertificate.privateKey === null)
  ) {
    throw keyForm("The PKCS#12 file holds no private key: export it again with its key");
  }
  return {
    privateKey: (isInCertificate ? ofCertificate.privateKey : ofKey.privateKey) ?? given.privateKey,
    certificate: certificateText(given, ofKey, ofCertificate),
  };
}

function certificateText({ privateKey, certificate }: IdentityTexts, ofKey: Content, own: Content): string {
  const further = certificate === "" || ofKey.isPkcs12 ? ofKey.certificates : [];
  // A private key in a readable field is an error, unless it can move to the field where it belongs.
  const isMixed = own.isPkcs12 || (own.privateKey !== null && privateKey === "");
  const isUnreadable = own.isDamaged || (own.certificates.length === 0 && !isMixed);
  if (certificate !== "" && isUnreadable) return certificate;
  const isKept = own.isPlain || own.privateKey !== null;
  if (further.length === 0 && !isMixed && isKept) return certificate;
  return writeCertificates(unique([...own.certificates, ...further]));
}

/**
 * Writes the texts of a key and its certificates as PEM that every program reads. A text that cannot be read,
 * or is not allowed, stays as it is.
 */
export async function rewritePair({ privateKey, certificate }: IdentityTexts): Promise<IdentityTexts> {
  return { privateKey: await rewriteKey(privateKey), certificate: rewriteCertificates(certificate) };
}

/** Some runtimes do not read a compressed point, or RSA without parameters. */
async function rewriteKey(text: string): Promise<string> {
  try {
    return writePem("PRIVATE KEY", (await readPrivateKey(text, "")).pkcs8);
  } catch (error) {
    if (error instanceof IdentityError) return text;
    throw error;
  }
}

function rewriteCertificates(text: string): string {
  const blocks = readPem(text);
  const isKept = arePlain(text, blocks) || blocks.some((block) => isPrivateKey(block) || block.der === null);
  const certificates = blocks.filter(isCertificate).flatMap(({ der }) => der ?? []);
  return isKept || certificates.length === 0 ? text : writeCertificates(certificates);
}

function writeCertificates(certificates: readonly Der[]): string {
  return certificates.map((der) => writePem(CERTIFICATE_LABEL, der)).join("");
}

function arePlain(text: string, blocks: readonly PemBlock[]): boolean {
  return text.match(PLAIN_CERTIFICATE)?.length === blocks.length;
}

async function read(text: string, passphrase: string): Promise<Content> {
  const blocks = readPem(text);
  const file = blocks.find(({ label }) => label === "PKCS12")?.der;
  if (file) return readFile(file, passphrase);
  const certificates = blocks.filter(isCertificate).map(({ der }) => der);
  const whole = certificates.filter((der) => der !== null);
  return {
    privateKey: blocks.some(isPrivateKey) ? text : null,
    certificates: whole,
    isPkcs12: false,
    isPlain: arePlain(text, blocks),
    isDamaged: whole.length < certificates.length,
  };
}

async function readFile(file: Der, passphrase: string): Promise<Content> {
  const { keys, certificates } = await readPkcs12(file, passphrase);
  if (keys.length > 1) {
    throw keyForm(`The PKCS#12 file holds ${keys.length} private keys: export only the one that signs`);
  }
  const [key] = keys;
  return {
    privateKey: key === undefined ? null : await keyText(key, passphrase),
    certificates,
    isPkcs12: true,
    isPlain: false,
    isDamaged: false,
  };
}

async function keyText(pkcs8: Der, passphrase: string): Promise<string> {
  if (passphrase === "") return writePem("PRIVATE KEY", pkcs8);
  return writePem("ENCRYPTED PRIVATE KEY", await encryptInfo(pkcs8, passphrase));
}

function unique(values: readonly Der[]): readonly Der[] {
  return values.filter((value, index) => values.findIndex((other) => equalBytes(other, value)) === index);
}
