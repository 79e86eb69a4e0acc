import { SealpostError } from "../../errors.ts";
import { type CertificateSummary, describeCertificate, describeKey } from "../../smime/describe.ts";
import type { Inspection } from "../../smime/identity.ts";
import { daysUntil } from "../../smime/validity.ts";
import type { Servers } from "./definitions.ts";

/** A certificate, and how long it is valid. */
export interface CertificateReport extends CertificateSummary {
  /** Whole days; negative if it has expired. */
  readonly daysLeft: number;
}

/** The certificate that signs the messages of a definition. */
export interface IdentityReport extends CertificateReport {
  readonly addresses: readonly string[];
  /** Kind and size, such as `RSA 2048`. */
  readonly key: string;
  /** The certificate itself, then its issuers, the root included if it was given. */
  readonly path: readonly CertificateReport[];
}

/** Describes the identity of a definition. `null` if there is none, or if it cannot be decrypted. */
export async function describeIdentity(
  servers: Pick<Servers, "inspect">,
  identifier: string,
  now: Date,
): Promise<IdentityReport | null> {
  const inspection = await servers.inspect(identifier).catch((error) => {
    if (error instanceof SealpostError && error.code === "unsealable") return null;
    throw error;
  });
  return inspection && describeInspection(inspection, now);
}

/** Describes an inspected identity. `null` if no certificate belongs to the key. */
export async function describeInspection(
  { path: certificates }: Pick<Inspection, "path">,
  now: Date,
): Promise<IdentityReport | null> {
  const path = await Promise.all(
    certificates.map(async (certificate) => ({
      ...(await describeCertificate(certificate)),
      daysLeft: daysUntil(certificate.notAfter, now),
    })),
  );
  const [certificate] = certificates;
  const [signer] = path;
  if (!certificate || !signer) return null;
  const { addresses, publicKey } = certificate;
  return { ...signer, addresses, key: describeKey(publicKey), path };
}
