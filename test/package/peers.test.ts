import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { assertPeers, PEERS } from "../../src/runtime/local/peers.ts";
import { findObstacle, makeProject, run, TEST_MS, tarball } from "./project.ts";

setDefaultTimeout(TEST_MS);
const obstacle = await findObstacle();
if (obstacle !== "") console.warn(`Skipped: the peer dependencies of the package; ${obstacle}`);

const OPEN_DRIVERS = `
import { openDrivers } from "sealpost/bun";
await openDrivers({ databaseUrl: "file:data/sealpost.db", wake: process.env.WAKE, redisUrl: "redis://127.0.0.1:1" });
`;
const failing = (command: readonly string[], folder: string, env: Readonly<Record<string, string>> = {}) =>
  run(command, folder, env).then(
    (output) => Promise.reject(new Error(`It did not fail: ${output}`)),
    (error: Error) => error.message,
  );

describe("assertPeers", () => {
  const check = (versions: Readonly<Record<string, string | null>>) => () =>
    assertPeers((name) => (name in versions ? (versions[name] ?? null) : (PEERS[name]?.min ?? null)));

  test("accepts the first version of each range, later ones, and packages that are not found", () => {
    expect(check({})).not.toThrow();
    expect(check({ hono: "4.99.0", valibot: null, "drizzle-orm": "0.45.99" })).not.toThrow();
  });

  test("names each version that is outside its range", () => {
    expect(check({ hono: "4.9.0" })).toThrow(/^hono 4\.9\.0 is installed, but Sealpost needs >=4\.11\.2 <5/);
    expect(check({ hono: "5.0.0", "drizzle-orm": "1.0.0-rc.1" })).toThrow(
      /drizzle-orm 1\.0\.0-rc\.1 .*; hono 5\.0\.0 /,
    );
  });
});

test.skipIf(obstacle !== "")("npm rejects the package next to hono 4.9", async () => {
  const { path } = await tarball();
  using project = await makeProject({}, ["hono@4.9.0"]);
  const manifest = { private: true, dependencies: { hono: "4.9.0", sealpost: `file:${path}` } };
  await Bun.write(join(project.path, "package.json"), JSON.stringify(manifest));
  const message = await failing(
    ["npm", "install", "--package-lock-only", "--no-audit", "--prefer-offline"],
    project.path,
  );
  expect(message).toContain("ERESOLVE");
  expect(message).toMatch(/peer hono@">=4/);
});

test.skipIf(obstacle !== "")(
  "next to hono 4.9, which Bun installs, the start names the version",
  async () => {
    using project = await makeProject({ "app.ts": OPEN_DRIVERS }, ["hono@4.9.0"]);
    const message = await failing([process.execPath, "app.ts"], project.path);
    expect(message).toContain("hono 4.9.0 is installed, but Sealpost needs");
  },
);

test.skipIf(obstacle !== "")(
  "an optional package that is missing is named when something needs it",
  async () => {
    const testing = 'import { testSealpost } from "sealpost/testing"; await testSealpost();';
    using project = await makeProject({ "app.ts": OPEN_DRIVERS, "testing.ts": testing }, ["hono"]);
    await run([process.execPath, "app.ts"], project.path, { WAKE: "poll" });
    const wake = await failing([process.execPath, "app.ts"], project.path, { WAKE: "bullmq" });
    expect(wake).toMatch(/SEALPOST_WAKE=bullmq needs the package (bullmq|ioredis): run npm install/);
    const parser = await failing([process.execPath, "testing.ts"], project.path);
    expect(parser).toContain("testSealpost() needs the package postal-mime: run npm install postal-mime");
  },
);
