import { expect, setDefaultTimeout, test } from "bun:test";
import { findObstacle, makeProject, run, TEST_MS, tarball } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = process.env.PACKAGE_LINT === "1" ? await findObstacle() : "npm run proof:package runs them";
if (obstacle !== "") console.warn(`Skipped: publint and attw; ${obstacle}`);

const LINTERS = ["publint@0.3.25", "@arethetypeswrong/cli@0.18.5"];

test.skipIf(obstacle !== "")("publint and Are The Types Wrong find nothing in the package", async () => {
  const { path } = await tarball();
  using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot", ...LINTERS]);
  const linter = (name: string, ...args: string[]) =>
    run([process.execPath, "x", "--no-install", name, ...args], project.path);
  expect(await linter("publint", "run", path, "--strict")).toContain("All good!");
  // The package is ESM only: older resolutions of TypeScript and require() are not offered.
  await linter("attw", path, "--profile", "esm-only");
});
