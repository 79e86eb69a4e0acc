import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";

// npm packs the package.json of the root. `begin` replaces it with the published one, `end` restores it.

const ROOT = join(import.meta.dir, "..");
const MANIFEST = join(ROOT, "package.json");
const PUBLISHED = join(ROOT, "dist", "package.published.json");
const KEPT = join(ROOT, "dist", "package.kept.json");

if (process.argv[2] === "begin") {
  await Bun.write(KEPT, Bun.file(MANIFEST));
  await Bun.write(MANIFEST, Bun.file(PUBLISHED));
} else if (existsSync(KEPT)) {
  await rename(KEPT, MANIFEST);
}
