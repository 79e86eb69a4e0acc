import { afterEach, describe, expect, test } from "bun:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { context, diag, trace } from "@opentelemetry/api";
import { loadTracer } from "../../../src/runtime/local/open-telemetry.ts";
import { startSpanExport } from "../../../src/runtime/local/span-export.ts";
import { startCollector } from "../../telemetry/collector.ts";
import { record } from "../../telemetry/spans.ts";

afterEach(() => {
  for (const api of [trace, context, diag]) api.disable();
});

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1" };

/** Exports one span with these variables, which the exporter reads from the process. @returns the names received. */
async function exportOne(env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await using collector = startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  try {
    await using _ = await startSpanExport({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env });
    const tracer = await loadTracer();
    await tracer.run("submit", () => tracer.run("deliver", async () => undefined));
  } finally {
    delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  }
  return collector.spans.map(({ name }) => name);
}

describe("startSpanExport", () => {
  const unexported: readonly Readonly<Record<string, string>>[] = [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: "" },
    { ...ENDPOINT, OTEL_SDK_DISABLED: "true" },
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: "none" },
  ];
  test.each(unexported)("exports nothing with %o", async (env) => {
    expect(await startSpanExport(env)).toBeNull();
  });

  test("leaves an SDK alone that the process has registered", async () => {
    using _ = await record();
    expect(await startSpanExport(ENDPOINT)).toBeNull();
  });

  test("exports the last spans when it ends", async () => {
    expect(await exportOne({})).toEqual(["deliver", "submit"]);
  });

  test.each(["always_off", "parentbased_always_off", "parentbased_traceidratio"])(
    "samples as %s says",
    async (sampler) => {
      expect(await exportOne({ OTEL_TRACES_SAMPLER: sampler, OTEL_TRACES_SAMPLER_ARG: "0" })).toEqual([]);
    },
  );

  test("samples every trace after a warning if the sampler is unknown", async () => {
    const lines: LogRecord[] = [];
    await configure({
      sinks: { lines: (line) => void lines.push(line) },
      loggers: [
        { category: ["sealpost"], sinks: ["lines"] },
        { category: ["logtape", "meta"], lowestLevel: "error", sinks: [] },
      ],
    });
    try {
      expect(await exportOne({ OTEL_TRACES_SAMPLER: "sometimes" })).toEqual(["deliver", "submit"]);
    } finally {
      await reset();
    }
    expect(lines.map(({ level }) => level)).toEqual(["warning"]);
  });
});
