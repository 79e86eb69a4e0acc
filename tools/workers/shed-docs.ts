import { join, sep } from "node:path";
import type { BunPlugin } from "bun";
import { withRemovableConstants } from "./removable.ts";
import { DOCUMENTATION, withoutDocs } from "./without-docs.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** Sources of Sealpost and its plugins. */
const SOURCES = new RegExp(`^${RegExp.escape(ROOT + sep)}(?:src|plugins)/.*\\.ts$`);
const ROUTE = join(ROOT, "src", "http", "openapi.ts");

/**
 * Leaves out the OpenAPI document and what only it reads. The build fails if the sources no longer have a part that it
 * leaves out.
 */
export const shedDocs: BunPlugin = {
  name: "shed docs",
  setup(build) {
    const missing = new Set([ROUTE, ...DOCUMENTATION]);
    build.onLoad({ filter: SOURCES }, async ({ path }) => {
      const { text, found } = withoutDocs(path, await Bun.file(path).text());
      for (const name of [path, ...found]) missing.delete(name);
      const contents =
        path === ROUTE ? "export const openApiRoutes = () => [];" : withRemovableConstants(path, text);
      return { contents, loader: "ts" };
    });
    build.onEnd(({ success }) => {
      if (success && missing.size > 0)
        throw new Error(`No documentation to leave out: ${[...missing].join(", ")}`);
    });
  },
};
