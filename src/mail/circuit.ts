import { getLogger } from "@logtape/logtape";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { auditEntry } from "../domain/audit.ts";
import { type Failure, isBefore } from "../domain/delivery.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { HealthFailure, ServerHealthRepository, ServerHealthRow } from "../storage/server-health.ts";
import type { WaitingMailRepository } from "../storage/waiting-mail.ts";
import type { Notify } from "./events.ts";
import { MAX_PROBE_INTERVAL_MS, probeIntervalMs } from "./queue/backoff.ts";

/** Failures in a row after which queued mail no longer goes to a server. */
const FAILURES_TO_OPEN = 5;
/** A probe takes 10 s at most; that of a worker that died is repeated after this. */
export const PROBE_LEASE_MS = 15_000;

/** A definition's circuit, as people see it. */
export interface ServerHealth {
  /** `open`: queued mail waits; `half-open`: a probe tests the server, or is due. */
  readonly circuit: "closed" | "open" | "half-open";
  /** Failures in a row. */
  readonly failures: number;
  /** The first of them. */
  readonly since: Date | null;
  /** When the next probe starts. */
  readonly nextTry: Date | null;
  readonly lastFailure: { readonly date: Date; readonly phase: string; readonly code: string } | null;
  /** Messages that wait for the definition, or are being sent through it. */
  readonly waiting: number;
}

/** What a worker reads of a definition in passing. */
export interface KnownHealth {
  readonly queueName: string;
  readonly failures: number | null;
  /** Milliseconds since the epoch; `null`: the circuit is closed. */
  readonly openUntil: number | null;
}

const HEALTHY: Omit<ServerHealth, "waiting"> = {
  circuit: "closed",
  failures: 0,
  since: null,
  nextTry: null,
  lastFailure: null,
};
const ACTOR = { administrator: "", realm: "", client: "", policies: "", requestId: "" };
const log = getLogger(["sealpost", "mail"]);

export type Circuit = ReturnType<typeof createCircuit>;

/** Whether a failure is one of the server as a whole: nothing of a message was sent, so that none can be the cause. */
function isOfServer({ outcome, phase, code }: Failure): boolean {
  return outcome === "not-sent" && isBefore(phase, "sender") && phase !== "sign" && code !== "server_unknown";
}

/** When the next probe starts. @param opens as in the row of the definition. */
export function nextProbeAt(now: Date, opens: number, failure: HealthFailure): Date {
  return new Date(now.getTime() + probeIntervalMs(isRejectedLogin(failure) ? opens : 0));
}

/** The server tried the login and rejected it; further ones may lock the account. */
export function isRejectedLogin({ code }: HealthFailure): boolean {
  return code === "auth_rejected";
}

/**
 * Keeps queued mail away from servers that cannot be reached or reject the login: after a few such failures in a row a
 * definition's circuit opens, probes test the server, and when one succeeds everything that waits is due.
 */
export function createCircuit(deps: {
  readonly database: Database;
  readonly repository: ServerHealthRepository;
  readonly waiting: WaitingMailRepository;
  readonly audit: AuditRepository;
  readonly platform: Pick<Platform, "now">;
  readonly notify: Notify;
}) {
  const { database, repository, waiting, audit, platform, notify } = deps;
  /** Definitions of which this process knows a failure, so that a success need not ask. */
  const unhealthy = new Set<string>();
  /** Those of them whose circuit was open when this process last saw it. */
  const open = new Set<string>();

  async function failed(identifier: string, failure: Failure): Promise<void> {
    unhealthy.add(identifier);
    const now = platform.now();
    const [[row]] = await database.commit([repository.fail(identifier, failure, now)]);
    if (!row || row.openUntil !== null || row.failures < FAILURES_TO_OPEN) return;
    const { phase, code } = failure;
    const entry = auditEntry({ ...ACTOR, action: "circuit open" }, now, {
      ...{ success: false, identifier, phase, info: code },
    });
    open.add(identifier);
    const [tripped] = await database.commit([
      repository.trip(identifier, nextProbeAt(now, 1, failure)),
      audit.insertIfChanged(entry),
    ]);
    if (tripped.rowsAffected === 0) return;
    log.warning("Circuit opened for {identifier} ({code}): its queued mail is on hold", { identifier, code });
    notify("circuit_opened", { identifier, phase, code });
  }

  async function succeeded(identifier: string): Promise<void> {
    const [, rows] = await database.commit([
      waiting.makeDueIfOpen(identifier, platform.now()),
      repository.clear(identifier),
    ]);
    await closed(identifier, rows);
  }

  /** Records that a circuit has closed, if it was open. @param rows what was known of the definition. */
  async function closed(identifier: string, rows: readonly ServerHealthRow[]): Promise<void> {
    unhealthy.delete(identifier);
    open.delete(identifier);
    if (!rows.some(({ openUntil }) => openUntil !== null)) return;
    const entry = auditEntry({ ...ACTOR, action: "circuit close" }, platform.now(), {
      success: true,
      identifier,
    });
    await database.append(audit.insert(entry));
    log.info("Circuit closed for {identifier}", { identifier });
  }

  return {
    closed,

    /**
     * Records the result of an attempt; one that never got to the server has none. Never rejects: the message counts.
     * @param failure `null` if the server accepted the message, or as much of the conversation as was asked for.
     */
    async observe(identifier: string, failure: Failure | null): Promise<void> {
      if (failure?.code === "cancelled") return;
      try {
        if (failure !== null && isOfServer(failure)) await failed(identifier, failure);
        else if (unhealthy.has(identifier)) await succeeded(identifier);
      } catch (error) {
        log.warning("Cannot record the health of {identifier}: {error}", { identifier, error });
      }
    },

    /** Takes in what other processes found out. */
    note(known: readonly KnownHealth[]): void {
      for (const { queueName, failures, openUntil } of known) {
        if (failures) unhealthy.add(queueName);
        if (openUntil === null) open.delete(queueName);
        else open.add(queueName);
      }
    },

    /** Whether the circuit was open when this process last saw it. */
    isOpen: (identifier: string): boolean => open.has(identifier),

    /** Returns the code of the failure for which a definition's circuit is open; `null` if it is closed or half-open. */
    async openFor(identifier: string): Promise<string | null> {
      const row = await repository.find(identifier);
      return row?.openUntil && row.openUntil.getTime() > platform.now().getTime() ? row.code : null;
    },

    /** Returns the first of these definitions whose circuit is closed; `undefined` if all are open. */
    async firstHealthy(identifiers: readonly string[]): Promise<string | undefined> {
      const openOnes = await repository.open(identifiers);
      return identifiers.find((identifier) => !openOnes.has(identifier));
    },

    /** Returns the last failure of an unhealthy definition. */
    async lastFailure(identifier: string): Promise<HealthFailure | undefined> {
      return repository.find(identifier);
    },

    /** For `GET /smtpserver/<identifier>`. */
    async health(identifier: string): Promise<ServerHealth> {
      const { row, waiting } = await repository.findWithWaiting(identifier);
      return { ...(row ? healthOf(row, platform.now()) : HEALTHY), waiting };
    },

    /** Forgets a deleted definition; its mail is due, to be ended or to go through another one. */
    reset: (identifier: string) =>
      [repository.clear(identifier), waiting.makeDue(identifier, platform.now())] as const,

    /** Has a changed definition probed, or its waiting mail attempted, now. The first statement finds such mail. */
    restart: (identifier: string) =>
      [
        waiting.findOne(identifier),
        repository.clearIfClosed(identifier),
        repository.makeProbeDue(identifier, platform.now()),
        waiting.makeDue(identifier, platform.now()),
      ] as const,

    /** Makes the probe of an open circuit due now. */
    makeProbeDue: (identifier: string) => repository.makeProbeDue(identifier, platform.now()),

    /** Ends what a clock jump would keep open for longer than any circuit is. */
    recoverFromClockJump(now: Date) {
      const after = (ms: number) => new Date(now.getTime() + ms);
      return repository.recoverFromClockJump(now, {
        ...{ probe: after(MAX_PROBE_INTERVAL_MS), lease: after(PROBE_LEASE_MS) },
      });
    },
  };
}

function healthOf(row: ServerHealthRow, now: Date): Omit<ServerHealth, "waiting"> {
  const { openUntil, failures, since, probe } = row;
  const lastFailure = { date: row.failedAt, phase: row.phase, code: row.code };
  if (openUntil === null) return { circuit: "closed", failures, since, nextTry: null, lastFailure };
  const isOpen = probe === null && openUntil.getTime() > now.getTime();
  return { circuit: isOpen ? "open" : "half-open", failures, since, nextTry: openUntil, lastFailure };
}
