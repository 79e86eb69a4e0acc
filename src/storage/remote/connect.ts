import { type Client, createClient } from "@libsql/client/http";
import type { PollingOptions } from "../../async/batcher.ts";
import { Semaphore } from "../../async/semaphore.ts";
import type { Database } from "../../contracts/database.ts";
import { SealpostError } from "../../errors.ts";
import { abandonedFailure, badUrl, isBusy, isRefusedForNow, remoteFailure } from "../errors.ts";
import { type Connections, LibsqlDatabase } from "../libsql-database.ts";
import type { Connection } from "../local/connection.ts";

/** A round trip takes milliseconds; a server that needs longer than this is as good as away. */
const PATIENCE_MS = 5_000;
/** A commit that has waited for half of that is not begun: its caller would have left before its end. */
const MAX_WAIT_SHARE = 0.5;
/** Longer than one round trip may take. */
const ABANDONED_AFTER_SHARE = 1.2;
/** The wait after the first refusal, doubled after each: a few round trips. */
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 320;
/** Reads at a time: by default sqld keeps all that come after 128 waiting, until they fail. */
const MAX_READS = 32;
/** sqld runs as many in about 20 ms, which is what a round trip to it may take. */
const MAX_STATEMENTS = 400;

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** How long one round trip may take, and twice as long as a commit may wait for others before it. */
  readonly patienceMs?: number | undefined;
  /** Keeps the runtime from cutting a commit off with its request, because it has commits of others in it. */
  readonly keepAlive?: PollingOptions["keepAlive"];
}

/**
 * A database behind a libSQL server, over HTTP: one round trip an operation. Needs nothing but `fetch`. For Workers:
 * no request awaits a promise of another.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openRemoteDatabase(options: RemoteOptions): Database {
  const { groupCommit, ...connections } = connect(options);
  const maxRunMs = ABANDONED_AFTER_SHARE * (options.patienceMs ?? PATIENCE_MS);
  const polling = { maxRunMs, abandoned: abandonedFailure, keepAlive: options.keepAlive };
  return new LibsqlDatabase({ ...connections, groupCommit: { ...groupCommit, polling } });
}

/**
 * Commits go one at a time, as a server takes them: sqld 0.24, asked for many at once, loses count of its lock and
 * writes no more until it is started anew.
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
  const { patienceMs = PATIENCE_MS } = options;
  requireUrl(options);
  const connection = createConnection(options, patienceMs);
  const groupCommit = { maxStatements: MAX_STATEMENTS, maxWaitMs: MAX_WAIT_SHARE * patienceMs };
  return { kind: "remote", writer: connection, reader: connection, groupCommit };
}

function createConnection(options: RemoteOptions, patienceMs: number): Connection {
  let isClosed = false;
  const attempt = async <T>(operation: (client: Client) => Promise<T>) => {
    // A client of its own for each: one that is shared queues, and on Workers a request may not wait for another.
    const client = makeClient(options, AbortSignal.timeout(patienceMs));
    try {
      return await operation(client);
    } finally {
      client.close();
    }
  };
  return {
    async run(operation, { deadlineMs = performance.now() + patienceMs } = {}) {
      if (isClosed) throw new SealpostError("database_unavailable", "The database has been closed");
      try {
        return await persist(() => attempt(operation), deadlineMs);
      } catch (error) {
        throw remoteFailure(error);
      }
    },
    async close() {
      isClosed = true;
    },
  };
}

/** Attempts again while the server is busy with others and has done nothing. */
async function persist<T>(attempt: () => Promise<T>, deadlineMs: number): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      const isLate = performance.now() >= deadlineMs;
      if (isLate || !(isBusy(error) || isRefusedForNow(error))) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}

function requireUrl(options: RemoteOptions): void {
  try {
    makeClient(options).close();
  } catch (error) {
    throw badUrl(error);
  }
}

/** @param signal bounds each whole answer; the client has no bound of its own. */
function makeClient({ url, authToken }: RemoteOptions, signal?: AbortSignal): Client {
  const bounded = (request: Request) => fetch(request, signal ? { signal } : {});
  return createClient({ url, fetch: bounded, ...(authToken && { authToken }) });
}
