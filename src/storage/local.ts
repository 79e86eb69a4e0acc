import { createClient } from "@libsql/client/sqlite3";
import type { Platform } from "../contracts/platform.ts";
import { type Connection, GuardedConnection, type GuardRole } from "./guard.ts";
import type { Connections } from "./libsql-database.ts";
import { GroupWriter } from "./writer.ts";

/** Longer than any commit of ours takes, shorter than clients wait for an answer. */
const PATIENCE_MS = 5_000;
const WRITER: GuardRole = {
  // A commit to the log survives a power loss only with FULL.
  pragmas: ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"],
  // So that a copy of the file is a whole backup; the driver's close leaves the log where it is.
  farewell: ["PRAGMA wal_checkpoint(TRUNCATE)"],
  renewable: true,
};
const READER: GuardRole = { pragmas: ["PRAGMA query_only = ON"], farewell: [], renewable: true };
const MEMORY: GuardRole = { pragmas: [], farewell: [], renewable: false };

const makeAppender: Connections["makeAppender"] = (commit) => new GroupWriter(commit);

export interface LocalOptions {
  readonly url: string;
  /** Spreads the waits for a lock. */
  readonly randomBytes: Platform["randomBytes"];
  /** How long one operation waits for locks of other processes. */
  readonly patienceMs?: number | undefined;
}

/** A file: one connection that writes, one that reads. */
export function connectFile(options: LocalOptions): Connections {
  return { kind: "local", writer: guarded(options, WRITER), reader: guarded(options, READER), makeAppender };
}

/** In memory there is one connection for both. */
export function connectMemory(options: LocalOptions): Connections {
  const only = guarded(options, MEMORY);
  return { kind: "local", writer: only, reader: only, makeAppender };
}

function guarded({ url, randomBytes, patienceMs = PATIENCE_MS }: LocalOptions, role: GuardRole): Connection {
  // No timeout: SQLite's own waiting would block the thread.
  const open = () => createClient({ url, concurrency: 1, timeout: 0 });
  return new GuardedConnection({ ...role, open, patienceMs, randomBytes });
}
