import { getLogger } from "@logtape/logtape";
import { createApp } from "../../app.ts";
import { type Config, parseConfig } from "../../config.ts";
import { SealpostError } from "../../errors.ts";
import { badSetting } from "../invalid-setting.ts";
import { type LocalInstance, openLocal } from "./drivers.ts";
import { makeFirstAdmin, printWelcome } from "./first-admin.ts";
import type { HttpServer, Listen } from "./http-server.ts";
import { loadPlugins } from "./load-plugins.ts";
import { configureLogging } from "./logging.ts";
import { stopSignal } from "./stop-signal.ts";

/** In what runtimes with files and sockets differ. */
export interface Runtime {
  readonly listen: Listen;
  /** What the owner types for a command, such as `bun run cli`. */
  readonly cli: string;
}

const log = getLogger(["sealpost", "entry"]);
const PRUNE_EVERY_MS = 24 * 3_600_000;
/** Service managers that wait least, wait 10 s before they kill. */
export const STOP_WITHIN_MS = 9_500;
/** Mails have this long to end by themselves; then their fate is recorded as it is known. */
export const CUT_MAIL_AFTER_MS = 7_000;
/** After the mails, whose answers are still to be given: clients that have not even sent their whole request. */
const CLOSE_CLIENTS_AFTER_MS = 8_000;

/** Runs Sealpost as a server until it is told to stop, and ends the process: 0, or 1 and one line that says why. */
export async function runServer(runtime: Runtime): Promise<never> {
  try {
    await serve(runtime);
  } catch (error) {
    const message = error instanceof SealpostError ? error.message : String(error);
    process.stderr.write(`sealpost: ${message}\n`);
    process.exit(1);
  }
  process.exit(0);
}

async function serve({ listen, cli }: Runtime): Promise<void> {
  const config = parseConfig(process.env);
  requireOwnDrivers(config);
  await configureLogging(config.log);
  // From here on: a signal during the start would otherwise end it wherever it is.
  const stopping = stopSignal(process);
  const instance = await openLocal(config, await loadPlugins(process.cwd()));
  const server = listen({ host: config.host, port: config.port, answer: appOf(config, instance).fetch });
  // Not before it listens: a start that fails would take the only copy of the password with it.
  const password = await makeFirstAdmin(config, instance.services, instance.platform);
  const passwordRemark = `shown this once; change it with: ${cli} admin passwd ${config.adminUser}`;
  printWelcome(config, { url: server.url, password, passwordRemark });
  instance.services.plugins.warnOfMissing();
  const stopWork = new AbortController();
  const working = instance.services.work(stopWork.signal, instance.mailCut);
  const pruning = setInterval(() => prune(instance), PRUNE_EVERY_MS);
  prune(instance);

  const signal = await stopping;
  log.info("Stopping on {signal}", { signal });
  clearInterval(pruning);
  stopWork.abort();
  await stop(server, instance, working);
}

function appOf({ secrets, trustedProxies }: Config, { services }: LocalInstance) {
  return createApp(services, { revealSecrets: secrets === "reveal", trustedProxies, needsAdmin: true });
}

/** Lets what is in flight end, and bounds how long that takes. */
async function stop(server: HttpServer, instance: LocalInstance, working: Promise<void>): Promise<void> {
  const timers = [
    setTimeout(() => instance.cutMail(), CUT_MAIL_AFTER_MS),
    setTimeout(() => server.close(), CLOSE_CLIENTS_AFTER_MS),
    setTimeout(() => process.exit(1), STOP_WITHIN_MS),
  ];
  await server.finish();
  await server.close();
  await working;
  await instance[Symbol.asyncDispose]();
  for (const timer of timers) clearTimeout(timer);
}

function prune({ services }: LocalInstance): void {
  services.prune().catch((error) => log.warning("Old rows could not be deleted: {error}", { error }));
}

/**
 * For what sends: the rest of the command line may share the settings of a Worker.
 * @throws {SealpostError} `bad_setting`.
 */
export function requireOwnDrivers({ transport, wake }: Config): void {
  if (transport !== "smtp") {
    const message = `SEALPOST_TRANSPORT: ${transport} is for Cloudflare Workers; expected smtp`;
    throw badSetting("SEALPOST_TRANSPORT", message);
  }
  if (wake === "cloudflare") {
    const message = "SEALPOST_WAKE: cloudflare is for Cloudflare Workers; expected poll or bullmq";
    throw badSetting("SEALPOST_WAKE", message);
  }
}
