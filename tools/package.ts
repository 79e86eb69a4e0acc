import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import { publishedManifest } from "./published.ts";

const ROOT = join(import.meta.dir, "..");
/** The folder that is packed and published. npm would pack package.json of the root, which has no peer dependencies. */
const PACKAGE = join(ROOT, "dist", "package");
/** Everything in the package next to package.json, as it is in this repository. */
const CONTENT = [
  "{README,CHANGELOG,SECURITY}.md",
  "LICENSE",
  "docs/**/*.md",
  "plugins/*/README.md",
  "deploy/*",
  // Not their tests, which docs/plugins.md shows: a package has no tests of its own.
  "examples/**/!(*.test).*",
  "dist/{module,plugins}/**/*.{js,d.ts}",
  // Not the OpenAPI document, which the build of a Worker adds.
  "dist/page/_headers",
  "dist/page/ui/*",
];

/** Makes the package from what is built. A package that is not complete has no package.json, so npm rejects it. */
export async function makePackage(): Promise<void> {
  await rm(PACKAGE, { recursive: true, force: true });
  for (const pattern of CONTENT) {
    for (const file of new Glob(pattern).scanSync(ROOT)) {
      await mkdir(dirname(join(PACKAGE, file)), { recursive: true });
      await cp(join(ROOT, file), join(PACKAGE, file));
    }
  }
  await Bun.write(join(PACKAGE, "package.json"), `${JSON.stringify(publishedManifest(), null, 2)}\n`);
}
