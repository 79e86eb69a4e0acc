import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { daysUntil, EXPIRES_SOON_DAYS, loadIdentity } from "../../smime/identity.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import type { SmtpServerRepository } from "../../storage/smtp-servers.ts";
import type { Notify } from "../events.ts";

/** Less than a day, so that a check that comes a little early is not the one that says nothing. */
const QUIET_SECONDS = 20 * 3_600;
const log = getLogger(["sealpost", "mail"]);

/**
 * Makes the daily look at the certificates that mail is signed with. Of several processes that look, one tells. A
 * definition whose certificate cannot be read keeps nobody from looking at the others.
 */
export function createCheckCertificates(parts: {
  readonly database: Database;
  readonly repository: SmtpServerRepository;
  readonly rateLimits: RateLimitRepository;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
}): () => Promise<void> {
  const { database, repository, rateLimits, loadServer, notify, platform } = parts;

  async function check(identifier: string): Promise<void> {
    const now = platform.now();
    const signing = (await loadServer(identifier))?.signing;
    const pkcs8 = await signing?.decryptedKey();
    if (!signing || !pkcs8) return;
    const { notAfter } = await loadIdentity({ pkcs8, certificate: signing.certificate, now });
    const daysLeft = notAfter ? daysUntil(notAfter, now) : EXPIRES_SOON_DAYS;
    if (!notAfter || daysLeft >= EXPIRES_SOON_DAYS || !(await isFirstToTell(identifier, now))) return;
    const expires = notAfter.toISOString().slice(0, "YYYY-MM-DD".length);
    log.warning("The certificate of {identifier} expires on {expires}", { identifier, expires });
    notify("certificate_expiring", { identifier, expires, daysLeft });
  }

  async function isFirstToTell(identifier: string, now: Date): Promise<boolean> {
    const limit = { key: `certificate ${identifier}`, max: 1, windowSeconds: QUIET_SECONDS };
    const [rows] = await database.commit([rateLimits.consume(limit, now)]);
    return rows[0]?.failed === 1;
  }

  return async () => {
    for (const { identifier, smime } of await repository.list()) {
      if (!smime) continue;
      await check(identifier).catch((error) =>
        log.error("The certificate of {identifier} could not be looked at: {error}", { identifier, error }),
      );
    }
  };
}
