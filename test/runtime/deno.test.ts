import { DENO_CLI, DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { processRuntime } from "./fixtures/process.ts";
import { runFlows } from "./run.ts";

runFlows(
  processRuntime({
    name: "Deno",
    obstacle: denoPath === null ? "npm has no Deno for this machine" : null,
    entry: "src/runtime/deno/server.ts",
    interpreter: DENO_SERVER,
    cli: (args, options) => runCli(args, { ...options, interpreter: DENO_CLI }),
  }),
);
