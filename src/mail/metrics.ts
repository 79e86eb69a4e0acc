import { getRuntimeKey } from "hono/adapter";
import type { Platform } from "../contracts/platform.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import type { Keyring } from "../secrets/keyring.ts";
import type { MetricsRows } from "../storage/metrics.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../storage/smtp-servers.ts";
import { type Format, writeMetrics } from "../telemetry/exposition.ts";
import { MAX_LABEL_VALUES, type MetricRegistry, type Reading, UNSAVED } from "../telemetry/meter.ts";
import { VERSION } from "../version.ts";
import { healthOf } from "./circuit.ts";
import { tokenEndOf } from "./oauth/token-store.ts";
import { createFirstEnd, type FirstEnd } from "./servers/certificates.ts";

/** Returns values of this process. None on Workers, where a process means nothing to a scraper. */
export type ProcessGauges = (definitions: readonly SmtpServerRow[]) => readonly Reading[];

/** Returns the metrics of this moment as text. */
export type ReadMetrics = (format: Format) => Promise<string>;

interface MetricsDeps {
  readonly registry: MetricRegistry;
  readonly processGauges: ProcessGauges;
  readonly rows: { read(): Promise<MetricsRows> };
  readonly repository: Pick<SmtpServerRepository, "list">;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly keyring: Keyring;
  readonly platform: Pick<Platform, "now">;
}

const CIRCUIT_STATES = { closed: 0, "half-open": 1, open: 2 } as const;

/**
 * Creates the reader of all metrics. What the database knows is read at each scrape, so it is the same in every process.
 */
export function createReadMetrics(deps: MetricsDeps): ReadMetrics {
  const { registry, rows, repository, platform } = deps;
  const firstEnd = createFirstEnd(deps);
  return async (format) => {
    // First, because this read proves the right and the kept definitions.
    const found = await rows.read();
    const definitions = await repository.list();
    const now = platform.now();
    const identifiers = definitions.map(({ identifier }) => identifier);
    registry.retainServers(identifiers);
    const readings = [
      reading("sealpost_info", { version: VERSION, runtime: getRuntimeKey() }, 1),
      ...queueReadings(found, new Set(identifiers), now),
      ...circuitReadings(found, identifiers, now),
      ...(await certificateReadings(firstEnd, definitions, now)),
      ...(await tokenReadings(deps, found, definitions)),
      ...deps.processGauges(definitions),
    ];
    return writeMetrics(registry.collect(readings), format);
  };
}

function reading<const N extends Reading["name"]>(
  name: N,
  labels: Extract<Reading, { name: N }>["labels"],
  value: number,
) {
  return { name, labels, value };
}

/** @param stored names of the definitions. A message of any other one counts as unsaved: its name may be anything. */
function queueReadings({ waiting }: MetricsRows, stored: ReadonlySet<string>, now: Date) {
  return waiting.flatMap(({ identifier, state, count, oldest }) => {
    const server = stored.has(identifier) ? identifier : UNSAVED;
    const ageMs = Math.max(0, now.getTime() - (oldest ?? now).getTime());
    return [
      reading("sealpost_queue_mails", { server, state }, count),
      reading("sealpost_queue_oldest_seconds", { server }, ageMs / 1_000),
    ];
  });
}

function circuitReadings({ unhealthy }: MetricsRows, identifiers: readonly string[], now: Date) {
  const states = new Map(unhealthy.map((row) => [row.identifier, healthOf(row, now).circuit]));
  return identifiers.map((server) =>
    reading("sealpost_circuit_state", { server }, CIRCUIT_STATES[states.get(server) ?? "closed"]),
  );
}

/** Reads the definitions with a label of their own only: the path of a certificate costs some milliseconds each hour. */
async function certificateReadings(firstEnd: FirstEnd, definitions: readonly SmtpServerRow[], now: Date) {
  const named = definitions.slice(0, MAX_LABEL_VALUES);
  const ends = await Promise.all(
    named.map(async (row) => ({ server: row.identifier, end: await firstEnd(row, now) })),
  );
  return ends.flatMap(({ server, end }) =>
    end ? [reading("sealpost_certificate_not_after_seconds", { server }, end.getTime() / 1_000)] : [],
  );
}

async function tokenReadings(
  { keyring }: MetricsDeps,
  { tokens }: MetricsRows,
  definitions: readonly SmtpServerRow[],
) {
  const names = new Map(definitions.map(({ id, identifier }) => [id, identifier]));
  const readings = tokens.map(async (row) => {
    const server = names.get(row.definitionId);
    const end = server === undefined ? null : await tokenEndOf(keyring, row);
    return server !== undefined && end
      ? [reading("sealpost_oauth_token_expiry_seconds", { server }, end.getTime() / 1_000)]
      : [];
  });
  return (await Promise.all(readings)).flat();
}
