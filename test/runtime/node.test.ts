import { Child } from "../fixtures/process/child.ts";
import { builtProgram, node22 } from "../fixtures/process/node.ts";
import { processRuntime } from "./fixtures/process.ts";
import { runFlows } from "./run.ts";

const node = await node22().catch((error) => String(error));
const obstacle = node.startsWith("/") ? null : `the registry gives no Node 22: ${node}`;
const program = obstacle === null ? await builtProgram() : "";

runFlows(
  processRuntime({
    name: "Node",
    obstacle,
    entry: program,
    interpreter: [node],
    cli: (args, options) => new Child(program, ["cli", ...args], { ...options, interpreter: [node] }).ended,
  }),
);
