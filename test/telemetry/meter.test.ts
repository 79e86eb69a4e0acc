import { expect, test } from "bun:test";
import { MAX_LABEL_VALUES, MetricRegistry, type Reading } from "../../src/telemetry/meter.ts";

test("a label has at most 200 values, then `other`, whose gauges are joined", () => {
  const registry = new MetricRegistry();
  const names = Array.from({ length: MAX_LABEL_VALUES + 3 }, (_, index) => `s${index}`);
  const readings = names.flatMap((server, index): Reading[] => [
    { name: "sealpost_queue_mails", labels: { server, state: "queued" }, value: 2 },
    { name: "sealpost_certificate_not_after_seconds", labels: { server }, value: 1_000 - index },
  ]);
  for (const server of names) registry.count("sealpost_connections_total", { server, kind: "cold" });
  const collected = registry.collect(readings);
  const last = (name: Reading["name"]) => collected.get(name)?.at(-1);
  expect(collected.get("sealpost_connections_total")).toHaveLength(MAX_LABEL_VALUES + 1);
  expect(last("sealpost_connections_total")).toEqual({ values: ["other", "cold"], value: 3 });
  expect(last("sealpost_queue_mails")).toEqual({ values: ["other", "queued"], value: 6 });
  expect(last("sealpost_certificate_not_after_seconds")).toEqual({ values: ["other"], value: 798 });
});
