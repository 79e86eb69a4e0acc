import { Semaphore } from "../../async/semaphore.ts";
import type { Transport } from "../../contracts/transport.ts";
import type { Failure } from "../../domain/delivery.ts";
import { joined, type Problem, problem } from "../../domain/findings.ts";
import type { ResolvedServer } from "../../domain/smtp-server.ts";
import type { SmtpServerRow } from "../../storage/smtp-servers.ts";
import { CHECK_MS } from "./doctor.ts";

/** Workers open six connections at a time. */
const MAX_CONCURRENT = 5;
/** Definitions to connect to: more do not fit into the time of a check. */
const MAX_TARGETS = 50;
/** Leaves time for the report. */
const REACH_MS = CHECK_MS - 500;
/** Timeout of a step, short enough that the failure names its phase. */
const STEP_MS = 2_500;
/** The transport validates every envelope. Neither is sent before the checkpoint. */
const ENVELOPE = { from: "", recipient: "postmaster", bytes: Uint8Array.of(0x0d, 0x0a) } as const;

interface ReachDeps {
  readonly transport: Transport;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
}

/** A definition whose server cannot be reached. */
interface Unreachable {
  /** `null` if there was no time. */
  readonly failure: Failure | null;
  /** Names definition and server, and what to do. */
  readonly problem: Problem;
}

/**
 * Connects to the server of each definition, once for each server, up to its EHLO reply. Logs in nowhere and sends
 * nothing; the egress rules apply. The health of the definitions stays as it is.
 */
export async function reachServers(deps: ReachDeps, rows: readonly SmtpServerRow[]): Promise<Unreachable[]> {
  // The first of several definitions speaks for their server.
  const targets = new Map<string, SmtpServerRow>();
  for (const row of rows) {
    const target = `${row.server} ${row.port} ${row.tls} ${row.apiUrl}`;
    if (!targets.has(target)) targets.set(target, row);
  }
  const signal = AbortSignal.timeout(REACH_MS);
  const slots = new Semaphore(MAX_CONCURRENT);
  const all = [...targets.values()].slice(0, MAX_TARGETS);
  const found = await Promise.all(all.map((row) => slots.run(() => reach(deps, row, signal))));
  return found.filter((one) => one !== null);
}

async function reach(
  { transport, loadServer }: ReachDeps,
  { identifier, server: given, provider, auth }: SmtpServerRow,
  signal: AbortSignal,
): Promise<Unreachable | null> {
  // Secrets that cannot be decrypted are a problem of the keys.
  const server = await loadServer(identifier).catch(() => null);
  if (server === null) return null;
  const target = `${identifier} (${server.host}:${server.port})`;
  const failure = signal.aborted ? null : await connect(transport, server, signal);
  if (failure === null) return { failure: null, problem: problem("server_untested", { target }) };
  if (failure === "connected") return null;
  const { hintFor } = await import("../hints/hint-for.ts");
  const hint = hintFor(failure, { ...server, server: given, provider, auth, reply: failure.reply });
  const failed = problem("server_fails", { target, code: failure.code });
  return { failure, problem: joined([failed, hint ?? problem("test_definition")]) };
}

/** Returns the failure; `null` if there was no time. */
async function connect(
  transport: Transport,
  server: ResolvedServer,
  signal: AbortSignal,
): Promise<Failure | "connected" | null> {
  const timeoutMs = Math.min(server.timeoutMs, STEP_MS);
  const delivery = { ...ENVELOPE, server: { ...server, timeoutMs }, poolKey: null };
  try {
    const receipt = await transport.send(delivery, { signal, until: "connect" });
    return receipt.successful ? "connected" : receipt.failure;
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  }
}
