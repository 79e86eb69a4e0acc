import { expect, test } from "bun:test";
import { join } from "node:path";
import { createItems, item, openTest, outside, temporaryFile } from "./fixtures/database.ts";
import type { Acknowledged } from "./fixtures/stress-writer.ts";
import { runTogether } from "./fixtures/together.ts";

const PROCESSES = 4;
/** Operations per process; more with LONG_TESTS=1. */
const OPERATIONS = process.env.LONG_TESTS === "1" ? 8_000 : 304;
const LONGEST_MS = 30_000 + OPERATIONS * 20;

test(
  `${PROCESSES} processes with ${OPERATIONS} mixed writes each lose no acknowledged write`,
  async () => {
    using file = temporaryFile();
    {
      await using database = openTest({ url: file.url });
      await createItems(database);
      await database.commit([database.write.insert(item).values({ id: "counter", version: 1 })]);
    }
    const program = join(import.meta.dir, "fixtures", "stress-writer.ts");
    const lists = Array.from({ length: PROCESSES }, (_, index) => [file.url, `p${index}`, `${OPERATIONS}`]);
    const begin = performance.now();
    const results = await runTogether(program, lists);
    const wallMs = performance.now() - begin;

    expect(results.map((result) => result.exitCode)).toEqual(Array(PROCESSES).fill(0));
    const reports = results.map((result): Acknowledged => JSON.parse(result.output));
    expect(reports.flatMap((report) => report.errors)).toEqual([]);
    const ids = reports.flatMap((report) => report.ids);
    expect(ids).toHaveLength(PROCESSES * OPERATIONS);
    const increments = reports.reduce((sum, report) => sum + report.increments, 0);

    expect(await outside(file.path, "PRAGMA integrity_check")).toEqual([{ integrity_check: "ok" }]);
    expect(await outside(file.path, "SELECT version FROM item WHERE id = 'counter'")).toEqual([
      { version: 1 + increments },
    ]);
    const stored = new Set(await outside(file.path, "SELECT id FROM item WHERE id <> 'counter'").then(idsOf));
    expect(ids.filter((id) => !stored.has(id))).toEqual([]);
    expect(stored.size).toBe(ids.length);
    const maxMs = Math.max(...reports.map((report) => report.maxMs));
    console.info(`${wallMs.toFixed()} ms, longest ${maxMs.toFixed()} ms`);
  },
  LONGEST_MS,
);

function idsOf(rows: readonly unknown[]): string[] {
  return rows.map((row) => String(Object(row).id));
}
