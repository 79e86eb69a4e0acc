import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pluginsOf } from "../../src/runtime/default-plugins.ts";
import { PLATFORM as platform } from "../../src/runtime/platform.ts";
import { createSealpost } from "../../src/sealpost.ts";
import { generateKey, parseKeyring } from "../../src/secrets/keyring.ts";
import { openLimitedDatabase } from "../../src/testing/limited-database.ts";
import { createMemoryTransport } from "../../src/transport/memory.ts";
import { PAGE_FOLDER } from "../page.ts";

const FILE = "openapi.json";

/**
 * Creates the OpenAPI document of a server with the default plugins.
 * @param baseUrl that of the document, as `SEALPOST_BASE_URL`. Default: the address that serves it.
 */
export async function createDocument(baseUrl = ""): Promise<string> {
  await using sealpost = createSealpost({
    database: openLimitedDatabase(platform),
    keyring: parseKeyring(generateKey("document", platform)),
    transport: createMemoryTransport(),
    plugins: pluginsOf({}),
    baseUrl,
    platform,
  });
  // It has not started, because the document needs no database.
  const response = await sealpost.app.request(`/${FILE}`);
  if (!response.ok) throw new Error(`There is no OpenAPI document: ${await response.text()}`);
  return response.text();
}

/** Writes the document to the static assets of a Worker that needs it there, and removes it from those of another. */
export async function writeDocument(
  { needsDocument }: { readonly needsDocument: boolean },
  baseUrl?: string,
  folder = PAGE_FOLDER,
): Promise<void> {
  const path = join(folder, FILE);
  if (needsDocument) await Bun.write(path, await createDocument(baseUrl));
  else await rm(path, { force: true });
}
