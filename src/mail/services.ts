import { shareRead } from "../async/batcher.ts";
import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Transport } from "../contracts/transport.ts";
import type { Wake } from "../contracts/wake.ts";
import type { Keyring } from "../secrets/keyring.ts";
import type { AuditRepository } from "../storage/audit-log.ts";
import type { Epoch } from "../storage/epoch.ts";
import { createIdempotencyRepository } from "../storage/idempotency.ts";
import { createMailUpkeepRepository } from "../storage/mail-upkeep.ts";
import { createOutboxRepository } from "../storage/outbox.ts";
import { createQueuedMailRepository } from "../storage/queued-mail.ts";
import type { RateLimitRepository } from "../storage/rate-limits.ts";
import { createServerHealthRepository } from "../storage/server-health.ts";
import { createSmtpServerRepository } from "../storage/smtp-servers.ts";
import { createWaitingMailRepository } from "../storage/waiting-mail.ts";
import { createBuild } from "./build.ts";
import { createCircuit } from "./circuit.ts";
import { createDeliver } from "./deliver.ts";
import type { Notify } from "./events.ts";
import { createIdempotency, IDEMPOTENCY_MS } from "./idempotency.ts";
import { createContentSeal } from "./queue/content.ts";
import { createEnqueue } from "./queue/enqueue.ts";
import { createMailQueue } from "./queue/manage.ts";
import { createSendNow } from "./send-now.ts";
import { createCheckCertificates } from "./servers/certificates.ts";
import { createCheckServer } from "./servers/check.ts";
import { createServers } from "./servers/definitions.ts";
import { createSaveServer } from "./servers/save.ts";
import { createTestMail } from "./servers/test.ts";
import { createSubmit } from "./submit.ts";
import { createAttempts } from "./worker/attempts.ts";
import { createPlanClaims } from "./worker/claims.ts";
import { LEASE_TIMES, type LeaseTimes } from "./worker/leases.ts";
import { createOutcomeRecorder } from "./worker/outcome-recorder.ts";
import { createProbes } from "./worker/probes.ts";
import { QueueWorker } from "./worker/queue-worker.ts";

const DAY_MS = 24 * 3_600_000;

/** Builds everything that has to do with mail and its definitions, without I/O. */
export function createMailServices(parts: {
  readonly database: Database;
  readonly epoch: Epoch;
  readonly keyring: Keyring;
  readonly transport: Transport;
  readonly wake: Wake;
  readonly audit: AuditRepository;
  readonly rateLimits: RateLimitRepository;
  readonly platform: Platform;
  readonly newId: () => string;
  readonly mac: (text: string) => Promise<string>;
  readonly notify: Notify;
  readonly hostName: string;
  /** How long mails are kept that have ended, in days. */
  readonly mailDays: number;
  readonly lease?: LeaseTimes;
}) {
  const { database, platform } = parts;
  const { epoch } = parts;
  const repository = createSmtpServerRepository(database, epoch);
  const outbox = createOutboxRepository(database);
  const idempotencyRows = createIdempotencyRepository(database);
  const health = createServerHealthRepository(database);
  const waiting = createWaitingMailRepository(database);
  const upkeep = createMailUpkeepRepository(database);
  const circuit = createCircuit({ ...parts, repository: health, waiting });
  const servers = createServers({ ...parts, repository, circuit });
  const sending = {
    ...parts,
    lease: parts.lease ?? LEASE_TIMES[database.kind],
    ...{ outbox, upkeep, waiting, health },
    circuit,
    loadServer: servers.load,
    build: createBuild(platform),
    deliver: createDeliver(parts.transport),
    contentSeal: createContentSeal(parts.keyring, platform, outbox.readPiece),
  };
  const idempotency = createIdempotency({ ...parts, repository: idempotencyRows });
  const submitFor = createSubmit({
    ...{ ...sending, idempotency },
    sendNow: createSendNow(sending),
    enqueue: createEnqueue(sending),
  });
  return {
    idempotency,
    circuit,
    servers,
    submitFor,
    saveServer: createSaveServer({ ...parts, repository, servers, circuit }),
    testMail: createTestMail({
      ...{ ...parts, repository, servers, submitFor },
      checkServer: createCheckServer(sending),
    }),
    checkCertificates: createCheckCertificates({ ...sending, repository }),
    mailQueue: createMailQueue({ ...parts, repository: createQueuedMailRepository(database), circuit }),

    /** One for a process, or on Workers for an event. */
    createWorker(): QueueWorker {
      // A worker may have been woken within a request, whose moment is not its own.
      const load = (identifier: string) => epoch.run(() => servers.load(identifier));
      // A file is asked by its mark; over a network each question is a round trip.
      const loadServer = database.kind === "remote" ? shareRead(load) : load;
      const tries = createAttempts({ ...sending, loadServer, records: createOutcomeRecorder(sending) });
      const probes = createProbes(sending);
      const waitsInTransport = parts.transport.boundsConnections === true;
      return new QueueWorker({
        ...sending,
        tries,
        probes,
        planClaims: createPlanClaims(sending),
        waitsInTransport,
      });
    },

    /** Deletes what has been kept for long enough. */
    async prune(): Promise<void> {
      const now = platform.now();
      const before = (spanMs: number) => new Date(now.getTime() - spanMs);
      await database.commit([
        upkeep.eraseContent(now),
        ...upkeep.prune(before(parts.mailDays * DAY_MS)),
        idempotencyRows.prune(before(IDEMPOTENCY_MS)),
      ]);
    },
  };
}
