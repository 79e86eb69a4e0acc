import { afterAll } from "bun:test";
import { appendFileSync } from "node:fs";
import type { RuntimeName } from "./flow.ts";
import { type Entry, formatTable, type Result } from "./format-table.ts";

/** The file to which the processes of one run of all tests append their entries; tools/test.ts prints the table. */
const SHARED_FILE = process.env.FLOW_TABLE;

const entries: Entry[] = [];

/** Stores a result for the table. The last one counts. */
export function record(claim: string, runtime: RuntimeName, result: Result): void {
  const entry: Entry = { claim, runtime, result };
  entries.push(entry);
  if (SHARED_FILE !== undefined) appendFileSync(SHARED_FILE, `${JSON.stringify(entry)}\n`);
}

// This file is preloaded, so this runs after the last test of all files.
afterAll(() => {
  if (entries.length > 0 && SHARED_FILE === undefined) process.stdout.write(`\n${formatTable(entries)}\n`);
});
