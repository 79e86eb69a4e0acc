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
} from "../../storage/server-health.ts";
import type { WaitingMailRepository } from "../../storage/waiting-mail.ts";
import { type Circuit, isRejectedLogin, nextProbeAt, PROBE_LEASE_MS } from "../circuit.ts";

/** The bound of a whole probe. */
const PROBE_MS = 10_000;
/** A step that takes longer than this ends the probe with the phase that was too slow. */
const PROBE_STEP_MS = 9_000;
/** The transport checks every delivery, also one that is never sent: RFC 5321 4.5.1 has every server accept this. */
const ENVELOPE = { from: "", recipient: "postmaster", bytes: Uint8Array.of(0x0d, 0x0a) } as const;

const log = getLogger(["sealpost", "worker"]);

/** A probe that this worker has to run. */
export interface Probe extends ProbeRef {
  readonly row: ServerHealthRow;
  readonly startedAt: Date;
}

type Outcome = "reachable" | "aborted" | Failure;

export type Probes = ReturnType<typeof createProbes>;

/** Creates the probes of open circuits: conversations that end after the login, so that no message is used up. */
export function createProbes(deps: {
  readonly database: Database;
  readonly health: ServerHealthRepository;
  readonly waiting: WaitingMailRepository;
  readonly circuit: Circuit;
  readonly transport: Transport;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly platform: Pick<Platform, "now">;
  readonly newId: () => string;
}) {
  const { database, health, waiting, circuit, transport, loadServer, platform, newId } = deps;

  /** Everything that waits is due with the commit that closes the circuit. */
  async function close(probe: Probe): Promise<void> {
    const [, rows] = await database.commit([
      waiting.makeDueIfOpen(probe.identifier, platform.now()),
      health.closeByProbe(probe),
    ]);
    if (rows.length > 0) await circuit.closed(probe.identifier, rows);
  }

  async function keepOpen(probe: Probe, failure: HealthFailure): Promise<void> {
    const opens = isRejectedLogin(failure) && isRejectedLogin(probe.row) ? probe.row.opens + 1 : 1;
    // From the start: a probe that took long must not put off the next one.
    const until = nextProbeAt(probe.startedAt, opens, failure);
    await database.commit([health.failProbe(probe, failure, { opens, until }, platform.now())]);
  }

  async function conclude(probe: Probe, signal: AbortSignal): Promise<void> {
    const server = await loadServer(probe.identifier);
    // Deleted meanwhile: its messages end by themselves.
    const outcome = server === null ? "reachable" : await converse(transport, server, signal);
    if (outcome === "reachable") await close(probe);
    else if (outcome === "aborted") await database.commit([health.releaseProbe(probe, platform.now())]);
    else await keepOpen(probe, outcome);
  }

  return {
    /** Leases the probes of these definitions that are due. @throws if the database is unavailable. */
    async claim(identifiers: readonly string[]): Promise<Probe[]> {
      const now = platform.now();
      const refs = identifiers.map((identifier) => ({ identifier, token: newId() }));
      const leaseEndsAt = new Date(now.getTime() + PROBE_LEASE_MS);
      const claimed = await database.commit(refs.map((ref) => health.claimProbe(ref, now, leaseEndsAt)));
      return refs.flatMap((ref, index) =>
        (claimed[index] ?? []).map((row) => ({ ...ref, row, startedAt: now })),
      );
    },

    /** Runs a probe and records its outcome. Never rejects. @param signal leaves the probe to others if it is aborted. */
    async run(probe: Probe, signal: AbortSignal): Promise<void> {
      try {
        await conclude(probe, signal);
      } catch (error) {
        log.error("Cannot probe the server of {identifier}: {error}", {
          identifier: probe.identifier,
          error,
        });
        // What this process cannot do, such as open the password, is not tried without a pause.
        await keepOpen(probe, probe.row).catch(() => undefined);
      }
    },
  };
}

/** A server that is slower than a probe may be is there: messages have more time. */
async function converse(transport: Transport, server: ResolvedServer, signal: AbortSignal): Promise<Outcome> {
  const bound = AbortSignal.timeout(PROBE_MS);
  const timeoutMs = Math.min(server.timeoutMs, PROBE_STEP_MS);
  const delivery: Delivery = { ...ENVELOPE, server: { ...server, timeoutMs }, poolKey: null };
  try {
    const receipt = await transport.send(delivery, {
      signal: AbortSignal.any([signal, bound]),
      until: "auth",
    });
    if (receipt.successful) return "reachable";
    const { code, phase } = receipt.failure;
    if (code === "cancelled") return "aborted";
    const isSlow = code === "timeout" && isBefore("connect", phase) && server.timeoutMs > PROBE_MS;
    return isSlow ? "reachable" : receipt.failure;
  } catch (error) {
    if (signal.aborted) return "aborted";
    if (bound.aborted) return "reachable";
    throw error;
  }
}
