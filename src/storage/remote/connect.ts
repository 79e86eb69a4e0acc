import { type Client, createClient } from "@libsql/client/http";
import type { PollingOptions } from "../../async/batcher.ts";
import { Semaphore } from "../../async/semaphore.ts";
import type { Database } from "../../contracts/database.ts";
import {
  abandonedError,
  closedError,
  invalidUrlError,
  isBusy,
  isOverloaded,
  remoteError,
} from "../errors.ts";
import { type Connection, type Connections, LibsqlDatabase } from "../libsql-database.ts";

/** A round trip takes milliseconds; a server that needs longer than this is as good as unavailable. */
const REQUEST_TIMEOUT_MS = 5_000;
/** A commit that has waited for half of that does not start: its caller would give up before the end. */
const MAX_WAIT_SHARE = 0.5;
/** Longer than one round trip may take. */
const ABANDONED_AFTER_SHARE = 1.2;
/** The wait after the first failure, doubled after each: a few round trips. */
const INITIAL_WAIT_MS = 10;
const MAX_WAIT_MS = 320;
/** Concurrent reads. By default sqld queues everything after 128 until it fails. */
const MAX_READS = 32;
/** sqld runs this many in about 20 ms, which is what a round trip to it may take. */
const MAX_STATEMENTS = 400;

interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** Longest duration of one round trip, in milliseconds. A commit waits for others for at most half of it. */
  readonly requestTimeoutMs?: number | undefined;
  /** Keeps the runtime from ending a commit with its request, because the commit includes those of other requests. */
  readonly keepAlive?: PollingOptions["keepAlive"];
}

/**
 * Opens a database behind a libSQL server over HTTP, for Workers: no request awaits a promise of another. One operation
 * is one round trip. Needs only `fetch`.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openRemoteDatabase(options: RemoteOptions): Database {
  const { groupCommit, ...connections } = connect(options);
  const maxRunMs = ABANDONED_AFTER_SHARE * (options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
  const polling = { maxRunMs, abandoned: abandonedError, keepAlive: options.keepAlive };
  return new LibsqlDatabase({ ...connections, groupCommit: { ...groupCommit, polling } });
}

/**
 * Connects to a libSQL server. Commits run one at a time, as a server takes them: sqld 0.24 loses count of its lock
 * under many concurrent commits and writes nothing more until it restarts.
 */
export function connectRemote(options: RemoteOptions): Connections {
  const { reader, ...connections } = connect(options);
  const reads = new Semaphore(MAX_READS);
  return {
    ...connections,
    reader: { ...reader, run: (operation, given) => reads.run(() => reader.run(operation, given)) },
  };
}

function connect(options: RemoteOptions): Connections {
  const { requestTimeoutMs = REQUEST_TIMEOUT_MS } = options;
  assertUrl(options);
  const connection = createConnection(options, requestTimeoutMs);
  const groupCommit = { maxStatements: MAX_STATEMENTS, maxWaitMs: MAX_WAIT_SHARE * requestTimeoutMs };
  return { kind: "remote", writer: connection, reader: connection, groupCommit };
}

function createConnection(options: RemoteOptions, requestTimeoutMs: number): Connection {
  let isClosed = false;
  let busyCount = 0;
  const attempt = async <T>(operation: (client: Client) => Promise<T>) => {
    // One client for each operation: a shared one queues, and on Workers no request may wait for another.
    const client = openClient(options, AbortSignal.timeout(requestTimeoutMs));
    try {
      return await operation(client);
    } finally {
      client.close();
    }
  };
  return {
    async run(operation, { deadlineMs = performance.now() + requestTimeoutMs } = {}) {
      if (isClosed) throw closedError();
      try {
        return await retryWhileBusy(
          () => attempt(operation),
          deadlineMs,
          () => busyCount++,
        );
      } catch (error) {
        throw remoteError(error);
      }
    },
    busyCount: () => busyCount,
    async close() {
      isClosed = true;
    },
  };
}

/** Repeats an attempt while the server is busy with others and has done nothing. */
async function retryWhileBusy<T>(
  attempt: () => Promise<T>,
  deadlineMs: number,
  onBusy: () => void,
): Promise<T> {
  for (let waitMs = INITIAL_WAIT_MS; ; waitMs = Math.min(2 * waitMs, MAX_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const isLate = performance.now() >= deadlineMs;
      const isServerBusy = isBusy(error) || isOverloaded(error);
      if (isServerBusy) onBusy();
      if (isLate || !isServerBusy) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

function assertUrl(options: RemoteOptions): void {
  try {
    // Holds nothing, and to close it would create an error: as a Worker loads, V8 would read its script again for that.
    openClient(options);
  } catch (error) {
    throw invalidUrlError(error);
  }
}

/** @param signal bounds each whole response; the client has no timeout of its own. */
function openClient({ url, authToken }: RemoteOptions, signal?: AbortSignal): Client {
  const boundedFetch = (request: Request) => fetch(request, signal ? { signal } : {});
  return createClient({ url, fetch: boundedFetch, ...(authToken && { authToken }) });
}
