#!/usr/bin/env node
// The program of the package. An older Node has to get as far as its message, so everything else is imported after it.
import "../runtime/node-22.ts";

const MIN_NODE = { major: 22, minor: 12 };
const USAGE = `Usage: sealpost [start]     start the server; settings are SEALPOST_* environment variables
       sealpost cli …      administer an instance: sealpost cli --help
`;

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < MIN_NODE.major || (major === MIN_NODE.major && minor < MIN_NODE.minor)) {
  const needed = `${MIN_NODE.major}.${MIN_NODE.minor}`;
  fail(`sealpost: Node ${process.versions.node} is too old: install Node ${needed} or newer\n`);
} else await main(process.argv.slice(2));

async function main([command = "start", ...rest]: readonly string[]): Promise<void> {
  if (command === "start" && rest.length === 0) {
    const { runServer } = await import("../runtime/local/server.ts");
    await runServer(await import("../runtime/node/http-server.ts"));
  } else if (command === "cli") {
    const { runCommandLine } = await import("./program.ts");
    await runCommandLine(rest);
  } else if (command === "--help" || command === "-h") process.stdout.write(USAGE);
  else fail(`sealpost: unknown command: ${[command, ...rest].join(" ")}\n${USAGE}`);
}

function fail(message: string): void {
  process.stderr.write(message);
  process.exitCode = 1;
}
