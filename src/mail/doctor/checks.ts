import type { ApiKeys } from "../../access/api-keys.ts";
import type { Database } from "../../contracts/database.ts";
import type { Platform } from "../../contracts/platform.ts";
import type { Transport } from "../../contracts/transport.ts";
import { CLOCK_TOLERANCE_MS, MAX_CLOCK_SKEW_MS } from "../../domain/clock.ts";
import { type Problem, problem } from "../../domain/findings.ts";
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
        return unreadable.map(({ identifier }) => problem("password_unreadable", { identifier }));
      },
    },
    database: {
      fine: "The database responds.",
      async find() {
        const readMs = Math.round((await diagnosis()).readMs);
        return readMs < SLOW_READ_MS ? [] : [problem("read_slow", { ms: readMs })];
      },
    },
    clock: {
      fine: "The clock agrees with the database.",
      async find() {
        const { latestRow, databaseClock } = await diagnosis();
        const skewMs = Math.abs(databaseClock.getTime() - now.getTime());
        const isSkewed = database.kind === "remote" && skewMs > MAX_CLOCK_SKEW_MS;
        const isBehind = latestRow !== null && latestRow.getTime() - now.getTime() > CLOCK_TOLERANCE_MS;
        return [
          ...(isSkewed ? [problem("clock_differs", { seconds: Math.round(skewMs / 1000) })] : []),
          ...(isBehind ? [problem("row_from_future", { time: minuteText(latestRow) })] : []),
        ];
      },
    },
    queue: {
      fine: "No message is overdue or held, and none can be retried.",
      async find() {
        const { oldestDue, retryable, held } = await diagnosis();
        const isOverdue = oldestDue !== null && now.getTime() - oldestDue.getTime() > OVERDUE_MS;
        return [
          ...(isOverdue ? [problem("message_overdue", { time: minuteText(oldestDue) })] : []),
          ...(held > 0 ? [problem("messages_held", { count: held })] : []),
          ...(retryable > 0 ? [problem("messages_failed", { count: retryable })] : []),
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
  const inRows = async (find: (row: SmtpServerRow) => Promise<readonly Problem[]>) =>
    (await Promise.all((await rows()).map(find))).flat();
  const isDns = (phase: string | undefined) => phase === "dns";
  return {
    dns: {
      fine: "The names of all servers resolve.",
      find: async () =>
        (await reached()).filter(({ failure }) => isDns(failure?.phase)).map((one) => one.problem),
    },
    ports: {
      fine: "All servers accept connections.",
      find: async () =>
        (await reached()).filter(({ failure }) => !isDns(failure?.phase)).map((one) => one.problem),
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
        return ending.map(({ name, expiresAt }) =>
          problem(expiresAt <= now ? "key_ended" : "key_ends", { name, time: minuteText(expiresAt) }),
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

function circuitProblems(identifier: string, { circuit, lastFailure, waiting }: ServerHealth): Problem[] {
  if (circuit === "closed") return [];
  const { code = "unknown" } = lastFailure ?? {};
  return [problem("circuit_open", { identifier, code, waiting })];
}

async function certificateProblems(
  row: SmtpServerRow,
  { loadServer }: ChecksDeps,
  now: Date,
): Promise<readonly Problem[]> {
  const { identifier } = row;
  const problems = certificatesOf(row, { loadServer }).map(async ({ parameter, end }) => {
    const named = { parameter, identifier };
    try {
      const notAfter = await end(now);
      if (notAfter === null) return [problem("certificate_of_other_pair", named)];
      if (notAfter.getTime() - now.getTime() >= SOON_MS) return [];
      const code = notAfter <= now ? "certificate_ended" : "certificate_ends";
      return [problem(code, { ...named, time: minuteText(notAfter) })];
    } catch {
      return [problem("certificate_unreadable", named)];
    }
  });
  return (await Promise.all(problems)).flat();
}

async function oauthProblems(
  row: SmtpServerRow,
  { lastFailure }: ServerHealth,
  { servers, now }: Pick<ChecksDeps, "servers"> & { readonly now: Date },
): Promise<readonly Problem[]> {
  const { identifier } = row;
  if (row.auth !== "oauth2") return [];
  const read = async (name: SecretName) => (row[name] ? servers.openStored(row, name) : Secret.EMPTY);
  const missing = await checkLogin(row, read, now).then(
    (notices) =>
      notices
        .filter(({ code }) => code === "oauth_incomplete")
        .map(({ parameter }) => problem("oauth_incomplete", { identifier, parameter })),
    (error) => {
      if (!(error instanceof SealpostError)) throw error;
      return [problem("oauth_invalid", { identifier, reason: error.message })];
    },
  );
  const isFailed = lastFailure?.phase === "oauth";
  return [...missing, ...(isFailed ? [problem("oauth_failed", { identifier, code: lastFailure.code })] : [])];
}

/** Shares one run of the work between the checks. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null;
  return () => {
    running ??= work();
    return running;
  };
}
