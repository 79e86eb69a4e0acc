import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import { auditEntry } from "../../domain/audit.ts";
import type { Failure } from "../../domain/delivery.ts";
import type { TokenSource } from "../../oauth/access-tokens.ts";
import type { AuditRepository } from "../../storage/audit-log.ts";
import type { RateLimitRepository } from "../../storage/rate-limits.ts";
import type { Notify } from "../events.ts";

interface ReportFailureDeps {
  readonly database: Database;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly notify: Notify;
  readonly platform: Pick<Platform, "now">;
}

/** Less than a day, so that a daily attempt that comes a little early is reported. */
const QUIET_SECONDS = 20 * 3_600;
const ACTOR = {
  action: "oauth token",
  administrator: "",
  realm: "",
  client: "",
  policies: "",
  requestId: "",
};
const log = getLogger(["sealpost", "mail"]);

/**
 * Creates what reports a definition that gets no access token until an admin changes something: a log line, an audit row
 * and an event, once a day for each version and code. Never rejects.
 */
export function createReportTokenFailure(
  deps: ReportFailureDeps,
): (source: TokenSource, failure: Failure) => Promise<void> {
  const { database, audit, rateLimits, notify, platform } = deps;

  async function report({ identifier, stored }: TokenSource, { phase, code, oauth }: Failure): Promise<void> {
    const now = platform.now();
    const key = `oauth ${stored?.id} ${stored?.version} ${code}`;
    const [rows] = await database.commit([
      rateLimits.consume({ key, max: 1, windowSeconds: QUIET_SECONDS }, now),
    ]);
    if (rows[0]?.failed !== 1) return;
    const host = oauth?.host ?? "";
    log.warning("No access token for {identifier} from {host} ({code})", { identifier, host, code });
    const info = [code, ...(oauth?.codes ?? [])].join(" ");
    await database.append(audit.insert(auditEntry(ACTOR, now, { success: false, identifier, phase, info })));
    notify("oauth_failed", { identifier, phase, code });
  }

  return (source, failure) =>
    report(source, failure).catch((error) =>
      log.error("Cannot report the failure of {identifier}: {error}", {
        identifier: source.identifier,
        error,
      }),
    );
}
