import { join } from "node:path";
import type { BunPlugin, OnLoadResult } from "bun";
import type { UnusedCode } from "./unused-code.ts";
import { withoutParts } from "./without-parts.ts";

/** Folder of the packages that Sealpost names. Packages in it may have others of the same name, in other versions. */
const PACKAGES = join(import.meta.dir, "..", "..", "node_modules");

/** Returns a filter for a file of a package. */
export const fileOfPackage = (file: string) => new RegExp(`^${RegExp.escape(join(PACKAGES, file))}$`);

/**
 * Changes files of packages, by their paths in `node_modules`. The build fails if it does not load one of them, as after
 * an update of a package.
 */
export const changePackages = (
  name: string,
  changes: Readonly<Record<string, (text: string) => string>>,
): BunPlugin => ({
  name,
  setup(build) {
    const missing = new Set(Object.keys(changes));
    for (const [file, change] of Object.entries(changes)) {
      build.onLoad({ filter: fileOfPackage(file) }, async ({ path }): Promise<OnLoadResult> => {
        missing.delete(file);
        return { contents: change(await Bun.file(path).text()), loader: "js" };
      });
    }
    build.onEnd(({ success }) => {
      if (success && missing.size > 0)
        throw new Error(`No file to leave parts of out: ${[...missing].join(", ")}`);
    });
  },
});

/** Removes parts of packages, and with them the modules that only they import. */
export const shedParts = (all: UnusedCode): BunPlugin =>
  changePackages(
    "shed parts",
    Object.fromEntries(
      Object.entries(all).map(([file, parts]) => [file, (text: string) => withoutParts(text, parts)]),
    ),
  );
