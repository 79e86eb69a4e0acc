import { setDefaultTimeout, test } from "bun:test";
import { sqldPath } from "../../tools/sqld.ts";
import { LIBSQL_ENTRY, OBJECT_ENTRY } from "../../tools/workers/build.ts";
import { OBJECTS, serveWorker } from "../../tools/workers/serve.ts";
import { type Api, logIn } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../fixtures/process/deno.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { builtWorker } from "../fixtures/worker-bundle.ts";
import { ADMIN, bindingsFor, KEYS, PASSWORD, startDatabase } from "../runtime/workers/fixtures/sealpost.ts";

/**
 * Tests a claim against the standalone server on Bun and Deno, and in workerd with both builds of the Worker.
 * @param options.config path of the plugin list that the Worker is built with.
 */
export function onEachRuntime(
  claim: string,
  options: { readonly config: string; readonly env?: Readonly<Record<string, string>> },
  live: (origin: string, admin: Api) => Promise<void>,
): void {
  const { config, env = {} } = options;
  setDefaultTimeout(TEST_MS);
  if (denoPath === null) console.warn("Skipped on Deno: npm has no Deno for this machine");
  if (sqldPath() === null) console.warn("Skipped on workerd: npm has no libSQL server for this machine");

  for (const [name, entry, interpreter] of [
    ["Bun", "src/runtime/bun/server.ts", [process.execPath]],
    ["Deno", "src/runtime/deno/server.ts", DENO_SERVER],
  ] as const) {
    test.skipIf(name === "Deno" && denoPath === null)(`${claim} on ${name}`, async () => {
      using folder = temporaryFolder();
      await using sealpost = await startSealpost({ folder: folder.path, interpreter, env }, entry);
      await live(sealpost.url, await sealpost.logIn());
    });
  }

  async function liveInWorkerd(entry: string, given: Readonly<Record<string, string>>): Promise<void> {
    const bundle = await builtWorker(entry, "smtp", config);
    const bindings = { ...given, ...env };
    await using worker = await serveWorker({ bundle, bindings, services: OBJECTS, onLine: () => undefined });
    await live(worker.url.origin, await logIn(worker.url.origin, ADMIN, PASSWORD));
  }

  test(`${claim} in an object`, () =>
    liveInWorkerd(OBJECT_ENTRY, { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD }));

  test.skipIf(sqldPath() === null)(`${claim} on workerd`, async () => {
    await using database = await startDatabase();
    await liveInWorkerd(LIBSQL_ENTRY, bindingsFor(database.url));
  });
}
