import { getLogger } from "@logtape/logtape";
import { createApp } from "../app.ts";
import { type Config, parseConfig } from "../config.ts";
import { Secret } from "../domain/secret.ts";
import { SealpostError } from "../errors.ts";
import { type LocalInstance, openLocal } from "./local.ts";
import { configureLogging } from "./logging.ts";
import { stopSignal } from "./stop-signal.ts";

const log = getLogger(["sealpost", "entry"]);
/** 120 bits: 20 characters of base64url. */
const PASSWORD_BYTES = 15;
const PRUNE_EVERY_MS = 24 * 3_600_000;
/** What is in flight has this long to end. */
const STOP_WITHIN_MS = 10_000;

/** Runs Sealpost as a server on Bun until it is told to stop. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  await configureLogging(config.log);
  // From here on: a signal during the start would otherwise end it wherever it is.
  const stopping = stopSignal(process);
  const instance = await openLocal(config);
  const server = serve(config, instance);
  // Not before it listens: a start that fails would take the only copy of the password with it.
  const password = await makeFirstAdmin(config, instance);
  printWelcome(config, server.url, password);
  const pruning = setInterval(() => prune(instance), PRUNE_EVERY_MS);
  prune(instance);

  const signal = await stopping;
  log.info("Stopping on {signal}", { signal });
  clearInterval(pruning);
  const forced = setTimeout(() => process.exit(1), STOP_WITHIN_MS);
  await server.stop();
  await instance[Symbol.asyncDispose]();
  clearTimeout(forced);
}

function serve(config: Config, { services }: LocalInstance) {
  const app = createApp(services, {
    revealSecrets: config.secrets === "reveal",
    trustedProxies: config.trustedProxies,
  });
  try {
    return Bun.serve({
      hostname: config.host,
      port: config.port,
      // A test mail may take four times 300 s; our own timers end every request.
      idleTimeout: 0,
      fetch: (request, server) => app.fetch(request, { peerAddress: server.requestIP(request)?.address }),
    });
  } catch (cause) {
    const where = `${config.host}:${config.port}`;
    throw new SealpostError("bad_setting", `HOST, PORT: cannot listen on ${where}; is it in use?`, { cause });
  }
}

/** @returns the password to show, if this process made the admin and the password is not the owner's own. */
async function makeFirstAdmin(config: Config, { services, platform }: LocalInstance): Promise<string | null> {
  const random = platform.randomBytes(PASSWORD_BYTES).toBase64({ alphabet: "base64url" });
  const given = !config.adminPassword.isEmpty;
  const password = given ? config.adminPassword : new Secret(random);
  const made = await services.admins.makeFirst({ username: config.adminUser, realm: "" }, password);
  return made && !given ? random : null;
}

function prune({ services }: LocalInstance): void {
  services.prune().catch((error) => log.warning("Old rows could not be deleted: {error}", { error }));
}

function printWelcome(config: Config, url: URL, password: string | null): void {
  const lines = [`Sealpost is listening on ${url.origin}`];
  if (password !== null) {
    lines.push(
      "",
      `  Admin:    ${config.adminUser}`,
      `  Password: ${password}   (shown this once; change it with: bun run cli admin passwd ${config.adminUser})`,
      "",
      "Log in:",
      `  curl ${url.origin}/auth -d username=${config.adminUser} -d password=…`,
      `The interface is described at ${url.origin}/openapi.json`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}

try {
  await main();
  process.exit(0);
} catch (error) {
  const message = error instanceof SealpostError ? error.message : String(error);
  process.stderr.write(`sealpost: ${message}\n`);
  process.exit(1);
}
