import { availableParallelism, hostname, networkInterfaces } from "node:os";
import type { Context } from "hono";
import { createAbortableConnect } from "../../async/abort.ts";
import type { Config } from "../../config.ts";
import type { Wake, WakeSource } from "../../contracts/wake.ts";
import { ehloNameOf } from "../../domain/network.ts";
import { SealpostError } from "../../errors.ts";
import type { ReadPageFiles } from "../../http/page.ts";
import type { Drivers } from "../../services.ts";
import { isMigrated, migrate } from "../../storage/migrate.ts";
import { MIGRATIONS } from "../../storage/migrations/index.ts";
import { openDatabase } from "../../storage/open-database.ts";
import { createTransportByProtocol } from "../../transport/by-protocol.ts";
import { createConnect } from "../../transport/connect.ts";
import { createHttpClient } from "../../transport/http-client.ts";
import { createHttpConnect, httpPorts } from "../../transport/http-target.ts";
import { createSmtpTransport, showRejectedChains } from "../../transport/smtp/index.ts";
import { createBullmqWake, loadBullmq } from "../../wake/bullmq.ts";
import { createPollWake } from "../../wake/poll.ts";
import { PLATFORM as platform } from "../platform.ts";
import { readAuthorities } from "./authorities.ts";
import { createFile, databasePath } from "./database-path.ts";
import { assertDatabaseOfKeys, loadKeyring } from "./load-keyring.ts";
import { loadTracer } from "./open-telemetry.ts";
import { readPageFiles } from "./page-files.ts";
import { assertPeers } from "./peers.ts";

/** The drivers of a runtime with files and sockets, for `createSealpost`. */
export interface LocalDrivers extends Drivers {
  /** Domain of a Message-ID if the sender address has none. */
  readonly hostName: string;
  readonly readPageFiles: ReadPageFiles;
}

/** {@link LocalDrivers} of a host app. */
export interface HostDrivers extends LocalDrivers {
  /** Returns the address of the other end of the request's connection; `null` if the request has none. */
  readonly peerAddress: (c: Context) => string | null;
}

/**
 * Opens the drivers of a runtime with files and sockets. It migrates the database, because the key file depends on
 * whether the database has sealed values.
 * @throws {SealpostError} `bad_setting` or `database_unavailable`, one line that says what to do.
 */
export async function openLocalDrivers(config: Config): Promise<LocalDrivers> {
  assertPeers();
  const wake = await wakeOf(config);
  const tracer = await loadTracer();
  const path = databasePath(config.databaseUrl);
  const database = openDatabase({
    url: config.databaseUrl,
    authToken: config.databaseToken.reveal(),
    randomBytes: platform.randomBytes,
  });
  try {
    if (path !== null) {
      await assertDatabaseOfKeys(config, path, () => isMigrated(database));
      await createFile(path);
    }
    await migrate(database, MIGRATIONS, platform);
    const keyring = await loadKeyring(config, { path, database, platform });
    const ca = await readAuthorities(config.tlsCa);
    const ehloName = config.ehloName === "" ? ownName() : config.ehloName;
    const { egress, egressPorts: ports } = config;
    const smtp = createAbortableConnect(createConnect({ egress, ports, ca }));
    const https = createAbortableConnect(createConnect({ egress, ports: httpPorts(ports), ca }));
    const connect = createHttpConnect({ connect: https.connect, egress, ports });
    const http = createHttpClient(connect);
    const { now } = platform;
    const options = { connect: smtp.connect, ehloName, extraCa: ca, now };
    return {
      database,
      keyring,
      transport: createTransportByProtocol(showRejectedChains(createSmtpTransport(options), options), {
        http,
        connect,
        now,
      }),
      http,
      egress: { egress, ports },
      platform,
      wake,
      tracer,
      hostName: ehloName.startsWith("[") ? "localhost" : ehloName,
      readPageFiles,
      maxHashes: Math.max(1, availableParallelism() - 1),
      abortDeliveries() {
        smtp.abort();
        https.abort();
      },
      deliveriesAborted: smtp.signal,
    };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw nameDatabase(error, config);
  }
}

/** A process that shares a Worker's settings cannot notify its queue: the Worker's sweep finds it. */
async function wakeOf({ wake, redisUrl: url }: Config): Promise<Wake & WakeSource> {
  if (wake !== "bullmq") return createPollWake(platform);
  await loadBullmq();
  return createBullmqWake({ url, now: platform.now });
}

/** Adds to an error of the database which file is full, damaged or not a database. */
export function nameDatabase(error: unknown, { databaseUrl }: Config): unknown {
  const path = databasePath(databaseUrl);
  if (path === null || !(error instanceof SealpostError) || error.code !== "database_unavailable")
    return error;
  const message = `SEALPOST_DATABASE_URL, ${path}: ${error.message}`;
  return new SealpostError(error.code, message, { parameter: "SEALPOST_DATABASE_URL", cause: error });
}

function ownName(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((own) => own ?? []);
  const outer = addresses.filter(({ internal }) => !internal).map(({ address }) => address);
  return ehloNameOf(hostname(), outer);
}
