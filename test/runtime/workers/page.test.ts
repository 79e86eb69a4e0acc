import { expect, setDefaultTimeout, test } from "bun:test";
import { PAGE_HEADERS } from "../../../src/http/page.ts";
import { buildPage, bundlePage } from "../../../tools/page.ts";
import { serveWorker } from "../../../tools/workers/serve.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { bindingsFor, startDatabase, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

test("the static assets of the page have the headers that a server sends, and the Worker leads browsers to it", async () => {
  using folder = temporaryFolder();
  await buildPage(`${folder.path}/page`);
  await using database = await startDatabase();
  await using worker = await serveWorker({
    bundle: await builtWorker(),
    bindings: bindingsFor(database.url),
    assets: `${folder.path}/page`,
  });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, worker.url), { headers, redirect: "manual" });
  const root = await get("/", { Accept: "text/html" });
  expect([root.status, root.headers.get("location")]).toEqual([302, "ui/"]);
  expect((await get("/", { Accept: "application/json" })).status).toBe(404);
  expect((await get("/healthz")).status).toBe(200);

  const hashed = [...(await bundlePage()).keys()].find((name) => name.endsWith(".js")) ?? "";
  for (const [path, own] of [
    ["/ui/", PAGE_HEADERS.index],
    [`/ui/${hashed}`, PAGE_HEADERS.hashed],
  ] as const) {
    const { status, headers } = await get(path);
    expect(status).toBe(200);
    for (const [name, value] of Object.entries({ ...PAGE_HEADERS.all, ...own })) {
      expect([name, headers.get(name)]).toEqual([name, value]);
    }
  }
});
