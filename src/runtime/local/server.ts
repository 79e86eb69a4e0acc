import { getLogger } from "@logtape/logtape";
import { type Config, parseConfig } from "../../config.ts";
import { internalsOf, type Sealpost } from "../../sealpost.ts";
import { invalidSetting } from "../invalid-setting.ts";
import { cliCommand } from "../platform.ts";
import { createFirstAdmin, printWelcome } from "./first-admin.ts";
import type { HttpServer, Listen } from "./http-server.ts";
import { openInstance } from "./instance.ts";
import { loadPlugins } from "./load-plugins.ts";
import { configureLogging } from "./logging.ts";
import { startSpanExport } from "./span-export.ts";
import { stopSignal } from "./stop-signal.ts";

/** The differences between the runtimes with files and sockets. */
interface Runtime {
  readonly listen: Listen;
}

const log = getLogger(["sealpost", "entry"]);
const PRUNE_EVERY_MS = 24 * 3_600_000;
/** Some service managers kill a process 10 s after they ask it to stop. */
export const STOP_WITHIN_MS = 9_500;
/** After deliveries are aborted, so that their responses go out first. Then clients that never complete a request are disconnected. */
const CLOSE_CLIENTS_AFTER_MS = 8_000;

/** Runs Sealpost as a server until it gets a signal, then exits: with 0, or with 1 after one line that says why. */
export async function runServer(runtime: Runtime): Promise<never> {
  try {
    await serve(runtime);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`sealpost: ${message.replaceAll(/\s*\n\s*/g, " ")}\n`);
    process.exit(1);
  }
  process.exit(0);
}

async function serve({ listen }: Runtime): Promise<void> {
  const config = parseConfig(process.env);
  assertLocalDrivers(config);
  await configureLogging(config.log);
  // Listen for signals now: one that arrives during the start would end the process wherever it is.
  const stopping = stopSignal(process);
  // Before anything that may be traced. It ends last.
  await using spans = await startSpanExport(process.env);
  const sealpost = await openInstance(config, await loadPlugins(process.cwd()));
  const respond = spans?.continuing(sealpost.app.fetch) ?? sealpost.app.fetch;
  const server = await listen({ host: config.host, port: config.port, respond });
  warnOfOpenHttp(config);
  // Create the admin after listening: a failed start would lose the only copy of the password.
  const password = await createFirstAdmin(config, sealpost);
  const passwordRemark = `shown this once; change it with: ${cliCommand()} admin passwd ${config.adminUser}`;
  printWelcome(config, { url: server.url, password, passwordRemark });
  await sealpost.start();
  const pruning = setInterval(() => prune(sealpost), PRUNE_EVERY_MS);
  prune(sealpost);

  const signal = await stopping;
  log.info("Stopping on {signal}", { signal });
  clearInterval(pruning);
  await shutDown(server, sealpost);
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1|\[::1\])$/i;

/** Passwords travel over HTTP, which only a proxy encrypts. */
function warnOfOpenHttp({ host, trustedProxies }: Config): void {
  if (LOOPBACK.test(host) || trustedProxies.length > 0) return;
  log.warning(
    "HTTP is open to the network at {host} without TLS: put a proxy in front and name it in SEALPOST_TRUSTED_PROXIES, or set HOST=127.0.0.1",
    { host },
  );
}

/** Completes the requests and deliveries in flight, within {@link STOP_WITHIN_MS}. */
async function shutDown(server: HttpServer, sealpost: Sealpost): Promise<void> {
  const timers = [
    setTimeout(() => server.close(), CLOSE_CLIENTS_AFTER_MS),
    setTimeout(() => process.exit(1), STOP_WITHIN_MS),
  ];
  const requests = server.shutdown().then(() => server.close());
  await internalsOf(sealpost).shutdown(requests);
  for (const timer of timers) clearTimeout(timer);
}

function prune(sealpost: Sealpost): void {
  sealpost.prune().catch((error) => log.warning("Cannot delete old rows: {error}", { error }));
}

/**
 * Rejects settings that only a Worker can send with. Other commands accept them: they may share a Worker's settings.
 * @throws {SealpostError} `bad_setting`.
 */
export function assertLocalDrivers({ transport, wake }: Config): void {
  if (transport !== "smtp") {
    const message = `SEALPOST_TRANSPORT: ${transport} is for Cloudflare Workers; expected smtp`;
    throw invalidSetting("SEALPOST_TRANSPORT", message);
  }
  if (wake === "cloudflare") {
    const message = "SEALPOST_WAKE: cloudflare is for Cloudflare Workers; expected poll or bullmq";
    throw invalidSetting("SEALPOST_WAKE", message);
  }
}
