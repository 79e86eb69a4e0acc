import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PAGE_HEADERS } from "../src/http/page.ts";
import { API_HEADERS } from "../src/wire/request.ts";

// Builds the admin page into dist/page/: its files with hashed names in ui/, and for Workers the headers of static
// assets. `npm start` and the other scripts run it if a source is newer.

const ROOT = join(import.meta.dir, "..");
/** The folder of the built page. `wrangler.jsonc` names it. */
export const PAGE_FOLDER = join(ROOT, "dist", "page");
const ENTRY = join(ROOT, "src", "ui", "index.html");

/** The built files by name; `index.html` names the others. */
type PageFiles = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** @throws {AggregateError} if a source cannot be bundled. */
export async function bundlePage(): Promise<PageFiles> {
  const { outputs } = await Bun.build({
    entrypoints: [ENTRY],
    target: "browser",
    minify: true,
    splitting: true,
    naming: { entry: "[name].[ext]", chunk: "[name]-[hash].[ext]", asset: "[name]-[hash].[ext]" },
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const output of outputs) {
    const name = output.path.replace(/^.*\//, "");
    files.set(name, new Uint8Array(await output.arrayBuffer()));
  }
  return files;
}

/** Builds the page into a folder. A server that reads it meanwhile sees the old page or the new one. */
export async function buildPage(folder = PAGE_FOLDER): Promise<void> {
  const files = await bundlePage();
  const draft = `${folder}.${process.pid}`;
  await mkdir(draft, { recursive: true });
  for (const [name, bytes] of files) await Bun.write(join(draft, "ui", name), bytes);
  await Bun.write(join(draft, "_headers"), headersFile());
  await rm(folder, { recursive: true, force: true });
  await rename(draft, folder);
}

/** The same headers as a server sends, in the form of Cloudflare's static assets. */
function headersFile(): string {
  const lines = (headers: Readonly<Record<string, string>>) =>
    Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`);
  return [
    "/ui/*",
    ...lines(PAGE_HEADERS.all),
    "/ui/",
    ...lines(PAGE_HEADERS.index),
    "/ui/:name.js",
    ...lines(PAGE_HEADERS.hashed),
    "/ui/:name.css",
    ...lines(PAGE_HEADERS.hashed),
    // The OpenAPI document, if the build of a Worker adds it: those of every response of the API.
    "/openapi.json",
    ...lines(API_HEADERS),
    "",
  ].join("\n");
}

if (import.meta.main) await buildPage();
