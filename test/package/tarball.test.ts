import { expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { exports } from "../../package.json";
import { publishedManifest } from "../../tools/published.ts";
import { findObstacle, makeProject, ROOT, run, TEST_MS, tarball } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the tarball; ${obstacle}`);

const WANTED = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|SECURITY\.md)$/,
  /^docs\/[\w/-]+\.md$/,
  /^plugins\/[\w-]+\/README\.md$/,
  /^deploy\/[\w.-]+$/,
  /^examples\/plugins\/\w+(\.test)?\.(ts|sql)$/,
  // The modules that the doors and the program import: no server of other runtimes, no tools.
  /^dist\/module\/(access|async|cli|contracts|domain|http|mail|message|oauth|plugin|secrets|smime|smtp|storage|telemetry|testing|transport|wake|wire)\/[\w/-]+\.(js|d\.ts)$/,
  /^dist\/page\/(_headers|ui\/index\.html|ui\/[\w-]+\.(js|css))$/,
  /^dist\/plugins\/[\w/-]+\.(js|d\.ts)$/,
  /^dist\/module\/(app|config|driver|errors|index|plugin|sealpost|services|version|work)\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/(configured-admin|default-plugins|invalid-setting|log-text|options|platform)\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/node-22\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/local\/[\w-]+\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/node\/[\w-]+\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/(bun|deno)\/index\.(js|d\.ts)$/,
  /^dist\/module\/runtime\/workers\/(bindings|deliver-in-object|drivers|index|object-transport|once|smtp|tracer|transport|unavailable)\.(js|d\.ts)$/,
];
const EXAMPLES = ["feedback.ts", "notice.ts"].map((file) => `examples/plugins/${file}`);
/** The tarball has about 1,025 KB: 82 are the admin page, and much is declarations that spell out the types of tables. */
const MOST_BYTES = 1_100_000;

test("the package and @libsql/client share one copy of the native library", async () => {
  const client = await Bun.file("node_modules/@libsql/client/package.json").json();
  expect(publishedManifest()).toMatchObject({ dependencies: { libsql: client.dependencies.libsql } });
});

test.skipIf(obstacle !== "")("npm pack holds what a user needs, and nothing else", async () => {
  const { files, bytes } = await tarball();
  expect(files.filter((file) => !WANTED.some((pattern) => pattern.test(file)))).toEqual([]);
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test.skipIf(obstacle !== "")("npm pack holds every file of exports, README and LICENSE", async () => {
  const { files } = await tarball();
  const named = Object.values(exports).flatMap(({ types, default: script }) => [types, script]);
  const pages = [
    "README.md",
    "LICENSE",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/README.md",
    "dist/page/ui/index.html",
  ];
  const needed = [...named.map((path) => path.slice("./".length)), ...pages, ...EXAMPLES];
  expect(needed.filter((file) => !files.includes(file))).toEqual([]);
});

test.skipIf(obstacle !== "")(
  "npm does not pack the repository itself, and lets its script do so",
  async () => {
    const failed = await run(["npm", "pack", "--dry-run"], ROOT).catch(String);
    expect(failed).toContain("The package is built in dist/package: npm run pack");
    // npm runs it before the script "pack".
    await run(["npm", "run", "prepack"], ROOT);
  },
);

test.skipIf(obstacle !== "" || process.platform !== "linux")(
  "with its peers it takes at most 62 MB on Linux, has no TypeScript and nothing that only some need",
  async () => {
    using project = await makeProject({}, ["hono", "drizzle-orm@0.45", "valibot"]);
    const folder = join(project.path, "node_modules");
    const kilobytes = Number.parseInt(await run(["du", "-sk", folder], project.path), 10);
    expect(kilobytes / 1024).toBeLessThanOrEqual(62);
    const unwanted = ["typescript", "bullmq", "ioredis", "postal-mime", "bun"];
    expect(unwanted.filter((name) => existsSync(join(folder, name)))).toEqual([]);
  },
);
