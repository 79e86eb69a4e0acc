import { type Client, createClient } from "@libsql/client/http";
import { SealpostError } from "../errors.ts";
import type { Database } from "./database.ts";
import { badUrl, remoteFailure } from "./failure.ts";
import type { Connection } from "./guard.ts";
import { type Connections, LibsqlDatabase } from "./libsql-database.ts";

/** A round trip takes milliseconds; a server that needs longer than this is as good as away. */
const PATIENCE_MS = 5_000;

export interface RemoteOptions {
  /** `libsql:`, `https:` or `http:`. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** How long one operation may take. */
  readonly patienceMs?: number | undefined;
}

/**
 * A database behind a libSQL server, over HTTP: one round trip an operation. Needs nothing but `fetch`.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openRemoteDatabase(options: RemoteOptions): Database {
  return new LibsqlDatabase(connectRemote(options));
}

/** Reads and writes go the same way. */
export function connectRemote(options: RemoteOptions): Connections {
  const connect = clientMaker(options);
  let isClosed = false;
  const only: Connection = {
    run: async (operation) => {
      if (isClosed) throw new SealpostError("database_unavailable", "The database has been closed");
      // A client of its own for each: one that is shared queues, and on Workers a request may not wait for another.
      const client = connect();
      try {
        return await operation(client);
      } catch (error) {
        throw remoteFailure(error);
      } finally {
        client.close();
      }
    },
    close: async () => {
      isClosed = true;
    },
  };
  return { writer: only, reader: only, grouping: false };
}

function clientMaker({ url, authToken, patienceMs = PATIENCE_MS }: RemoteOptions): () => Client {
  // Bounds the whole answer; the client has no bound of its own.
  const bounded = (request: Request) => fetch(request, { signal: AbortSignal.timeout(patienceMs) });
  const connect = () => createClient({ url, fetch: bounded, ...(authToken && { authToken }) });
  try {
    connect().close();
  } catch (error) {
    throw badUrl(error);
  }
  return connect;
}
