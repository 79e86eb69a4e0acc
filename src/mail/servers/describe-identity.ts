import { BoundedCache } from "../../domain/cache.ts";
import { SealpostError } from "../../errors.ts";
import { type CertificateSummary, describeCertificate, describeKey } from "../../smime/describe.ts";
import type { Inspection } from "../../smime/identity.ts";
import { daysUntil } from "../../smime/validity.ts";
import type { Servers, StoredDefinition } from "./definitions.ts";

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
export type DescribeIdentity = (
  definition: Pick<StoredDefinition, "identifier" | "certificate" | "etag">,
  now: Date,
) => Promise<IdentityReport | null>;

/** Reports that are cached, and for how long: days and path change with time. */
const MAX_CACHED = 1_000;
const CACHED_MS = 60_000;

/**
 * Creates what describes the identities of stored definitions. An inspection decrypts the key and verifies the path, which
 * takes longer than the rest of a request, so the report of a version is cached. It has nothing secret.
 */
export function createDescribeIdentity(servers: Pick<Servers, "inspect">): DescribeIdentity {
  const cache = new BoundedCache<{ readonly report: IdentityReport | null; readonly at: number }>(MAX_CACHED);
  return async ({ identifier, certificate, etag }, now) => {
    if (certificate === "") return null;
    const cached = cache.get(etag);
    if (cached && Math.abs(now.getTime() - cached.at) < CACHED_MS) return cached.report;
    const inspection = await servers.inspect(identifier).catch((error) => {
      if (error instanceof SealpostError && error.code === "unsealable") return null;
      throw error;
    });
    const report = inspection && (await describeInspection(inspection, now));
    cache.set(etag, { report, at: now.getTime() });
    return report;
  };
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
