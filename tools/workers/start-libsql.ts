import { getLogger } from "@logtape/logtape";
import type { Config } from "../../src/config.ts";
import { Secret } from "../../src/domain/secret.ts";
import { invalidSetting } from "../../src/runtime/invalid-setting.ts";
import { createFirstAdmin } from "../../src/runtime/local/first-admin.ts";
import { openInstance } from "../../src/runtime/local/instance.ts";
import { startSqld } from "../sqld.ts";
import { LIBSQL_ENTRY } from "./build.ts";
import { DATABASE_FOLDER, prepareData, runLocally, type StartBuild } from "./local.ts";
import { OBJECTS, QUEUES, type ServedWorker } from "./serve.ts";

// Runs the build for a libSQL server, with a server of its own unless SEALPOST_DATABASE_URL names another.

const log = getLogger(["sealpost", "entry"]);
/** The trigger of `wrangler.jsonc`, which workerd does not run by itself. */
const MAIL_TRIGGER = "* * * * *";
const MAIL_EVERY_MS = 60_000;

/** The database and keys of the Worker. */
interface Backend {
  readonly url: string;
  readonly keys: string;
}

/**
 * Starts the Worker, then creates the first admin. At Cloudflare that takes the secret SEALPOST_ADMIN_PASSWORD; here the
 * password can be printed. It follows the start, because a failed start would lose the only copy of the password.
 */
const start: StartBuild = async (config, serve, stack) => {
  const { url, keys } = hasOwnDatabase(config)
    ? { url: config.databaseUrl, keys: config.keys.reveal() }
    : await startBackend(config, stack);
  await using sealpost = await openInstance({ ...config, databaseUrl: url, keys: new Secret(keys) });
  const worker = await serve({
    entry: LIBSQL_ENTRY,
    bindings: { SEALPOST_DATABASE_URL: url, SEALPOST_KEYS: keys },
    services: { ...OBJECTS, ...(config.wake === "cloudflare" && QUEUES) },
  });
  const sending = setInterval(() => void sendMail(worker), MAIL_EVERY_MS);
  stack.defer(() => clearInterval(sending));
  return { worker, password: await createFirstAdmin(config, sealpost) };
};

async function sendMail(worker: ServedWorker): Promise<void> {
  await worker
    .runScheduled(MAIL_TRIGGER)
    .catch((error) => log.warning("Cannot send queued mail: {error}", { error }));
}

/** @throws {SealpostError} `bad_setting` for a database that a Worker cannot reach. */
function hasOwnDatabase({ databaseUrl }: Config): boolean {
  if (process.env.SEALPOST_DATABASE_URL === undefined) return false;
  if (/^(libsql|https?):/.test(databaseUrl)) return true;
  throw invalidSetting(
    "SEALPOST_DATABASE_URL",
    "SEALPOST_DATABASE_URL: a Worker has no files; expected libsql://… or https://…",
  );
}

async function startBackend(config: Config, stack: AsyncDisposableStack): Promise<Backend> {
  const keys = await prepareData(config, stack);
  const { url } = stack.use(await startSqld({ folder: DATABASE_FOLDER }));
  return { url, keys };
}

await runLocally(start);
