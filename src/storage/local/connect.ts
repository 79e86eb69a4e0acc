import type { Platform } from "../../contracts/platform.ts";
import type { Connection, Connections } from "../libsql-database.ts";
import { openBackgroundClient } from "./background-client.ts";
import { changeMark, openLocalClient, pathOf } from "./client.ts";
import { type ConnectionRole, FileCheck, type LocalClient, ManagedConnection } from "./connection.ts";

/** Longer than any commit takes, shorter than clients wait for a response. */
const LOCK_TIMEOUT_MS = 5_000;
const WRITER: ConnectionRole = {
  // Only with FULL does a commit to the log survive a power loss.
  pragmas: ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"],
  // Makes a copy of the file a complete backup; the driver's close leaves the log in place.
  closingPragmas: ["PRAGMA wal_checkpoint(TRUNCATE)"],
  canReconnect: true,
};
const READER: ConnectionRole = {
  pragmas: ["PRAGMA query_only = ON"],
  closingPragmas: [],
  canReconnect: true,
  changeMark,
};
const MEMORY: ConnectionRole = { pragmas: [], closingPragmas: [], canReconnect: false };

/** 500 inserts take about 7 ms, which is as long as one commit may delay other writers. */
const MAX_STATEMENTS = 500;

interface LocalOptions {
  readonly url: string;
  /** Spreads the waits for a lock. */
  readonly randomBytes: Platform["randomBytes"];
  /** Longest wait of one operation for locks of other processes, in milliseconds. */
  readonly lockTimeoutMs?: number | undefined;
}

/** Connects to a file: one connection writes, one writes in the background, and another reads. */
export function connectFile(options: LocalOptions): Connections {
  const fileCheck = new FileCheck(() => pathOf(options.url));
  const writer = connect(options, { ...WRITER, fileCheck });
  const background = connect(options, { ...WRITER, closingPragmas: [], fileCheck }, () => {
    // It opens late: the path may name another file since, or none.
    fileCheck.assert();
    return openBackgroundClient(options.url);
  });
  const reader = connect(options, { ...READER, fileCheck });
  return { ...connections(writer, reader, options), background };
}

/** Connects to a database in memory: one connection writes and reads. */
export function connectMemory(options: LocalOptions): Connections {
  const only = connect(options, MEMORY);
  return connections(only, only, options);
}

function connections(
  writer: Connection,
  reader: Connection,
  { lockTimeoutMs = LOCK_TIMEOUT_MS }: LocalOptions,
): Connections {
  const groupCommit = { maxStatements: MAX_STATEMENTS, maxWaitMs: lockTimeoutMs };
  return { kind: "local", writer, reader, groupCommit };
}

function connect(
  { url, randomBytes, lockTimeoutMs = LOCK_TIMEOUT_MS }: LocalOptions,
  role: ConnectionRole,
  open: () => LocalClient = () => openLocalClient(url),
): Connection {
  return new ManagedConnection({ ...role, open, lockTimeoutMs, randomBytes });
}
