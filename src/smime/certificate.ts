import { parseAddress } from "../domain/mailbox.ts";
import { type Der, equalBytes } from "./der.ts";
import { certificateContent, type IdentityProblem } from "./problem.ts";

/** What signing mail needs to know of one X.509 certificate (RFC 5280). */
export interface Certificate {
  readonly der: Der;
  /** `SubjectPublicKeyInfo`. */
  readonly publicKey: Der;
  /** `Name`, byte for byte as the certificate has it. */
  readonly issuer: Der;
  readonly subject: Der;
  /** `CertificateSerialNumber`, a whole INTEGER. */
  readonly serialNumber: Der;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isAuthority: boolean;
  /** The first octet of keyUsage; null without that extension. */
  readonly keyUsage: number | null;
  /** Purposes as dotted OIDs; null without that extension. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** rfc822Name, SmtpUTF8Mailbox (RFC 9598) and the subject's emailAddress, as they stand there. */
  readonly addresses: readonly string[];
}

/** digitalSignature or nonRepudiation, the first bits of keyUsage (RFC 8550 4.4.2). */
const SIGNING_BITS = 0x80 | 0x40;
/** emailProtection and anyExtendedKeyUsage (RFC 8550 4.4.4). */
const MAIL_PURPOSES: readonly string[] = ["1.3.6.1.5.5.7.3.4", "2.5.29.37.0"];

/** Why the certificate may not sign mail, whatever the date; null if it may. */
export function usageProblem(certificate: Certificate): IdentityProblem | null {
  const { isAuthority, keyUsage, extendedKeyUsage } = certificate;
  if (isAuthority) {
    return usage("The certificate is that of an authority (CA): give the one issued to the sender");
  }
  if (keyUsage !== null && (keyUsage & SIGNING_BITS) === 0) {
    return usage("The certificate is not for signatures (key usage): give one with digitalSignature");
  }
  if (extendedKeyUsage !== null && !extendedKeyUsage.some((purpose) => MAIL_PURPOSES.includes(purpose))) {
    return usage("The certificate is not for mail (extended key usage): give one with emailProtection");
  }
  return null;
}

/** Why the certificate may not sign at this time; null if it may. */
export function dateProblem({ notBefore, notAfter }: Validity, now: Date): IdentityProblem | null {
  if (now > notAfter) {
    const reason = `The certificate expired on ${day(notAfter)}: get a new one`;
    return certificateContent("sign_expired", reason);
  }
  if (now < notBefore) {
    const reason = `The certificate is not valid before ${day(notBefore)}: wait, or check the clock`;
    return certificateContent("sign_expired", reason);
  }
  return null;
}

/** Why mail from this address may not be signed: the certificate does not name it. Null if it does. */
export function senderProblem(
  { addresses }: Pick<Certificate, "addresses">,
  address: string,
): IdentityProblem | null {
  const wanted = comparable(address);
  if (addresses.some((candidate) => comparable(candidate) === wanted)) return null;
  const names = addresses.length === 0 ? "no address" : addresses.join(", ");
  return certificateContent(
    "sign_sender",
    `The certificate does not name the sender ${address}, but ${names}`,
  );
}

/** Signer first, then its issuers in order, then the other authorities; strangers are left out. */
export function orderChain(signer: Certificate, given: readonly Certificate[]): readonly Certificate[] {
  const chain = [signer];
  const rest = new Set(given.filter((certificate) => certificate.isAuthority && certificate !== signer));
  for (let last = signer; !equalBytes(last.issuer, last.subject); ) {
    const issuer = [...rest].find(({ subject }) => equalBytes(subject, last.issuer));
    if (issuer === undefined) break;
    rest.delete(issuer);
    chain.push(issuer);
    last = issuer;
  }
  return [...chain, ...rest];
}

type Validity = Pick<Certificate, "notBefore" | "notAfter">;

function usage(reason: string): IdentityProblem {
  return certificateContent("sign_usage", reason);
}

/** Mailboxes compare without regard to case here, domains as A-labels. */
function comparable(address: string): string {
  return (parseAddress(address) ?? address).toLowerCase();
}

function day(date: Date): string {
  return date.toISOString().slice(0, "YYYY-MM-DD".length);
}
