import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { auditEntry } from "../../domain/audit.ts";
import { BoundedCache } from "../../domain/cache.ts";
import { DEFINITION_FIELDS } from "../../domain/definition-fields.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import { expiryOf } from "../../smime/identity.ts";
import { daysUntil, EXPIRES_SOON_DAYS, earliestEnd } from "../../smime/validity.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import { type SmtpServerRepository, type SmtpServerRow, versionKey } from "../../storage/smtp-servers.ts";
import type { Notify } from "../events.ts";
import { inspectSource } from "./check-identity.ts";

/** Less than a day, so that a daily check that comes a little early still reports. */
const QUIET_SECONDS = 20 * 3_600;
const ACTOR = {
  action: "certificate check",
  administrator: "",
  realm: "",
  client: "",
  policies: "",
  requestId: "",
};
const log = getLogger(["sealpost", "mail"]);

interface CheckCertificatesDeps {
  readonly database: Database;
  readonly repository: SmtpServerRepository;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
}

/** The certificates of a definition: to sign messages, and to log in. */
const CERTIFICATES = ["certificate", "tlsCertificate", "oauthCertificate"] as const;
type CertificateName = (typeof CERTIFICATES)[number];

/**
 * Creates the check of certificates, at each start and daily. Each check logs; if several processes check, one of them
 * writes the audit row and emits the event. A certificate that cannot be read does not prevent the checks of the others.
 */
export function createCheckCertificates(deps: CheckCertificatesDeps): () => Promise<void> {
  const { database, repository, audit, rateLimits, notify, platform } = deps;

  async function check(identifier: string, { parameter, end }: UsedCertificate): Promise<void> {
    const now = platform.now();
    const notAfter = await end(now);
    const daysLeft = notAfter ? daysUntil(notAfter, now) : EXPIRES_SOON_DAYS;
    if (!notAfter || daysLeft >= EXPIRES_SOON_DAYS) return;
    const expires = notAfter.toISOString().slice(0, "YYYY-MM-DD".length);
    log.warning("{parameter} of {identifier} expires on {expires}", { parameter, identifier, expires });
    if (!(await isFirstToReport(`${parameter} ${identifier}`, now))) return;
    const info = `${parameter} expires on ${expires}`;
    await database.append(audit.insert(auditEntry(ACTOR, now, { success: false, identifier, info })));
    notify("certificate_expiring", { identifier, parameter, expires, daysLeft });
  }

  async function isFirstToReport(key: string, now: Date): Promise<boolean> {
    const limit = { key, max: 1, windowSeconds: QUIET_SECONDS };
    const [rows] = await database.commit([rateLimits.consume(limit, now)]);
    return rows[0]?.failed === 1;
  }

  return async () => {
    for (const row of await repository.list()) {
      const { identifier } = row;
      for (const certificate of certificatesOf(row, deps)) {
        const { parameter } = certificate;
        await check(identifier, certificate).catch((error) =>
          log.error("Cannot check {parameter} of {identifier}: {error}", { parameter, identifier, error }),
        );
      }
    }
  };
}

/** A certificate that a definition uses. */
interface UsedCertificate {
  readonly parameter: string;
  /** See {@link endOf}. */
  end(now: Date): Promise<Date | null>;
}

/** Returns the certificates that a definition uses. */
export function certificatesOf(row: SmtpServerRow, deps: LoadServer): readonly UsedCertificate[] {
  const used = CERTIFICATES.filter((name) => row[name] !== "" && (name !== "certificate" || row.smime));
  return used.map((name) => ({
    parameter: DEFINITION_FIELDS[name].parameter,
    end: (now) => endOf(deps, row, name, now),
  }));
}

type LoadServer = Pick<CheckCertificatesDeps, "loadServer">;

/**
 * Returns when a certificate ends; for the one to sign with, the first end in the path of the signing key's certificate.
 * `null` if it cannot be read, or does not belong to the key.
 */
async function endOf(
  { loadServer }: LoadServer,
  row: SmtpServerRow,
  name: CertificateName,
  now: Date,
): Promise<Date | null> {
  if (name !== "certificate") return expiryOf(row[name]);
  const signing = (await loadServer(row.identifier))?.signing;
  if (!signing) return null;
  const { path } = await inspectSource(signing, now);
  return path.length > 0 ? earliestEnd(path) : null;
}

/** Definitions whose end is remembered, and for how long. */
const MAX_REMEMBERED = 1_000;
const REMEMBERED_MS = 3_600_000;

export type FirstEnd = (row: SmtpServerRow, now: Date) => Promise<Date | null>;

/**
 * Creates what returns the first end of the certificates that a definition uses; `null` if it uses none, or none can be
 * read. A version of a definition is inspected once an hour, because the path may change with time.
 */
export function createFirstEnd(deps: LoadServer): FirstEnd {
  const remembered = new BoundedCache<{ readonly end: Date | null; readonly at: number }>(MAX_REMEMBERED);
  return async (row, now) => {
    const key = versionKey(row);
    const known = remembered.get(key);
    if (known && Math.abs(now.getTime() - known.at) < REMEMBERED_MS) return known.end;
    const used = certificatesOf(row, deps).map((certificate) => certificate.end(now).catch(() => null));
    const ends = await Promise.all(used);
    const [end = null] = ends.filter((one) => one !== null).sort((one, other) => Number(one) - Number(other));
    remembered.set(key, { end, at: now.getTime() });
    return end;
  };
}
