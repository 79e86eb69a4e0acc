import { expect, setDefaultTimeout, test } from "bun:test";
import { exports } from "../../package.json";
import { findObstacle, TEST_MS, tarball } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the tarball; ${obstacle}`);

const WANTED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  // The modules that the doors and the program import: no server of other runtimes, no tools.
  /^dist\/module\/(access|async|cli|contracts|domain|http|mail|message|oauth|plugin|secrets|smime|smtp|storage|testing|transport|wake|wire)\/[\w/-]+\.(js|d\.ts)$/,
  /^dist\/plugins\/[\w/-]+\.(js|d\.ts)$/,
  /^dist\/module\/(app|config|driver|errors|index|plugin|sealpost|services|version)\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/(default-plugins|invalid-setting|log-text|options|platform)\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/node-22\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/local\/[\w-]+\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/node\/[\w-]+\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/(bun|deno)\/index\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/workers\/(bindings|drivers|index|once|smtp|transport)\.(js|d\.ts)$/,
];
/** The tarball has about 650 KB, much of it declarations that spell out the types of tables. */
const MOST_BYTES = 720_000;

test.skipIf(obstacle !== "")("npm pack holds what a user needs, and nothing else", async () => {
  const { files, bytes } = await tarball();
  expect(files.filter((file) => !WANTED.some((pattern) => pattern.test(file)))).toEqual([]);
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test.skipIf(obstacle !== "")("npm pack holds every file of exports, README and LICENSE", async () => {
  const { files } = await tarball();
  const named = Object.values(exports).flatMap(({ types, default: script }) => [types, script]);
  const needed = [...named.map((path) => path.slice("./".length)), "README.md", "LICENSE", "CHANGELOG.md"];
  expect(needed.filter((file) => !files.includes(file))).toEqual([]);
});
