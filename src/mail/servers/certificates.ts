import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { daysUntil, EXPIRES_SOON_DAYS, loadIdentity } from "../../smime/identity.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import type { SmtpServerRepository } from "../../storage/smtp-servers.ts";
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

/**
 * Creates the daily check of the certificates that sign messages. If several processes check, one of them reports. A
 * definition whose certificate cannot be read does not prevent the checks of the others.
 */
export function createCheckCertificates(deps: CheckCertificatesDeps): () => Promise<void> {
  const { database, repository, rateLimits, loadServer, notify, platform } = deps;

  async function check(identifier: string): Promise<void> {
    const now = platform.now();
    const signing = (await loadServer(identifier))?.signing;
    const pkcs8 = await signing?.decryptedKey();
    if (!signing || !pkcs8) return;
    const { notAfter } = await loadIdentity({ pkcs8, certificate: signing.certificate, now });
    const daysLeft = notAfter ? daysUntil(notAfter, now) : EXPIRES_SOON_DAYS;
    if (!notAfter || daysLeft >= EXPIRES_SOON_DAYS || !(await isFirstToReport(identifier, now))) return;
    const expires = notAfter.toISOString().slice(0, "YYYY-MM-DD".length);
    log.warning("The certificate of {identifier} expires on {expires}", { identifier, expires });
    notify("certificate_expiring", { identifier, expires, daysLeft });
  }

  async function isFirstToReport(identifier: string, now: Date): Promise<boolean> {
    const limit = { key: `certificate ${identifier}`, max: 1, windowSeconds: QUIET_SECONDS };
    const [rows] = await database.commit([rateLimits.consume(limit, now)]);
    return rows[0]?.failed === 1;
  }

  return async () => {
    for (const { identifier, smime } of await repository.list()) {
      if (!smime) continue;
      await check(identifier).catch((error) =>
        log.error("Cannot check the certificate of {identifier}: {error}", { identifier, error }),
      );
    }
  };
}
