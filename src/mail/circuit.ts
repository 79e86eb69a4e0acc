import { getLogger } from "@logtape/logtape";
import type { Database, Statement } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { auditEntry } from "../domain/audit.ts";
import { type Failure, isBefore } from "../domain/delivery.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type {
  HealthFailure,
  ServerHealthRepository,
  ServerHealthRow,
  WaitingMailRepository,
} from "../storage/server-health.ts";
import type { Notify } from "./events.ts";
import { MAX_PROBE_INTERVAL_MS, probeIntervalMs } from "./queue/backoff.ts";

/** Consecutive failures that open a circuit. */
const FAILURES_TO_OPEN = 5;
/** A probe waits at most 4 s for a connection, and then takes at most 10 s. If its worker died, the probe is repeated after this. */
export const PROBE_LEASE_MS = 15_000;

/** The health of a definition's server, for `GET /smtpserver/<identifier>`. */
export interface ServerHealth {
  /** `open`: queued mail waits. `half-open`: a probe is running or due. */
  readonly circuit: "closed" | "open" | "half-open";
  /** Consecutive failures. */
  readonly failures: number;
  /** Time of the first of them; `null` if there is none. */
  readonly since: Date | null;
  /** Start of the next probe; `null` if the circuit is closed. */
  readonly nextTry: Date | null;
  readonly lastFailure: { readonly date: Date; readonly phase: string; readonly code: string } | null;
  /** Messages that wait for the definition, or are being sent through it. */
  readonly waiting: number;
}

/** The health of a definition that a poll reads. */
interface HealthSummary {
  readonly queueName: string;
  readonly failures: number | null;
  /** Milliseconds since the epoch; `null` if the circuit is closed. */
  readonly openUntil: number | null;
}

interface CircuitDeps {
  readonly database: Database;
  readonly repository: ServerHealthRepository;
  readonly waiting: WaitingMailRepository;
  readonly audit: AuditRepository;
  readonly platform: Pick<Platform, "now">;
  readonly notify: Notify;
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

/**
 * Keeps queued mail from servers that cannot be reached or that reject the login. After a few such failures in a row a
 * definition's circuit opens, and probes test the server. When a probe succeeds, all messages that wait are due.
 */
export class Circuit {
  readonly #deps: CircuitDeps;
  /** Definitions that failed as far as this process knows. A success of any other one needs no statement. */
  readonly #unhealthy = new Set<string>();
  /** When the circuits that are open, as far as this process knows, were known to be; infinite while one is opened. */
  readonly #open = new Map<string, number>();

  constructor(deps: CircuitDeps) {
    this.#deps = deps;
  }

  /**
   * Records the outcome of an attempt, unless it never reached the server. Never rejects, because the message counts.
   * @param failure `null` if the server accepted the message, or as much of the conversation as was tested.
   */
  async observe(identifier: string, failure: Failure | null): Promise<void> {
    if (failure?.code === "cancelled" || failure?.wasWaiting) return;
    try {
      if (failure !== null && isServerFailure(failure)) await this.#fail(identifier, failure);
      else if (this.#unhealthy.has(identifier)) await this.#succeed(identifier);
    } catch (error) {
      log.warning("Cannot record the health of {identifier}: {error}", { identifier, error });
    }
  }

  /** Records that a check logged in. It may close a circuit of which this process knows nothing yet. */
  async observeLogin(identifier: string): Promise<void> {
    if (await this.#deps.repository.find(identifier).catch(() => null)) this.#unhealthy.add(identifier);
    await this.observe(identifier, null);
  }

  /** Takes over what other processes recorded. @param readMs start of the read, on the clock of `performance.now()`. */
  note(summaries: readonly HealthSummary[], readMs: number): void {
    for (const { queueName, failures, openUntil } of summaries) {
      if (failures) this.#unhealthy.add(queueName);
      const openMs = this.#open.get(queueName) ?? readMs;
      if (openUntil !== null) this.#open.set(queueName, openMs);
      // An older read does not have what this process has opened since.
      else if (openMs <= readMs) this.#open.delete(queueName);
    }
  }

  /** Whether the circuit was open when this process last saw it. */
  isOpen(identifier: string): boolean {
    return this.#open.has(identifier);
  }

  /** Returns the code of the failure for which a circuit is open; `null` if it is closed or half-open. */
  async openFor(identifier: string): Promise<string | null> {
    const { repository, platform } = this.#deps;
    const row = await repository.find(identifier);
    return row?.openUntil && row.openUntil.getTime() > platform.now().getTime() ? row.code : null;
  }

  /** Returns the first of these definitions whose circuit is closed; `undefined` if all are open. */
  async firstHealthy(identifiers: readonly string[]): Promise<string | undefined> {
    const open = await this.#deps.repository.open(identifiers);
    return identifiers.find((identifier) => !open.has(identifier));
  }

  /** Returns the last failure of an unhealthy definition. */
  async lastFailure(identifier: string): Promise<HealthFailure | undefined> {
    return this.#deps.repository.find(identifier);
  }

  async health(identifier: string): Promise<ServerHealth> {
    const { repository, platform } = this.#deps;
    const { row, waiting } = await repository.findWithWaiting(identifier);
    return { ...(row ? healthOf(row, platform.now()) : HEALTHY), waiting };
  }

  /** Reads the health of all definitions. Returns a function that has that of each. */
  async healthOfAll(): Promise<(identifier: string) => ServerHealth> {
    const { repository, platform } = this.#deps;
    const { rows, waiting } = await repository.listWithWaiting();
    const now = platform.now();
    const known = new Map(rows.map((row) => [row.identifier, healthOf(row, now)]));
    return (identifier) => ({
      ...(known.get(identifier) ?? HEALTHY),
      waiting: waiting.get(identifier) ?? 0,
    });
  }

  /** Returns statements that forget a deleted definition. Its messages are due, to fail or to go to another one. */
  reset(identifier: string) {
    const { repository, waiting, platform } = this.#deps;
    return [repository.clear(identifier), waiting.makeDue(identifier, platform.now())] as const;
  }

  /**
   * Returns statements that have a changed definition probed, or its messages attempted, now. The first selects such a
   * message.
   */
  restart(identifier: string) {
    const { repository, waiting, platform } = this.#deps;
    return [
      waiting.findOne(identifier),
      repository.clearIfClosed(identifier),
      repository.makeProbeDue(identifier, platform.now()),
      waiting.makeDue(identifier, platform.now()),
    ] as const;
  }

  /** Returns the statement that makes the probe of an open circuit due now. */
  makeProbeDue(identifier: string): Statement {
    return this.#deps.repository.makeProbeDue(identifier, this.#deps.platform.now());
  }

  /** Returns the statement that limits times which a clock jump has moved too far into the future. */
  recoverFromClockJump(now: Date): Statement {
    const after = (ms: number) => new Date(now.getTime() + ms);
    const bounds = { probe: after(MAX_PROBE_INTERVAL_MS), lease: after(PROBE_LEASE_MS) };
    return this.#deps.repository.recoverFromClockJump(now, bounds);
  }

  /** Reports that a circuit has closed, if it was open. @param rows the health of the definition before. */
  async reportClosed(identifier: string, rows: readonly ServerHealthRow[]): Promise<void> {
    this.#unhealthy.delete(identifier);
    this.#open.delete(identifier);
    if (!rows.some(({ openUntil }) => openUntil !== null)) return;
    const { database, audit, platform } = this.#deps;
    const actor = { ...ACTOR, action: "circuit close" };
    const entry = auditEntry(actor, platform.now(), { success: true, identifier });
    await database.append(audit.insert(entry));
    log.info("Circuit closed for {identifier}", { identifier });
  }

  async #fail(identifier: string, failure: Failure): Promise<void> {
    this.#unhealthy.add(identifier);
    const { database, repository, audit, platform, notify } = this.#deps;
    const now = platform.now();
    const [[row]] = await database.commit([repository.fail(identifier, failure, now)]);
    if (!row || row.openUntil !== null || row.failures < FAILURES_TO_OPEN) return;
    const { phase, code } = failure;
    const actor = { ...ACTOR, action: "circuit open" };
    const entry = auditEntry(actor, now, { success: false, identifier, phase, info: code });
    this.#open.set(identifier, Number.POSITIVE_INFINITY);
    const tripping = database.commit([
      repository.trip(identifier, nextProbeAt(now, 1, failure)),
      audit.insertIfChanged(entry),
    ]);
    const [tripped] = await tripping.finally(() => {
      if (this.#open.has(identifier)) this.#open.set(identifier, performance.now());
    });
    if (tripped.rowsAffected === 0) return;
    log.warning("Circuit opened for {identifier} ({code}): its queued mail is on hold", { identifier, code });
    notify("circuit_opened", { identifier, phase, code });
  }

  async #succeed(identifier: string): Promise<void> {
    const { database, repository, waiting, platform } = this.#deps;
    const [, rows] = await database.commit([
      waiting.makeDueIfOpen(identifier, platform.now()),
      repository.clear(identifier),
    ]);
    await this.reportClosed(identifier, rows);
  }
}

/** Returns when the next probe starts. @param opens how often in a row the circuit has opened. */
export function nextProbeAt(now: Date, opens: number, failure: HealthFailure): Date {
  return new Date(now.getTime() + probeIntervalMs(isRejectedLogin(failure) ? opens : 0));
}

/** Whether the server rejected the login. Further attempts may lock the account. */
export function isRejectedLogin({ code }: HealthFailure): boolean {
  return code === "auth_rejected";
}

/** Whether the server as a whole failed: nothing of a message was sent, so no message can be the cause. */
function isServerFailure({ outcome, phase, code }: Failure): boolean {
  return outcome === "not-sent" && isBefore(phase, "sender") && phase !== "sign" && code !== "server_unknown";
}

/** Returns the health that a row describes. */
export function healthOf(row: ServerHealthRow, now: Date): Omit<ServerHealth, "waiting"> {
  const { openUntil, failures, since, probe } = row;
  const lastFailure = { date: row.failedAt, phase: row.phase, code: row.code };
  if (openUntil === null) return { circuit: "closed", failures, since, nextTry: null, lastFailure };
  const isOpen = probe === null && openUntil.getTime() > now.getTime();
  return { circuit: isOpen ? "open" : "half-open", failures, since, nextTry: openUntil, lastFailure };
}
