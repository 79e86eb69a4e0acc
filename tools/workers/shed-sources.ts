import { join, sep } from "node:path";
import type { BunPlugin } from "bun";
import { withRemovableConstants } from "./removable.ts";
import { CONSTRAINTS, withoutConstraints } from "./without-constraints.ts";
import { DOCUMENTATION, withoutDocs } from "./without-docs.ts";

const ROOT = join(import.meta.dir, "..", "..");
/** Sources of Sealpost and its plugins. */
const SOURCES = new RegExp(`^${RegExp.escape(ROOT + sep)}(?:src|plugins)/.*\\.ts$`);
const ROUTE = join(ROOT, "src", "http", "openapi.ts");

/**
 * Leaves out the OpenAPI document with what only it reads, and the constraints of tables. The build fails if the sources
 * no longer have a part that it leaves out.
 */
export const shedSources: BunPlugin = {
  name: "shed sources",
  setup(build) {
    const missing = new Set([ROUTE, ...DOCUMENTATION, ...CONSTRAINTS]);
    build.onLoad({ filter: SOURCES }, async ({ path }) => {
      missing.delete(path);
      let contents = await Bun.file(path).text();
      for (const without of [withoutDocs, withoutConstraints]) {
        const { text, found } = without(path, contents);
        for (const name of found) missing.delete(name);
        contents = text;
      }
      if (path === ROUTE) contents = "export const openApiRoutes = () => [];";
      return { contents: withRemovableConstants(path, contents), loader: "ts" };
    });
    build.onEnd(({ success }) => {
      if (success && missing.size > 0)
        throw new Error(`No part of the sources to leave out: ${[...missing].join(", ")}`);
    });
  },
};
