import { getLogger } from "@logtape/logtape";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Delivery, Transport } from "../../contracts/transport.ts";
import { type Failure, isBefore } from "../../domain/delivery.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type {
  HealthFailure,
  ProbeRef,
  ServerHealthRepository,
  ServerHealthRow,
  WaitingMailRepository,
} from "../../storage/server-health.ts";
import { type Circuit, isRejectedLogin, nextProbeAt, PROBE_LEASE_MS } from "../circuit.ts";

/** Timeout of a whole probe, from when it has the right to a connection. */
const PROBE_MS = 10_000;
/** A probe that gets no connection in this time is postponed. Wait and probe together are shorter than the lease. */
const MAX_WAIT_MS = 4_000;
/** Delay of a probe that got no connection. */
const POSTPONED_MS = 5_000;
/** Timeout of a step, short enough that the probe fails in the phase that is too slow. */
const PROBE_STEP_MS = 9_000;
/** The transport validates every envelope. Each server accepts this recipient (RFC 5321 4.5.1). */
const ENVELOPE = { from: "", recipient: "postmaster", bytes: Uint8Array.of(0x0d, 0x0a) } as const;

const log = getLogger(["sealpost", "worker"]);

/** A probe that this worker has leased. */
export interface Probe extends ProbeRef {
  readonly row: ServerHealthRow;
  readonly startedAt: Date;
}

/** A number is the delay in milliseconds after which any worker may probe: this probe contacted no server, or was aborted. */
type Outcome = "reachable" | number | Failure;

/** Probes of open circuits. */
export interface Probes {
  /** Leases the probes of these definitions that are due. @throws if the database is unavailable. */
  claim(identifiers: readonly string[]): Promise<Probe[]>;
  /** Runs a probe and records its outcome. Never rejects. @param signal aborted to leave the probe to others. */
  run(probe: Probe, signal: AbortSignal): Promise<void>;
}

interface ProbesDeps {
  readonly database: Database;
  readonly health: ServerHealthRepository;
  readonly waiting: WaitingMailRepository;
  readonly circuit: Circuit;
  readonly transport: Transport;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly platform: Pick<Platform, "now">;
  readonly newId: () => string;
}

/** Creates the probes: conversations that end after the login, so that a test costs no message. */
export function createProbes(deps: ProbesDeps): Probes {
  const { database, health, waiting, circuit, transport, loadServer, platform, newId } = deps;

  /** One commit closes the circuit and makes all waiting messages due. */
  async function close(probe: Probe): Promise<void> {
    const [, rows] = await database.commit([
      waiting.makeDueIfOpen(probe.identifier, platform.now()),
      health.closeByProbe(probe),
    ]);
    if (rows.length > 0) await circuit.reportClosed(probe.identifier, rows);
  }

  async function keepOpen(probe: Probe, failure: HealthFailure): Promise<void> {
    const opens = isRejectedLogin(failure) && isRejectedLogin(probe.row) ? probe.row.opens + 1 : 1;
    // Counted from the start, so that a slow probe does not delay the next one.
    const until = nextProbeAt(probe.startedAt, opens, failure);
    await database.commit([health.failProbe(probe, failure, { opens, until }, platform.now())]);
  }

  async function conclude(probe: Probe, signal: AbortSignal): Promise<void> {
    const server = await loadServer(probe.identifier);
    // The definition was deleted, and its messages fail on their own.
    const outcome = server === null ? "reachable" : await converse(transport, server, signal);
    if (outcome === "reachable") await close(probe);
    else if (typeof outcome === "number") {
      await database.commit([health.releaseProbe(probe, new Date(platform.now().getTime() + outcome))]);
    } else await keepOpen(probe, outcome);
  }

  return {
    async claim(identifiers) {
      const now = platform.now();
      const refs = identifiers.map((identifier) => ({ identifier, token: newId() }));
      const leaseEndsAt = new Date(now.getTime() + PROBE_LEASE_MS);
      const claimed = await database.commit(refs.map((ref) => health.claimProbe(ref, now, leaseEndsAt)));
      return refs.flatMap((ref, index) =>
        (claimed[index] ?? []).map((row) => ({ ...ref, row, startedAt: now })),
      );
    },

    async run(probe, signal) {
      try {
        await conclude(probe, signal);
      } catch (error) {
        log.error("Cannot probe the server of {identifier}: {error}", {
          identifier: probe.identifier,
          error,
        });
        // An error of this process, such as a password that it cannot decrypt, must not cause probes without a pause.
        await keepOpen(probe, probe.row).catch(() => undefined);
      }
    },
  };
}

/**
 * A server that is too slow for a probe is reachable, because messages have more time. A probe that waits for a connection
 * has contacted no server, so it says nothing.
 */
async function converse(transport: Transport, server: ResolvedServer, signal: AbortSignal): Promise<Outcome> {
  const bound = new AbortController();
  const abortIn = (ms: number) => setTimeout(() => bound.abort(), ms);
  let timer = abortIn(MAX_WAIT_MS);
  let isStarted = false;
  const onStarted = () => {
    isStarted = true;
    clearTimeout(timer);
    timer = abortIn(PROBE_MS);
  };
  const timeoutMs = Math.min(server.timeoutMs, PROBE_STEP_MS);
  const delivery: Delivery = { ...ENVELOPE, server: { ...server, timeoutMs }, poolKey: null };
  try {
    const receipt = await transport.send(delivery, {
      signal: AbortSignal.any([signal, bound.signal]),
      until: "auth",
      onStarted,
    });
    if (receipt.successful) return "reachable";
    const { code, phase, wasWaiting } = receipt.failure;
    if (wasWaiting) return POSTPONED_MS;
    if (code === "cancelled") return 0;
    const isSlow = code === "timeout" && isBefore("connect", phase) && server.timeoutMs > PROBE_MS;
    return isSlow ? "reachable" : receipt.failure;
  } catch (error) {
    if (signal.aborted) return 0;
    if (bound.signal.aborted) return isStarted ? "reachable" : POSTPONED_MS;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
