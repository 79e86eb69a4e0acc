import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { API_HEADERS } from "../../../src/wire/request.ts";
import { buildPage } from "../../../tools/page.ts";
import { LIBSQL_ENTRY, OBJECT_ENTRY, type WorkerBundle } from "../../../tools/workers/build.ts";
import { createDocument, writeDocument } from "../../../tools/workers/document.ts";
import { OBJECTS, serveWorker } from "../../../tools/workers/serve.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly description?: string }>>>>;
}

const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const ownConfig = join(import.meta.dir, "fixtures", "plugin-config.ts");
const document: Document = JSON.parse(await createDocument());
/** The sentences by which the document describes its operations. */
const sentences = Object.values(document.paths)
  .flatMap((path) => Object.values(path))
  .flatMap(({ description = "" }) => description.split(/(?<=\.) /).filter(({ length }) => length > 12));

const textOf = ({ modules }: WorkerBundle) => modules.map(({ text }) => text).join("\n");
const heldBy = (bundle: WorkerBundle) => {
  const text = textOf(bundle);
  return sentences.filter((one) => text.includes(JSON.stringify(one).slice(1, -1)));
};

describe("the OpenAPI document of a Worker", () => {
  test("is a static asset with the headers of the API", async () => {
    using folder = temporaryFolder();
    await buildPage(folder.path);
    const bundle = await builtWorker(OBJECT_ENTRY);
    await writeDocument(bundle, undefined, folder.path);
    await using worker = await serveWorker({ bundle, bindings, services: OBJECTS, assets: folder.path });
    const { status, headers } = await fetch(new URL("/openapi.json", worker.url));
    expect([status, headers.get("Content-Type")]).toEqual([200, "application/json"]);
    expect(Object.fromEntries(headers)).toMatchObject(
      Object.fromEntries(Object.entries(API_HEADERS).map(([name, value]) => [name.toLowerCase(), value])),
    );
  });

  test("is unknown to a Worker that is deployed without its assets", async () => {
    const bundle = await builtWorker(OBJECT_ENTRY);
    await using worker = await serveWorker({ bundle, bindings, services: OBJECTS });
    const response = await fetch(new URL("/openapi.json", worker.url));
    expect([response.status, await response.json()]).toEqual([
      404,
      expect.objectContaining({ jsonrpc: "2.0", result: expect.objectContaining({ status: false }) }),
    ]);
  });

  test.each([
    ["object", OBJECT_ENTRY],
    ["libSQL", LIBSQL_ENTRY],
  ])("leaves no description of an operation in the %s build", async (_, entry) => {
    expect(sentences.length).toBeGreaterThan(80);
    expect(heldBy(await builtWorker(entry))).toEqual([]);
  });

  test("is in the script if an operator has plugins, and leaves the assets", async () => {
    using folder = temporaryFolder();
    await writeDocument({ needsDocument: true }, undefined, folder.path);
    const bundle = await builtWorker(OBJECT_ENTRY, "smtp", ownConfig);
    expect(heldBy(bundle)).toEqual(sentences);
    await writeDocument(bundle, undefined, folder.path);
    expect(existsSync(join(folder.path, "openapi.json"))).toBe(false);
    await using worker = await serveWorker({ bundle, bindings, services: OBJECTS });
    const served: Document = JSON.parse(await (await fetch(new URL("/openapi.json", worker.url))).text());
    expect(Object.keys(served.paths)).toContain("/feedback/");
  });
});
