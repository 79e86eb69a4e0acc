import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { exports } from "../../package.json";
import { findObstacle, makeProject, run, TEST_MS } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: imports from the package; ${obstacle}`);

const SUBPATHS = Object.keys(exports).map((subpath) => subpath.replace(".", "sealpost"));

test.skipIf(obstacle !== "")(
  "an import of a subpath does nothing: no output, no file, no open handle",
  async () => {
    const imports = SUBPATHS.map((name) => `import ${JSON.stringify(name)};`).join("\n");
    using project = await makeProject({ "app.ts": imports });
    const before = readdirSync(project.path);
    expect(await run([process.execPath, join(project.path, "app.ts")], project.path)).toBe("");
    expect([readdirSync(project.path), readdirSync(join(project.path, "data"))]).toEqual([before, []]);
  },
);
