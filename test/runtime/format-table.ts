import { RUNTIMES, type RuntimeName } from "./flow.ts";

/** The result of one flow on one runtime. */
export type Result =
  | { readonly mark: "✓" | "✗" }
  /** Why the flow differs (≈) or was not run (–). */
  | { readonly mark: "≈" | "–"; readonly because: string };

/** A flow's result on one runtime, as a line of JSON when several processes run the tests. */
export interface Entry {
  readonly claim: string;
  readonly runtime: RuntimeName;
  readonly result: Result;
}

const NOT_RUN: Result = { mark: "–", because: "not run this time" };

/** Formats a table of flows and runtimes, with a numbered reason for each difference. The last result of a flow counts. */
export function formatTable(entries: readonly Entry[]): string {
  const results = new Map<string, Map<RuntimeName, Result>>();
  for (const { claim, runtime, result } of entries) {
    const row = results.get(claim) ?? new Map<RuntimeName, Result>();
    results.set(claim, row.set(runtime, result));
  }
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
