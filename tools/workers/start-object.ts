import { existsSync } from "node:fs";
import * as v from "valibot";
import { SealpostError } from "../../src/errors.ts";
import { invalidSetting } from "../../src/runtime/invalid-setting.ts";
import { randomPassword } from "../../src/runtime/local/first-admin.ts";
import { OBJECT_ENTRY } from "./build.ts";
import {
  assertNoOtherWorkerd,
  DATABASE_FOLDER,
  hasObject,
  OBJECTS_FOLDER,
  prepareData,
  runLocally,
  type StartBuild,
} from "./local.ts";
import { OBJECTS, type ServedWorker } from "./serve.ts";

// Runs the default build, which has everything in one Durable Object.

/** The response of `/readyz` before there is an admin: the code `busy`. */
const noAdmin = v.object({ result: v.object({ error: v.object({ code: v.literal(503) }) }) });

/** The object creates the first admin, with the password of a binding. */
const start: StartBuild = async (config, serve, stack) => {
  assertNoOtherDatabase();
  const isNew = !hasObject();
  const keys = await prepareData(config, stack);
  assertNoOtherWorkerd();
  const serveWith = (password: string | null) =>
    serve({
      entry: OBJECT_ENTRY,
      bindings: { SEALPOST_KEYS: keys, ...(password !== null && { SEALPOST_ADMIN_PASSWORD: password }) },
      services: { ...OBJECTS, durableObjectsPersist: OBJECTS_FOLDER },
    });
  const password = config.adminPassword.isEmpty ? randomPassword() : null;
  const worker = await serveWith(isNew ? password : null);
  const hasStarted = await isReady(worker);
  if (hasStarted) return { worker, password: isNew ? password : null };
  // A start that failed may have left an object without an admin.
  if (isNew || password === null) throw cannotStart();
  await worker[Symbol.asyncDispose]();
  const next = await serveWith(password);
  if (!(await isReady(next))) throw cannotStart();
  return { worker: next, password };
};

/** @throws {SealpostError} `bad_setting` if there are data that this build does not use. */
function assertNoOtherDatabase(): void {
  if ((process.env.SEALPOST_DATABASE_URL ?? "") !== "") {
    throw invalidSetting(
      "SEALPOST_DATABASE_URL",
      "SEALPOST_DATABASE_URL: this Worker has its database in a Durable Object; remove this setting, or start with `bun run start:workers:libsql`",
    );
  }
  if (existsSync(DATABASE_FOLDER) && !hasObject()) {
    throw new SealpostError(
      "bad_setting",
      `${DATABASE_FOLDER} has data of the build for a libSQL server: \`bun run start:workers:libsql\` uses them. To use this build, back them up, move that folder and restore them: docs/operate.md, "Moving an instance"`,
    );
  }
}

/**
 * Starts the object, which creates its database and admin. Resolves to `false` if it has no admin.
 * @throws {SealpostError} `bad_setting` if it cannot start.
 */
async function isReady({ url }: ServedWorker): Promise<boolean> {
  const response = await fetch(new URL("/readyz", url));
  if (response.ok) return true;
  if (v.is(noAdmin, await response.json())) return false;
  throw cannotStart();
}

function cannotStart(): SealpostError {
  return new SealpostError("bad_setting", "The Worker cannot start: the lines above have the reason");
}

await runLocally(start);
