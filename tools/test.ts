import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { formatTable } from "../test/runtime/format-table.ts";

// Runs all tests in several processes; with arguments, `bun test` with these in one.
// Usage: bun tools/test.ts [<arguments of bun test>]

const ROOT = join(import.meta.dir, "..");
/** More processes gain little: the slowest files take as long. */
const MAX_PROCESSES = 4;
/** Processes that work while others wait: for timeouts, and for servers that start. */
const EXTRA_PROCESSES = 1;
/** Durations of the files in milliseconds: the slowest start first. `bun tools/test.ts --measure` measures them again. */
const TIMINGS = "test/timings.json";
/** As in test/setup.ts, whose limit does not reach every file that a process runs after its first: ends a test that hangs. */
const LIMIT = "--timeout=60000";

/** Where some flows compare durations: they run alone, at the end. In workerd no flow does. */
const COLUMNS = ["bun", "deno", "node"].map((name) => `test/runtime/${name}.test.ts`);

const [first, ...rest] = process.argv.slice(2);
const isMeasured = first === "--measure";
process.exitCode =
  first === undefined || isMeasured ? await testAll() : await run(["test", LIMIT, first, ...rest]);

async function testAll(): Promise<number> {
  // Several files test the package, and none may meet a half-built one.
  const built = await run(["tools/build.ts"]);
  if (built !== 0) return built;
  const folder = await mkdtemp(join(tmpdir(), "sealpost-tests-"));
  const table = join(folder, "flows.jsonl");
  const processes = Math.min(MAX_PROCESSES, availableParallelism() + EXTRA_PROCESSES);
  const flags = [`--parallel=${processes}`, "--no-isolate", `--timings=${TIMINGS}`, LIMIT];
  try {
    const env = { FLOW_TABLE: table, PACKAGE_IS_BUILT: "1", WORKER_BUNDLES: folder };
    const command = ["test", ...flags, ...(isMeasured ? ["--update-timings"] : [])];
    const status = await run(command, { ...env, MEASURED_FLOWS: "later" });
    const measured = await run(["test", LIMIT, ...COLUMNS, "-t", "measured:"], env);
    if (existsSync(table)) {
      const lines = (await Bun.file(table).text()).trimEnd().split("\n");
      console.log(`\n${formatTable(lines.map((line) => JSON.parse(line)))}`);
    }
    return status || measured;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Runs this Bun. @returns its exit status. */
async function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const options = { cwd: ROOT, env: { ...process.env, ...env }, stdin: "ignore" } as const;
  return await Bun.spawn([process.execPath, ...args], { ...options, stdout: "inherit", stderr: "inherit" })
    .exited;
}
