import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import type { ApiKeys } from "../access/api-keys.ts";
import type { AuditLog } from "../access/audit-log.ts";
import type { Authentication } from "../access/authentication.ts";
import type { Authorization } from "../access/authorization.ts";
import type { Reroutes, Usage } from "../access/reroutes.ts";
import { shareRead } from "../async/batcher.ts";
import type { Database, WriteStatement } from "../contracts/database.ts";
import type { HttpClient } from "../contracts/http-client.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Transport } from "../contracts/transport.ts";
import type { Wake } from "../contracts/wake.ts";
import type { TargetLimits } from "../domain/endpoint.ts";
import type { ResolvedServer } from "../domain/smtp-server.ts";
import { timeUuidFrom } from "../domain/uuid.ts";
import type { Keyring } from "../secrets/keyring.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import { createDiagnose } from "../storage/diagnosis.ts";
import type { Epoch } from "../storage/epoch.ts";
import { createIdempotencyRepository, type IdempotencyRepository } from "../storage/idempotency.ts";
import { createMailUpkeepRepository, type MailUpkeepRepository } from "../storage/mail-upkeep.ts";
import { createMetricsRepository } from "../storage/metrics.ts";
import { createOAuthTokenRepository, type OAuthTokenRepository } from "../storage/oauth-tokens.ts";
import { createOutboxRepository } from "../storage/outbox.ts";
import { createQueuedMailRepository } from "../storage/queued-mail.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";
import { createServerHealthRepository, createWaitingMailRepository } from "../storage/server-health.ts";
import { commitSlices } from "../storage/slices.ts";
import { createSmtpServerRepository } from "../storage/smtp-servers.ts";
import type { Meter, MetricRegistry } from "../telemetry/meter.ts";
import type { Tracer } from "../telemetry/tracer.ts";
import { createBuild } from "./build.ts";
import { Circuit } from "./circuit.ts";
import { createDeliver, sendsJointly } from "./deliver.ts";
import { mailChecks } from "./doctor/checks.ts";
import type { Checks } from "./doctor/doctor.ts";
import { type CertificatesOf, createEncryption, type Encryption } from "./encryption.ts";
import type { Notify } from "./events.ts";
import { createIdempotency, IDEMPOTENCY_MS, type Idempotency } from "./idempotency.ts";
import { measureDeliveries } from "./measure.ts";
import { createReadMetrics, type ProcessGauges, type ReadMetrics } from "./metrics.ts";
import { createTokensFor } from "./oauth/definition-tokens.ts";
import { createSignIns, type SignIns } from "./oauth/sign-ins.ts";
import { createUseRefreshTokens } from "./oauth/use-refresh-tokens.ts";
import { createContentSeal } from "./queue/content.ts";
import { createEnqueue } from "./queue/enqueue.ts";
import { createMailQueue, type MailQueue } from "./queue/manage.ts";
import { createSendNow } from "./send-now.ts";
import { type AssertSender, createAssertSender } from "./servers/allowed-senders.ts";
import { createCheckCertificates } from "./servers/certificates.ts";
import { createCheckServer } from "./servers/check.ts";
import { createServers, type Servers } from "./servers/definitions.ts";
import { createInspectIdentity, type InspectIdentity } from "./servers/inspect.ts";
import { createSaveServer, type SaveServer } from "./servers/save.ts";
import { createTestMail, type TestMail } from "./servers/test.ts";
import type { SubmitFor } from "./submission.ts";
import { createSubmit } from "./submit.ts";
import { createSubmitBatch, type SubmitBatchFor } from "./submit-batch.ts";
import { createAttempts } from "./worker/attempts.ts";
import { LEASE_TIMES, type LeaseTimes } from "./worker/leases.ts";
import { createOutcomeRecorder } from "./worker/outcome-recorder.ts";
import { createOutcomes } from "./worker/outcomes.ts";
import { createProbes } from "./worker/probes.ts";
import { QueueWorker } from "./worker/queue-worker.ts";

const UUID_BYTES = 16;
const DAY_MS = 24 * 3_600_000;
/** Retention of access tokens, and of refresh tokens that an unsaved definition was tested with. */
const TOKEN_DAYS = 2;
/** Retention of refresh tokens of several definitions since their last use. Those that are needed are used after 25 days. */
const IDLE_GRANT_DAYS = 60;

interface MailServicesDeps {
  readonly database: Database;
  readonly epoch: Epoch;
  /** Columns with due times of the work of plugins. */
  readonly dueTimes: readonly SQLiteColumn[];
  readonly keyring: Keyring;
  readonly transport: Transport;
  /** For the requests of access tokens. */
  readonly http: HttpClient;
  readonly wake: Wake;
  readonly audit: AuditRepository;
  readonly auditLog: AuditLog;
  readonly apiKeys: ApiKeys;
  readonly authentication: Authentication;
  readonly authorization: Authorization;
  readonly rateLimits: RateLimitRepository;
  readonly platform: Platform;
  readonly newId: () => string;
  readonly mac: (text: string) => Promise<string>;
  /** @throws if the keys do not decrypt the database. */
  readonly checkKeys: () => Promise<void>;
  readonly notify: Notify;
  readonly reroutes: Reroutes;
  /** Returns whose mail a definition routes. */
  readonly usageOf: (identifier: string) => Promise<Usage>;
  /** Finds the certificates of users by their address. */
  readonly certificatesOf: CertificatesOf;
  /** Keeps the runtime from ending work with the request that started it. */
  readonly keepAlive: (work: Promise<unknown>) => void;
  readonly hostName: string;
  /** Public URL without its final slash. Empty if not set. */
  readonly baseUrl: string;
  /** Retention of final messages, in days. */
  readonly mailDays: number;
  readonly targets: TargetLimits;
  /** Default: by the kind of database. */
  readonly lease?: LeaseTimes;
  readonly meter: Meter;
  readonly tracer: Tracer;
  readonly registry: MetricRegistry;
  readonly processGauges: ProcessGauges;
}

/** Mail and server definitions. */
export interface MailServices {
  readonly idempotency: Idempotency;
  readonly circuit: Circuit;
  readonly servers: Servers;
  readonly submitFor: SubmitFor;
  readonly submitBatchFor: SubmitBatchFor;
  readonly assertSender: AssertSender;
  readonly saveServer: SaveServer;
  readonly testMail: TestMail;
  readonly inspectIdentity: InspectIdentity;
  /** Checks when certificates expire, and uses refresh tokens that have been idle. Runs once a day. */
  maintainServers(): Promise<void>;
  readonly signIns: SignIns;
  readonly mailQueue: MailQueue;
  readonly encryption: Encryption;
  /** Returns the checks of one run of the doctor. */
  checks(): Checks;
  /** Creates a worker: one for each process, or on Workers for each invocation. */
  createWorker(): QueueWorker;
  readonly readMetrics: ReadMetrics;
  /** Deletes what has been kept for long enough. */
  prune(): Promise<void>;
}

/** Creates everything about mail and its definitions, without I/O. */
export function createMailServices(deps: MailServicesDeps): MailServices {
  const { database, epoch, platform, transport, dueTimes } = deps;
  const repository = createSmtpServerRepository(database, epoch);
  const responses = createIdempotencyRepository(database);
  const sendingRows = createSendingRepositories(database);
  const { outbox, health, waiting } = sendingRows;
  const circuit = new Circuit({ ...deps, repository: health, waiting });
  const oauthTokens = createOAuthTokenRepository(database);
  const tokensFor = createTokensFor({ ...deps, repository: oauthTokens });
  const servers = createServers({ ...deps, repository, circuit, tokensFor });
  const encryption = createEncryption(deps);
  const sending = {
    ...deps,
    lease: deps.lease ?? LEASE_TIMES[database.kind],
    ...sendingRows,
    circuit,
    loadServer: servers.load,
    encryption,
    build: createBuild({ ...deps, encryption }),
    deliver: measureDeliveries(createDeliver(transport, encryption.encrypt), deps),
    isJoint: (server: ResolvedServer) => sendsJointly(transport, server),
    contentSeal: createContentSeal(deps.keyring, platform, outbox.readPiece),
    newMailId: () => timeUuidFrom(platform.now(), platform.randomBytes(UUID_BYTES)),
  };
  const idempotency = createIdempotency({ ...deps, repository: responses });
  const sendNow = createSendNow(sending);
  const submitting = { ...sending, idempotency, sendNow, enqueue: createEnqueue(sending) };
  const submitFor = createSubmit(submitting);
  const testing = { ...sending, repository, servers, tokensFor };
  const checkCertificates = createCheckCertificates({ ...sending, repository });
  const useRefreshTokens = createUseRefreshTokens({ ...sending, repository, tokensOf: servers.tokensOf });
  const signIns = createSignIns({ ...deps, repository, servers, circuit });
  return {
    idempotency,
    circuit,
    encryption,
    servers,
    submitFor,
    submitBatchFor: createSubmitBatch(submitting),
    assertSender: createAssertSender(sending),
    saveServer: createSaveServer({ ...deps, repository, servers, circuit }),
    testMail: createTestMail({ ...testing, submitFor, checkServer: createCheckServer(sending) }),
    inspectIdentity: createInspectIdentity(platform),
    signIns,
    readMetrics: createReadMetrics({ ...sending, repository, rows: createMetricsRepository(database) }),
    mailQueue: createMailQueue({
      ...sending,
      repository: createQueuedMailRepository(database, dueTimes),
    }),
    checks: () =>
      mailChecks({ ...sending, repository, servers, diagnose: createDiagnose(database, dueTimes) }),

    createWorker() {
      // A wake may start the worker within a request, whose reading of the database must not become the worker's.
      // Attempts that start together share the question whether a definition has changed, which costs as much as a write to
      // the socket on a file, and a round trip on a server.
      const loadServer = shareRead((identifier) => epoch.run(() => servers.load(identifier)));
      const recorder = createOutcomeRecorder(sending);
      return new QueueWorker({
        ...sending,
        attempts: createAttempts({ ...sending, loadServer, recorder }),
        outcomes: createOutcomes({ ...sending, recorder }),
        probes: createProbes(sending),
        recorder,
        waitsInTransport: transport.boundsConnections === true,
      });
    },

    async maintainServers() {
      await checkCertificates();
      await useRefreshTokens();
    },

    prune: () =>
      commitSlices(database, ...pruned({ ...sending, responses, oauthTokens, signIns }, platform.now())),
  };
}

/** Creates the repositories of queued mail and of the health of servers. */
function createSendingRepositories(database: Database) {
  return {
    outbox: createOutboxRepository(database),
    health: createServerHealthRepository(database),
    waiting: createWaitingMailRepository(database),
    upkeep: createMailUpkeepRepository(database),
  };
}

/** Returns groups of statements that delete a slice of what has been kept for long enough. */
function pruned(
  {
    upkeep,
    responses,
    oauthTokens,
    signIns,
    mailDays,
  }: Pick<MailServicesDeps, "mailDays"> & {
    readonly upkeep: MailUpkeepRepository;
    readonly responses: IdempotencyRepository;
    readonly oauthTokens: OAuthTokenRepository;
    readonly signIns: SignIns;
  },
  now: Date,
): readonly (readonly WriteStatement[])[] {
  const before = (spanMs: number) => new Date(now.getTime() - spanMs);
  return [
    [upkeep.eraseContent(now)],
    upkeep.prune(before(mailDays * DAY_MS)),
    [responses.prune(before(IDEMPOTENCY_MS))],
    oauthTokens.prune(before(TOKEN_DAYS * DAY_MS), before(IDLE_GRANT_DAYS * DAY_MS)),
    [signIns.prune(now)],
  ];
}
