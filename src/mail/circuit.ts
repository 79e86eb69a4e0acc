import { getLogger } from "@logtape/logtape";
import type { Platform } from "../contracts/platform.ts";
import { auditEntry } from "../domain/audit.ts";
import type { Failure } from "../domain/delivery.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Database } from "../storage/database.ts";
import type { ServerHealthRepository, ServerHealthRow } from "../storage/server-health.ts";
import type { Notify } from "./events.ts";
import { isServerDown } from "./retry.ts";

/** Failures in a row after which queued mail no longer goes to a server. */
const FAILURES_TO_OPEN = 5;
const FIRST_OPEN_MS = 30_000;
const LONGEST_OPEN_MS = 600_000;
/** How long one mail may try whether the server is back, before another one does. */
const PROBE_MS = 120_000;

/** What people see of a definition's circuit. */
export interface ServerHealth {
  /** `open`: queued mail waits; `half-open`: one mail tries whether the server is back. */
  readonly circuit: "closed" | "open" | "half-open";
  /** Failures in a row. */
  readonly failures: number;
  /** The first of them. */
  readonly since: Date | null;
  /** When the server is tried again. */
  readonly nextTry: Date | null;
  readonly lastFailure: { readonly date: Date; readonly phase: string; readonly code: string } | null;
}

const WELL: ServerHealth = { circuit: "closed", failures: 0, since: null, nextTry: null, lastFailure: null };
const ACTOR = { administrator: "", realm: "", client: "", policies: "", requestId: "" };
const log = getLogger(["sealpost", "mail"]);

export type Circuit = ReturnType<typeof createCircuit>;

/**
 * Keeps queued mail away from servers that are down: after a few failures to connect or log in, in a row, a
 * definition's circuit opens, and by and by a single mail tries whether it may close again.
 */
export function createCircuit(parts: {
  readonly database: Database;
  readonly repository: ServerHealthRepository;
  readonly audit: AuditRepository;
  readonly platform: Pick<Platform, "now">;
  readonly notify: Notify;
}) {
  const { database, repository, audit, platform, notify } = parts;
  /** Definitions of which this process knows a failure, so that a success need not ask. */
  const ailing = new Set<string>();

  async function failed(identifier: string, failure: Failure, isProbe: boolean): Promise<void> {
    ailing.add(identifier);
    const now = platform.now();
    const [rows] = await database.commit([repository.fail(identifier, failure, 1, now)]);
    const [row] = rows;
    if (!row || !(row.opens === 0 ? row.failures >= FAILURES_TO_OPEN : isProbe)) return;
    const openMs = openTimeMs(row.opens);
    const entry = auditEntry({ ...ACTOR, action: "circuit open" }, now, {
      success: false,
      identifier,
      phase: failure.phase,
      info: failure.code,
    });
    const [opened] = await database.commit([
      repository.trip(row, new Date(now.getTime() + openMs)),
      audit.insertIfChanged(entry),
    ]);
    if (opened.rowsAffected === 0 || row.opens > 0) return;
    log.warning("{identifier} is down ({code}): its queued mail waits", { identifier, code: failure.code });
    notify("circuit_opened", { identifier, phase: failure.phase, code: failure.code });
  }

  async function succeeded(identifier: string): Promise<void> {
    ailing.delete(identifier);
    const [rows] = await database.commit([repository.clear(identifier)]);
    if (!rows.some((row) => row.opens > 0)) return;
    const said = { success: true, identifier };
    await database.append(
      audit.insert(auditEntry({ ...ACTOR, action: "circuit close" }, platform.now(), said)),
    );
    log.info("{identifier} is back", { identifier });
  }

  return {
    /**
     * Takes note of a try; of one that never got to the server there is nothing to note. Never rejects: the mail is
     * what counts.
     * @param failure null if the server took the mail, or refused this one mail.
     * @param isProbe whether this was the mail that tried an open circuit.
     */
    async observe(identifier: string, failure: Failure | null, isProbe = false): Promise<void> {
      if (failure?.code === "cancelled" || failure?.phase === "policy") return;
      const isDown = failure !== null && isServerDown(failure);
      try {
        if (isDown) await failed(identifier, failure, isProbe);
        else if (isProbe || ailing.has(identifier)) await succeeded(identifier);
      } catch (error) {
        log.warning("The health of {identifier} could not be kept: {error}", { identifier, error });
      }
    },

    /** Says that a definition is ailing, as another process found out. */
    known(identifier: string): void {
      ailing.add(identifier);
    },

    /** Lets one mail try whether the server is back; affects no row if another one does already. */
    probe(identifier: string, now: Date) {
      return repository.probe(identifier, now, new Date(now.getTime() + PROBE_MS));
    },

    /** The code of the failure for which a definition's circuit is open; null: it is closed. */
    async openFor(identifier: string): Promise<string | null> {
      const row = await repository.find(identifier);
      return row?.openUntil && row.openUntil.getTime() > platform.now().getTime() ? row.code : null;
    },

    /** The first of these definitions, as they are ordered, that mail may go through; undefined: all are down. */
    async firstWell(identifiers: readonly string[]): Promise<string | undefined> {
      const open = await repository.open(identifiers);
      return identifiers.find((identifier) => !open.has(identifier));
    },

    /** Ends what a clock that was wrong would keep open for longer than any circuit is. */
    rescue: (now: Date) => repository.rescue(now, new Date(now.getTime() + LONGEST_OPEN_MS)),

    /** The failure for which a definition's circuit was opened; undefined: there was none. */
    async lastFailure(identifier: string): Promise<{ phase: string; code: string } | undefined> {
      return repository.find(identifier);
    },

    /** For `GET /smtpserver/<identifier>`. */
    async health(identifier: string): Promise<ServerHealth> {
      const row = await repository.find(identifier);
      return row ? healthOf(row, platform.now()) : WELL;
    },

    /** A definition that is changed or deleted begins anew. */
    forget: (identifier: string) => repository.clear(identifier),
  };
}

function healthOf(row: ServerHealthRow, now: Date): ServerHealth {
  const { openUntil, failures, since } = row;
  const lastFailure = { date: row.failedAt, phase: row.phase, code: row.code };
  if (openUntil === null) return { circuit: "closed", failures, since, nextTry: null, lastFailure };
  // The mail that tries the server has put the end off.
  const isTried = openUntil.getTime() > row.failedAt.getTime() + openTimeMs(row.opens - 1);
  const isOpen = openUntil.getTime() > now.getTime() && !isTried;
  return { circuit: isOpen ? "open" : "half-open", failures, since, nextTry: openUntil, lastFailure };
}

/** @param before how often it was opened in a row until then. */
function openTimeMs(before: number): number {
  return Math.min(LONGEST_OPEN_MS, FIRST_OPEN_MS * 2 ** before);
}
