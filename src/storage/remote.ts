import { type Client, createClient } from "@libsql/client/http";
import { SealpostError } from "../errors.ts";
import type { CommitOptions, Database } from "./database.ts";
import { badUrl, isBusy, isRefusedForNow, remoteFailure } from "./failure.ts";
import type { Connection } from "./guard.ts";
import { type Connections, LibsqlDatabase } from "./libsql-database.ts";
import { SharedAppends } from "./shared-appends.ts";
import { Turns } from "./turns.ts";

/** A round trip takes milliseconds; a server that needs longer than this is as good as away. */
const PATIENCE_MS = 5_000;
/** The wait after the first refusal, doubled after each: a few round trips. */
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 320;

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** How long one operation may take, waits for others included. */
  readonly patienceMs?: number | undefined;
}

/**
 * A database behind a libSQL server, over HTTP: one round trip an operation. Needs nothing but `fetch`.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openRemoteDatabase(options: RemoteOptions): Database {
  return new LibsqlDatabase(connectRemote(options));
}

/**
 * Writes go one at a time, as a server takes them: sqld 0.24, asked for many at once, loses count of its lock and
 * writes no more until it is started anew.
 */
export function connectRemote(options: RemoteOptions): Connections {
  const { patienceMs = PATIENCE_MS } = options;
  requireUrl(options);
  const turns = new Turns();
  let isClosed = false;
  const connection = (take: Take): Connection => ({
    run: async (operation, commitOptions) => {
      if (isClosed) throw new SealpostError("database_unavailable", "The database has been closed");
      const signal = AbortSignal.timeout(patienceMs);
      // A client of its own for each: one that is shared queues, and on Workers a request may not wait for another.
      const client = makeClient(options, signal);
      try {
        return await take(() => persist(() => operation(client), signal), signal, commitOptions);
      } catch (error) {
        throw remoteFailure(error);
      } finally {
        client.close();
      }
    },
    close: async () => {
      isClosed = true;
    },
  });
  return {
    kind: "remote",
    writer: connection((...work) => turns.run(...work)),
    reader: connection((work) => work()),
    makeAppender: (commit) => new SharedAppends(commit),
  };
}

type Take = <T>(work: () => Promise<T>, signal: AbortSignal, options?: CommitOptions) => Promise<T>;

/** Tries again while the server is busy with others and has done nothing. */
async function persist<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (signal.aborted || !(isBusy(error) || isRefusedForNow(error))) throw error;
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
