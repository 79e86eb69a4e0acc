import type { Platform } from "../../contracts/platform.ts";
import type { Connections } from "../libsql-database.ts";
import { changeMark, openLocalClient } from "./client.ts";
import { type Connection, GuardedConnection, type GuardOptions, type GuardRole } from "./connection.ts";

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

/** 500 inserts take about 7 ms: so long one commit may keep other writers waiting. */
const MAX_STATEMENTS = 500;

export interface LocalOptions {
  readonly url: string;
  /** Spreads the waits for a lock. */
  readonly randomBytes: Platform["randomBytes"];
  /** How long one operation waits for locks of other processes. */
  readonly patienceMs?: number | undefined;
}

/** A file: one connection that writes, one that reads. */
export function connectFile(options: LocalOptions): Connections {
  return connections(guarded(options, WRITER), guarded(options, { ...READER, changeMark }), options);
}

/** In memory there is one connection for both. */
export function connectMemory(options: LocalOptions): Connections {
  const only = guarded(options, MEMORY);
  return connections(only, only, options);
}

function connections(
  writer: Connection,
  reader: Connection,
  { patienceMs = PATIENCE_MS }: LocalOptions,
): Connections {
  const groupCommit = { maxStatements: MAX_STATEMENTS, maxWaitMs: patienceMs };
  return { kind: "local", writer, reader, groupCommit };
}

function guarded(
  { url, randomBytes, patienceMs = PATIENCE_MS }: LocalOptions,
  role: GuardRole & Pick<GuardOptions, "changeMark">,
): Connection {
  const open = () => openLocalClient(url);
  return new GuardedConnection({ ...role, open, patienceMs, randomBytes });
}
