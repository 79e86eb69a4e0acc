import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestInstance } from "../fixtures/instance.ts";
import type { RequestOptions } from "../fixtures/request.ts";

/** One sample of `GET /metrics`: `name{label="value"}` with its labels in order of their names, and its value. */
export type Samples = ReadonlyMap<string, number>;

/** Reads the metrics of an instance. Fails unless each line is a comment or a sample, and no sample is there twice. */
export async function scrape(instance: TestInstance, options: RequestOptions = {}): Promise<Samples> {
  const { status, text } = await instance.request("GET", "/metrics", options);
  if (status !== 200) throw new Error(text);
  const samples = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("# ")) continue;
    const space = line.lastIndexOf(" ");
    const [series, value] = [line.slice(0, space), Number(line.slice(space + 1))];
    if (samples.has(series) || Number.isNaN(value)) throw new Error(line);
    samples.set(series, value);
  }
  return samples;
}

/** Returns the samples of one metric, by the text between its braces. */
export function samplesOf(samples: Samples, name: string): Readonly<Record<string, number>> {
  const found = [...samples].filter(([series]) => series === name || series.startsWith(`${name}{`));
  return Object.fromEntries(found.map(([series, value]) => [series.slice(name.length), value]));
}

const PARSE = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
parse = open_families if sys.argv[1] == "openmetrics" else text_string_to_metric_families
families = {}
for family in parse(sys.stdin.read()):
    if family.name in families: raise ValueError(family.name)
    families[family.name] = {"type": family.type, "help": family.documentation,
        "samples": [[s.name, s.labels, s.value] for s in family.samples]}
json.dump(families, sys.stdout)
`;
/** Where `pip3 install --target` may have put the parser. */
const PYTHONPATH = join(tmpdir(), "sealpost-peers", "prometheus");

/** A family of metrics as `prometheus_client` of PyPI reads it. */
export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: readonly (readonly [name: string, labels: Record<string, string>, value: number])[];
}

/** Whether the Python parser of Prometheus is installed. */
export function hasParser(): boolean {
  return runPython(["-c", "import prometheus_client"], "").success;
}

/** Parses metrics with it. @throws {Error} with its message. */
export function parse(text: string, format: "prometheus" | "openmetrics"): Readonly<Record<string, Family>> {
  const { success, stdout, stderr } = runPython(["-c", PARSE, format], text);
  if (!success) throw new Error(stderr.toString());
  return JSON.parse(stdout.toString());
}

function runPython(args: readonly string[], input: string) {
  const env = { ...process.env, PYTHONPATH };
  try {
    return Bun.spawnSync(["python3", ...args], { stdin: Buffer.from(input), env });
  } catch {
    return { success: false, stdout: "", stderr: "python3 is not installed" };
  }
}
