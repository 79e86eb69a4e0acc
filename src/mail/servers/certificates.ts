import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { daysUntil, EXPIRES_SOON_DAYS, expiryOf, loadIdentity } from "../../smime/identity.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Notify } from "../events.ts";

/** Less than a day, so that a daily check that comes a little early still reports. */
const QUIET_SECONDS = 20 * 3_600;
const log = getLogger(["sealpost", "mail"]);

interface CheckCertificatesDeps {
  readonly database: Database;
  readonly repository: SmtpServerRepository;
  readonly rateLimits: RateLimitRepository;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
}

/** The certificates of a definition: to sign messages, and to log in. */
const CERTIFICATES = ["certificate", "tlsCertificate", "oauthCertificate"] as const;
type CertificateName = (typeof CERTIFICATES)[number];

/**
 * Creates the daily check of certificates. If several processes check, one of them reports. A certificate that cannot be
 * read does not prevent the checks of the others.
 */
export function createCheckCertificates(deps: CheckCertificatesDeps): () => Promise<void> {
  const { database, repository, rateLimits, loadServer, notify, platform } = deps;

  async function check(row: SmtpServerRow, name: CertificateName): Promise<void> {
    const now = platform.now();
    const notAfter = await (name === "certificate" ? signingExpiry(row, now) : expiryOf(row[name]));
    const daysLeft = notAfter ? daysUntil(notAfter, now) : EXPIRES_SOON_DAYS;
    if (!notAfter || daysLeft >= EXPIRES_SOON_DAYS) return;
    const { identifier } = row;
    const { parameter } = DEFINITION_FIELDS[name];
    if (!(await isFirstToReport(`${parameter} ${identifier}`, now))) return;
    const expires = notAfter.toISOString().slice(0, "YYYY-MM-DD".length);
    log.warning("{parameter} of {identifier} expires on {expires}", { parameter, identifier, expires });
    notify("certificate_expiring", { identifier, parameter, expires, daysLeft });
  }

  /** Returns when the certificate of the signing key expires. `null` if none belongs to it. */
  async function signingExpiry({ identifier }: SmtpServerRow, now: Date): Promise<Date | null> {
    const signing = (await loadServer(identifier))?.signing;
    const pkcs8 = await signing?.decryptedKey();
    if (!signing || !pkcs8) return null;
    return (await loadIdentity({ pkcs8, certificate: signing.certificate, now })).notAfter;
  }

  async function isFirstToReport(key: string, now: Date): Promise<boolean> {
    const limit = { key, max: 1, windowSeconds: QUIET_SECONDS };
    const [rows] = await database.commit([rateLimits.consume(limit, now)]);
    return rows[0]?.failed === 1;
  }

  return async () => {
    for (const row of await repository.list()) {
      const { identifier } = row;
      for (const name of CERTIFICATES.filter((one) => isUsed(row, one))) {
        const { parameter } = DEFINITION_FIELDS[name];
        await check(row, name).catch((error) =>
          log.error("Cannot check {parameter} of {identifier}: {error}", { parameter, identifier, error }),
        );
      }
    }
  };
}

function isUsed(row: SmtpServerRow, name: CertificateName): boolean {
  return row[name] !== "" && (name !== "certificate" || row.smime);
}
