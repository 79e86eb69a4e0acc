import { setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { sqldPath, startSqld } from "../../tools/sqld.ts";
import { serveWorker } from "../../tools/workers/serve.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { hostAppExample } from "./examples.ts";
import { PASSWORD, useHost } from "./host.ts";
import { findObstacle, makeProject, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = sqldPath() === null ? "there is no libSQL server" : await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the host app on Workers; ${obstacle}`);

const KEYS = `first:${new Uint8Array(32).fill(7).toBase64()}`;

test.skipIf(obstacle !== "")("the README's host app runs on Workers from the tarball", async () => {
  using project = await makeProject({ "app.ts": await hostAppExample('from "sealpost/workers"') });
  using data = temporaryFolder();
  await using sqld = await startSqld({ folder: data.path });
  const bindings = { DATABASE_URL: sqld.url, SEALPOST_KEYS: KEYS, ADMIN_PASSWORD: PASSWORD };
  await using worker = await serveWorker({ bundle: await bundle(project.path), bindings });
  await useHost(worker.url.href);
});

/** Bundles the host app without knowledge of its packages. */
async function bundle(folder: string) {
  const { outputs } = await Bun.build({
    entrypoints: [join(folder, "app.ts")],
    target: "node",
    conditions: ["workerd", "worker"],
    format: "esm",
    splitting: true,
    external: ["cloudflare:*"],
  });
  // workerd runs the first module.
  const mainFirst = outputs.toSorted((left, right) => Number(isMain(right)) - Number(isMain(left)));
  const modules = mainFirst.map(async (output) => ({
    name: output.path.replace(/^\.\//, ""),
    text: await output.text(),
  }));
  return { modules: await Promise.all(modules), inputs: [], externals: [] };
}

function isMain({ kind }: { readonly kind: string }): boolean {
  return kind === "entry-point";
}
