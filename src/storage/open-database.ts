import type { Database } from "../contracts/database.ts";
import type { Platform } from "../contracts/platform.ts";
import { invalidUrlError } from "./errors.ts";
import { type Connections, LibsqlDatabase } from "./libsql-database.ts";
import { connectFile, connectMemory } from "./local/connect.ts";
import { connectRemote } from "./remote/connect.ts";

export interface OpenDatabaseOptions {
  /** `file:` with a path in an existing folder, `:memory:`, or `libsql:`, `https:`, `http:` for a server. */
  readonly url: string;
  /** Token of a remote database. */
  readonly authToken?: string;
  /** Spreads the waits for a lock. */
  readonly randomBytes: Platform["randomBytes"];
  /** Longest wait of one operation on a file for locks of other processes, in milliseconds. Default: 5,000. */
  readonly lockTimeoutMs?: number;
  /** Longest duration of one round trip to a server, in milliseconds. Default: 5,000. */
  readonly requestTimeoutMs?: number;
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
 * Opens a libSQL database, a local file or a server. No I/O happens before the first statement.
 * @throws {SealpostError} `bad_setting` for a URL of another kind.
 */
export function openDatabase(options: OpenDatabaseOptions): Database {
  const connect = CONNECT.find(([pattern]) => pattern.test(options.url))?.[1];
  if (connect === undefined) throw invalidUrlError();
  return new LibsqlDatabase(connect(options));
}
