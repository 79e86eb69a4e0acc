import { type Client, createClient } from "@libsql/client";
import type { BatchResponse } from "drizzle-orm/batch";
import type { LibSQLDatabase } from "drizzle-orm/libsql/driver-core";
import type { Platform } from "../contracts/platform.ts";
import type { Database, Statement } from "./database.ts";
import { drizzleOver } from "./drizzle.ts";
import { badUrl, remoteFailure } from "./failure.ts";
import { type Connection, GuardedConnection, type GuardRole } from "./guard.ts";
import { GroupWriter } from "./writer.ts";

/** Longer than any commit of ours takes, shorter than clients wait for an answer. */
const PATIENCE_MS = 5_000;
/** A remote client refuses nothing and queues nothing: on Workers a queued request may outlive its owner. */
const REMOTE_CONCURRENCY = 100_000;
/** The roles of the connections to a local database. */
const WRITER: GuardRole = {
  // A commit to the log survives a power loss only with FULL.
  pragmas: ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"],
  // So that a copy of the file is a whole backup; the driver's close leaves the log where it is.
  farewell: ["PRAGMA wal_checkpoint(TRUNCATE)"],
  renewable: true,
};
const READER: GuardRole = { pragmas: ["PRAGMA query_only = ON"], farewell: [], renewable: true };
const MEMORY: GuardRole = { pragmas: [], farewell: [], renewable: false };

export interface OpenDatabaseOptions {
  /** `file:` with a path whose directory exists, `:memory:`, or `libsql:`, `https:`, `http:` for a server. */
  readonly url: string;
  /** Token of a remote database. */
  readonly authToken?: string;
  /** Spreads the waits for a lock. */
  readonly randomBytes: Platform["randomBytes"];
  /** How long one operation waits for locks of other processes. */
  readonly patienceMs?: number;
}

interface Connections {
  readonly reader: Connection;
  readonly writer: Connection;
  /** Whether one caller's commit may carry another caller's rows. */
  readonly grouping: boolean;
}

const CONNECT: readonly (readonly [
  pattern: RegExp,
  connect: (options: OpenDatabaseOptions) => Connections,
])[] = [
  [/^(file:)?:memory:/, connectMemory],
  [/^file:/i, connectFile],
  [/^(libsql|https?):/i, connectRemote],
];

/**
 * A libSQL database. No I/O happens before the first statement.
 *
 * A file has a writer connection and a reader connection, in memory there is one for both.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openDatabase(options: OpenDatabaseOptions): Database {
  const connect = CONNECT.find(([pattern]) => pattern.test(options.url))?.[1];
  if (connect === undefined) throw badUrl();
  return new LibsqlDatabase(connect(options));
}

function connectFile(options: OpenDatabaseOptions): Connections {
  return { writer: guarded(options, WRITER), reader: guarded(options, READER), grouping: true };
}

function connectMemory(options: OpenDatabaseOptions): Connections {
  const only = guarded(options, MEMORY);
  return { writer: only, reader: only, grouping: true };
}

function guarded(options: OpenDatabaseOptions, role: GuardRole): Connection {
  const { url, randomBytes, patienceMs = PATIENCE_MS } = options;
  // No timeout: SQLite's own waiting would block the thread.
  const open = () => createClient({ url, concurrency: 1, timeout: 0 });
  return new GuardedConnection({ ...role, open, patienceMs, randomBytes });
}

function connectRemote(options: OpenDatabaseOptions): Connections {
  const client = remoteClient(options);
  const only: Connection = {
    run: async (operation) => {
      try {
        return await operation(client);
      } catch (error) {
        throw remoteFailure(error);
      }
    },
    close: async () => client.close(),
  };
  return { writer: only, reader: only, grouping: false };
}

function remoteClient({ url, authToken }: OpenDatabaseOptions): Client {
  try {
    return createClient({ url, concurrency: REMOTE_CONCURRENCY, ...(authToken && { authToken }) });
  } catch (error) {
    throw badUrl(error);
  }
}

class LibsqlDatabase implements Database {
  readonly read: LibSQLDatabase;
  readonly write: LibSQLDatabase;
  readonly #connections: Connections;
  readonly #group: GroupWriter | null;

  constructor(connections: Connections) {
    this.#connections = connections;
    this.read = drizzleOver(connections.reader, "read");
    this.write = drizzleOver(connections.writer, "write");
    this.#group = connections.grouping ? new GroupWriter((statements) => this.commit(statements)) : null;
  }

  commit<const T extends readonly Statement[]>(statements: T): Promise<BatchResponse<T>>;
  async commit(statements: readonly Statement[]): Promise<readonly unknown[]> {
    const [first, ...rest] = statements;
    return first === undefined ? [] : await this.write.batch([first, ...rest]);
  }

  async append(statement: Statement): Promise<void> {
    await (this.#group?.append(statement) ?? this.commit([statement]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group?.drain();
    // The writer last: a reader would keep it from moving the log into the file.
    await this.#connections.reader.close();
    await this.#connections.writer.close();
  }
}
