import { parseAddress } from "../domain/mailbox.ts";
import { type Der, equalBytes } from "./der.ts";
import { certificateContent, type IdentityProblem } from "./problem.ts";

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
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isAuthority: boolean;
  /** The first octet of keyUsage. `null` without that extension. */
  readonly keyUsage: number | null;
  /** Purposes as dotted OIDs. `null` without that extension. */
  readonly extendedKeyUsage: readonly string[] | null;
  /** Unchanged values of rfc822Name, SmtpUTF8Mailbox (RFC 9598) and the subject's emailAddress. */
  readonly addresses: readonly string[];
}

type Validity = Pick<Certificate, "notBefore" | "notAfter">;

/** digitalSignature or nonRepudiation, the first bits of keyUsage (RFC 8550 4.4.2). */
const SIGNING_BITS = 0x80 | 0x40;
/** emailProtection and anyExtendedKeyUsage (RFC 8550 4.4.4). */
const MAIL_PURPOSES: readonly string[] = ["1.3.6.1.5.5.7.3.4", "2.5.29.37.0"];

/** Returns why the certificate must not sign mail, whatever the date. `null` if it may. */
export function usageProblem(certificate: Certificate): IdentityProblem | null {
  const { isAuthority, keyUsage, extendedKeyUsage } = certificate;
  if (isAuthority) {
    return usage("The certificate belongs to an authority (CA): use the one issued to the sender");
  }
  if (keyUsage !== null && (keyUsage & SIGNING_BITS) === 0) {
    return usage("The certificate does not allow signatures (key usage): use one with digitalSignature");
  }
  if (extendedKeyUsage !== null && !extendedKeyUsage.some((purpose) => MAIL_PURPOSES.includes(purpose))) {
    return usage("The certificate does not allow email (extended key usage): use one with emailProtection");
  }
  return null;
}

/** Returns why the certificate must not sign at this time. `null` if it may. */
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

/** Returns the problem if the certificate does not name the sender address. `null` if it does. */
export function senderProblem(
  { addresses }: Pick<Certificate, "addresses">,
  address: string,
): IdentityProblem | null {
  const wanted = comparable(address);
  if (addresses.some((candidate) => comparable(candidate) === wanted)) return null;
  const names = addresses.length === 0 ? "no address" : addresses.join(", ");
  return certificateContent(
    "sign_sender",
    `The certificate does not name the sender ${address}, but ${names}: change sender or the certificate`,
  );
}

/** Returns the signer, its issuers in order, then the other authorities. Other certificates are left out. */
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

function usage(reason: string): IdentityProblem {
  return certificateContent("sign_usage", reason);
}

/** Mailboxes compare without regard to case, domains as A-labels. */
function comparable(address: string): string {
  return (parseAddress(address) ?? address).toLowerCase();
}

function day(date: Date): string {
  return date.toISOString().slice(0, "YYYY-MM-DD".length);
}
