/** The result of a bench: a ratio against a named peer of the same run. */
export type BenchResult =
  | {
      readonly name: string;
      readonly ratio: number;
      readonly limit: number;
      /** On which side of the limit the ratio should be. */
      readonly better: "higher" | "lower";
      readonly detail: string;
    }
  | { readonly name: string; readonly skipped: string };

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function print(result: BenchResult): void {
  if ("skipped" in result) {
    console.log(`skipped  ${result.name}: ${result.skipped}`);
    return;
  }
  const { name, ratio, limit, better, detail } = result;
  const held = better === "higher" ? ratio >= limit : ratio <= limit;
  const bound = `${better === "higher" ? "≥" : "≤"} ${limit}`;
  console.log(`${held ? "held   " : "MISSED "}  ${name}\n         ${ratio.toFixed(2)} (${bound}): ${detail}`);
}
