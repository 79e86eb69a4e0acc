import { afterAll } from "bun:test";
import { RUNTIMES, type RuntimeName } from "./flow.ts";

/** The result of one flow on one runtime. */
export type Result =
  | { readonly mark: "✓" | "✗" }
  /** Why the flow differs (≈) or was not run (–). */
  | { readonly mark: "≈" | "–"; readonly because: string };

const NOT_RUN: Result = { mark: "–", because: "not run this time" };

const rows = new Map<string, Map<RuntimeName, Result>>();

/** Stores a result for the table. The last one counts. */
export function record(claim: string, runtime: RuntimeName, result: Result): void {
  const row = rows.get(claim) ?? new Map<RuntimeName, Result>();
  rows.set(claim, row.set(runtime, result));
}

/** Formats a table of flows and runtimes, with a numbered reason for each difference. */
export function formatTable(results: ReadonlyMap<string, ReadonlyMap<RuntimeName, Result>>): string {
  const reasons: string[] = [];
  const width = Math.max(...RUNTIMES.map((name) => name.length)) + 1;
  const cell = (result: Result): string => {
    if (!("because" in result)) return result.mark;
    if (!reasons.includes(result.because)) reasons.push(result.because);
    return `${result.mark} ${reasons.indexOf(result.because) + 1}`;
  };
  const line = (cells: readonly string[], text: string) =>
    `${cells.map((one) => one.padEnd(width)).join(" ")} ${text}`;
  const body = [...results].map(([claim, row]) =>
    line(
      RUNTIMES.map((runtime) => cell(row.get(runtime) ?? NOT_RUN)),
      claim,
    ),
  );
  return [line(RUNTIMES, "flow"), ...body, ...reasons.map((reason, index) => `${index + 1}: ${reason}`)].join(
    "\n",
  );
}

// This file is preloaded, so this runs after the last test of all files.
afterAll(() => {
  if (rows.size > 0) process.stdout.write(`\n${formatTable(rows)}\n`);
});
