import { processRuntime } from "./fixtures/process.ts";
import { runFlows } from "./run.ts";

runFlows(processRuntime({ name: "Bun", obstacle: null, entry: "src/runtime/bun/server.ts" }));
