import type { BunPlugin } from "bun";
import type { UnusedCode } from "./never-called.ts";
import { withoutParts } from "./without-parts.ts";

/** Removes parts of packages, and with them the modules that only they import. */
export const shedParts = (all: UnusedCode): BunPlugin => ({
  name: "shed parts",
  setup(build) {
    for (const [file, names] of Object.entries(all)) {
      const filter = new RegExp(`/node_modules/${file.replaceAll(".", "\\.")}$`);
      build.onLoad({ filter }, async ({ path }) => ({
        contents: withoutParts(await Bun.file(path).text(), names),
        loader: "js",
      }));
    }
  },
});
