import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import * as logtape from "@logtape/logtape";
import * as small from "../../../src/runtime/workers/console-log.ts";
import { shedTables } from "../../../tools/workers/shed-tables.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import * as original from "./fixtures/tables.ts";

describe("a table of the Worker's bundle", () => {
  const folder = temporaryFolder();
  afterAll(() => folder[Symbol.dispose]());
  const bundled = Bun.build({
    entrypoints: [join(import.meta.dir, "fixtures", "tables.ts")],
    outdir: folder.path,
    target: "node",
    minify: true,
    plugins: [shedTables],
  }).then(({ outputs }): Promise<typeof original> => import(outputs[0]?.path ?? ""));

  test("has every look-alike of a normalized name", async () => {
    const { replaceLookAlikes } = await bundled;
    const points = Array.from({ length: 0x11_0000 }, (_, point) => point);
    const text = points
      .map((point) => String.fromCodePoint(point).toWellFormed().normalize("NFKC").normalize("NFD"))
      .join(" ");
    expect(replaceLookAlikes(text)).toBe(original.replaceLookAlikes(text));
    expect(replaceLookAlikes(text)).not.toBe(text);
  });

  test("has every common password", async () => {
    expect((await bundled).passwords).toBe(original.passwords);
  });
});

describe("the log of a Worker", () => {
  afterAll(() => logtape.resetSync());
  const CATEGORY = ["sealpost", "entry"] as const;
  const CONFIG = {
    reset: true,
    loggers: [
      { category: ["sealpost"], lowestLevel: "info" as const, sinks: ["console" as const] },
      { category: ["logtape", "meta"], lowestLevel: "error" as const, sinks: ["console" as const] },
    ],
  };
  const properties = { a: 1, "b c": "two", error: new Error("three"), empty: "" };
  const recordsOf = (
    configureSync: (config: typeof CONFIG & { readonly sinks: { readonly console: logtape.Sink } }) => void,
    getLogger: typeof small.getLogger,
  ) => {
    const records: Omit<logtape.LogRecord, "timestamp">[] = [];
    const write = ({ timestamp: _, ...record }: logtape.LogRecord) => void records.push(record);
    configureSync({ ...CONFIG, sinks: { console: write } });
    for (const category of [CATEGORY, ["another"]]) {
      const log = getLogger(category);
      for (const level of ["debug", "info", "warning", "error"] as const) {
        log[level]("plain");
        log[level]("{a} and {b c}: {error}{empty} {missing}", properties);
        log[level]("{{a}} {{{a}}} {{", properties);
      }
    }
    return records;
  };

  test("has the records of LogTape", () => {
    const records = recordsOf(logtape.configureSync, (category) => logtape.getLogger([...category]));
    const own = recordsOf(small.configureSync, small.getLogger);
    expect(own.map(({ message }) => message.join("|"))).toEqual(
      records.map(({ message }) => message.join("|")),
    );
    expect(own).toMatchObject(
      records.map(({ category, level, properties: given }) => ({ category, level, properties: given })),
    );
    expect(records).toHaveLength(9);
  });

  test("has a line for one that cannot be written", () => {
    const lines: string[] = [];
    const write = ({ message, properties: given }: logtape.LogRecord) =>
      void lines.push(`${message.join("")} ${JSON.stringify(given)}`);
    small.configureSync({ ...CONFIG, sinks: { console: write } });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    small.getLogger(CATEGORY).info("A fact", circular);
    expect(lines).toEqual([expect.stringContaining("Cannot log A fact: TypeError")]);
  });
});
