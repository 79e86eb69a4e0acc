import type { ApiKeys } from "../../access/api-keys.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Transport } from "../../contracts/transport.ts";
import { CLOCK_TOLERANCE_MS, MAX_CLOCK_SKEW_MS } from "../../domain/clock.ts";
import { notice } from "../../domain/notices.ts";
import { Secret } from "../../domain/secret.ts";
import type { ResolvedServer, SecretName } from "../../domain/smtp-server.ts";
import { SealpostError } from "../../errors.ts";
import { EXPIRES_SOON_DAYS, minuteText } from "../../smime/validity.ts";
import type { Diagnose } from "../../storage/diagnosis.ts";
import type { SmtpServerRepository, SmtpServerRow } from "../../storage/smtp-servers.ts";
import type { Circuit, ServerHealth } from "../circuit.ts";
import { certificatesOf } from "../servers/certificates.ts";
import { checkLogin } from "../servers/check-login.ts";
import type { Servers } from "../servers/definitions.ts";
import type { Checks } from "./doctor.ts";
import { reachServers } from "./reach.ts";

const SOON_MS = EXPIRES_SOON_DAYS * 24 * 3_600_000;
/** A read that takes longer makes every request slow. */
const SLOW_READ_MS = 1_000;
/** A running worker sends messages sooner after they are due. */
const OVERDUE_MS = 10 * 60_000;

interface ChecksDeps {
  readonly database: Pick<Database, "kind">;
  readonly diagnose: Diagnose;
  readonly repository: Pick<SmtpServerRepository, "list">;
  readonly servers: Pick<Servers, "list" | "openStored">;
  readonly loadServer: (identifier: string) => Promise<ResolvedServer | null>;
  readonly transport: Transport;
  readonly circuit: Pick<Circuit, "healthOfAll">;
  readonly apiKeys: Pick<ApiKeys, "list">;
  readonly platform: Pick<Platform, "now">;
  /** @throws if the keys do not decrypt the database. */
  readonly checkKeys: () => Promise<void>;
}

/** Returns the checks of one run: the database, the definitions with their servers, and the queue. */
export function mailChecks(deps: ChecksDeps): Checks {
  return { ...databaseChecks(deps), ...serverChecks(deps) };
}

function databaseChecks({ database, diagnose, servers, checkKeys, platform }: ChecksDeps): Checks {
  const now = platform.now();
  const diagnosis = once(async () => {
    const startedMs = performance.now();
    const found = await diagnose(now);
    return { ...found, readMs: performance.now() - startedMs };
  });
  return {
    keys: {
      fine: "The keys decrypt the database.",
      async find() {
        await checkKeys();
        const unreadable = (await servers.list()).filter(({ password }) => password === null);
        return unreadable.map(
          ({ identifier }) => notice("password_unreadable", "password", { identifier }).text,
        );
      },
    },
    database: {
      fine: "The database responds.",
      async find() {
        const readMs = Math.round((await diagnosis()).readMs);
        return readMs < SLOW_READ_MS
          ? []
          : [`A read took ${readMs} ms: run Sealpost closer to its database, or reduce the load of both.`];
      },
    },
    clock: {
      fine: "The clock agrees with the database.",
      async find() {
        const { latestRow, databaseClock } = await diagnosis();
        const skewMs = Math.abs(databaseClock.getTime() - now.getTime());
        const isSkewed = database.kind === "remote" && skewMs > MAX_CLOCK_SKEW_MS;
        const isBehind = latestRow !== null && latestRow.getTime() - now.getTime() > CLOCK_TOLERANCE_MS;
        const remedy = "synchronize the clocks by NTP.";
        return [
          ...(isSkewed
            ? [`This machine and the database differ by ${Math.round(skewMs / 1000)} s: ${remedy}`]
            : []),
          ...(isBehind ? [`An audit row is from the future, ${minuteText(latestRow)}: ${remedy}`] : []),
        ];
      },
    },
    queue: {
      fine: "No message is overdue or held, and none can be retried.",
      async find() {
        const { oldestDue, retryable, held } = await diagnosis();
        const isOverdue = oldestDue !== null && now.getTime() - oldestDue.getTime() > OVERDUE_MS;
        return [
          ...(isOverdue
            ? [
                `A message has been due since ${minuteText(oldestDue)}: check that a worker runs, and the servers in this report.`,
              ]
            : []),
          ...(held > 0
            ? [
                `Messages that are held, as after a restore: ${held}. When the instance that was backed up no longer sends, POST /mail/release sends them.`,
              ]
            : []),
          ...(retryable > 0
            ? [
                `Messages that failed because of their server or definition: ${retryable}. Correct it, see GET /mail/?state=failed, and POST /mail/<id>/retry within 24 hours.`,
              ]
            : []),
        ];
      },
    },
  };
}

function serverChecks(deps: ChecksDeps): Checks {
  const { repository, circuit, apiKeys, platform } = deps;
  const now = platform.now();
  const rows = once(() => repository.list());
  const reached = once(async () => reachServers(deps, await rows()));
  const healthOf = once(() => circuit.healthOfAll());
  const inRows = async (find: (row: SmtpServerRow) => Promise<readonly string[]>) =>
    (await Promise.all((await rows()).map(find))).flat();
  const isDns = (phase: string | undefined) => phase === "dns";
  return {
    dns: {
      fine: "The names of all servers resolve.",
      find: async () =>
        (await reached()).filter(({ failure }) => isDns(failure?.phase)).map(({ text }) => text),
    },
    ports: {
      fine: "All servers accept connections.",
      find: async () =>
        (await reached()).filter(({ failure }) => !isDns(failure?.phase)).map(({ text }) => text),
    },
    servers: {
      fine: "No circuit is open.",
      find: () =>
        inRows(async ({ identifier }) => circuitProblems(identifier, (await healthOf())(identifier))),
    },
    certificates: {
      fine: `No certificate ends within ${EXPIRES_SOON_DAYS} days.`,
      find: () => inRows((row) => certificateProblems(row, deps, now)),
    },
    tokens: {
      fine: `No API key ends within ${EXPIRES_SOON_DAYS} days.`,
      async find() {
        const ending = (await apiKeys.list()).flatMap(({ name, expiresAt }) =>
          expiresAt !== null && expiresAt.getTime() - now.getTime() < SOON_MS ? [{ name, expiresAt }] : [],
        );
        return ending.map(
          ({ name, expiresAt }) =>
            `The API key ${name} ${endsText(expiresAt, now)}: create a new one, and delete this one.`,
        );
      },
    },
    oauth: {
      fine: "Every definition with OAuth is complete.",
      find: () =>
        inRows(async (row) => oauthProblems(row, (await healthOf())(row.identifier), { ...deps, now })),
    },
  };
}

function circuitProblems(identifier: string, { circuit, lastFailure, waiting }: ServerHealth): string[] {
  if (circuit === "closed") return [];
  const { code = "unknown" } = lastFailure ?? {};
  return [
    `${identifier} fails with ${code}. Messages that wait: ${waiting}. Test the definition and correct it.`,
  ];
}

async function certificateProblems(
  row: SmtpServerRow,
  { loadServer }: ChecksDeps,
  now: Date,
): Promise<readonly string[]> {
  const problems = certificatesOf(row, { loadServer }).map(async ({ parameter, end }) => {
    const name = `${parameter} of ${row.identifier}`;
    try {
      const notAfter = await end(now);
      if (notAfter === null) return [`${name} does not belong to its key: save both again.`];
      const isSoon = notAfter.getTime() - now.getTime() < SOON_MS;
      return isSoon ? [`${name} ${endsText(notAfter, now)}: get a new certificate.`] : [];
    } catch {
      return [`${name} cannot be read: save it again.`];
    }
  });
  return (await Promise.all(problems)).flat();
}

async function oauthProblems(
  row: SmtpServerRow,
  { lastFailure }: ServerHealth,
  { servers, now }: Pick<ChecksDeps, "servers"> & { readonly now: Date },
): Promise<readonly string[]> {
  if (row.auth !== "oauth2") return [];
  const read = async (name: SecretName) => (row[name] ? servers.openStored(row, name) : Secret.EMPTY);
  const notices = await checkLogin(row, read, now).catch((error) => {
    if (error instanceof SealpostError) return [{ code: "oauth_incomplete", text: `${error.message}.` }];
    throw error;
  });
  const missing = notices.filter(({ code }) => code === "oauth_incomplete").map(({ text }) => text);
  const failed =
    lastFailure?.phase === "oauth"
      ? [`The last token request failed with ${lastFailure.code}: sign in again, or test until oauth.`]
      : [];
  return [...missing, ...failed].map((text) => `${row.identifier}: ${text}`);
}

function endsText(date: Date, now: Date): string {
  return `${date <= now ? "ended" : "ends"} on ${minuteText(date)}`;
}

/** Shares one run of the work between the checks. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => {
    running ??= work();
    return running;
  };
}
