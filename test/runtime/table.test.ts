import { expect, test } from "bun:test";
import type { RuntimeName } from "./flow.ts";
import { formatTable, type Result } from "./format-table.ts";

test("formatTable() shows the result of each flow on each runtime, with reasons for differences", () => {
  const rows: readonly (readonly [claim: string, ...(readonly [RuntimeName, Result])[]])[] = [
    ["mail arrives", ["Bun", { mark: "✓" }], ["Deno", { mark: "✗" }]],
    [
      "the reason is reported",
      ["Bun", { mark: "✓" }],
      ["Deno", { mark: "–", because: "npm has no Deno for this machine" }],
      ["workerd", { mark: "≈", because: "workerd does not report why" }],
    ],
  ];
  const entries = rows.flatMap(([claim, ...cells]) =>
    cells.map(([runtime, result]) => ({ claim, runtime, result })),
  );
  expect(formatTable(entries).split("\n")).toEqual([
    "Bun      Deno     Node     workerd  object   flow",
    "✓        ✗        – 1      – 1      – 1      mail arrives",
    "✓        – 2      – 1      ≈ 3      – 1      the reason is reported",
    "1: not run this time",
    "2: npm has no Deno for this machine",
    "3: workerd does not report why",
  ]);
});
