import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { parseConfig } from "../../../src/config.ts";
import { DEFAULT_PLUGINS } from "../../../src/runtime/default-plugins.ts";
import { openInstance } from "../../../src/runtime/local/instance.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { startSealpost } from "../../fixtures/process/sealpost.ts";
import {
  describeTrips,
  NO_SQLD,
  type RoundTripProxy,
  startCountedDatabase,
} from "../../fixtures/round-trips.ts";
import { locked } from "../../storage/fixtures/database.ts";
import { bindingsFor, startWorker } from "../workers/fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);
if (NO_SQLD !== null) console.warn(`Not tried: ${NO_SQLD}`);

const MAX_ROUND_TRIPS = 3;
/** Only a start that waits for another round trip takes so long. */
const MAX_START_MS = 20_000;

describe.skipIf(NO_SQLD !== null)("a start on a migrated libSQL server", () => {
  let proxy: RoundTripProxy;
  const config = () => parseConfig(bindingsFor(proxy.url));
  beforeAll(async () => {
    proxy = await startCountedDatabase();
    // Migrates, and creates the missing secrets of the database.
    const worker = await startWorker(bindingsFor(proxy.url));
    expect((await fetch(`${worker.origin}/readyz`)).status).toBe(200);
    await worker[Symbol.asyncDispose]();
  });
  afterAll(() => proxy?.[Symbol.asyncDispose]());

  test("makes at most 3 round trips before it listens, and no commit", async () => {
    proxy.reset();
    await using _instance = await openInstance(config(), DEFAULT_PLUGINS);
    expect(proxy.trips.length, describeTrips(proxy.trips)).toBeLessThanOrEqual(MAX_ROUND_TRIPS);
    expect(proxy.trips.filter(({ isCommit }) => isCommit)).toEqual([]);
  });

  test("makes as few in a cold isolate before its first response", async () => {
    proxy.reset();
    // Round trips after the response, such as those for warnings, do not count: nothing waits for them.
    const release = proxy.hold(MAX_ROUND_TRIPS);
    await using worker = await startWorker(bindingsFor(proxy.url));
    const response = await fetch(`${worker.origin}/healthz`, { signal: AbortSignal.timeout(MAX_START_MS) })
      .catch((cause) => {
        throw new Error(describeTrips(proxy.trips), { cause });
      })
      .finally(release);
    expect(response.status).toBe(200);
    await proxy.settled();
    expect(proxy.trips.filter(({ isCommit }) => isCommit)).toEqual([]);
  });
});

test("a start on a migrated file listens while another process holds the write lock", async () => {
  using folder = temporaryFolder();
  const first = await startSealpost({ folder: folder.path });
  await first.stop();
  await using _lock = await locked(`${folder.path}/data/sealpost.db`, "IMMEDIATE");
  await using server = await startSealpost({ folder: folder.path });
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

test("a new server is ready only when its first admin can log in", async () => {
  using folder = temporaryFolder();
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  const { port } = listener;
  listener.stop();
  const password = "a password of the first admin";
  const env = { PORT: String(port), SEALPOST_ADMIN_PASSWORD: password };
  const starting = startSealpost({ folder: folder.path, env });
  const origin = `http://127.0.0.1:${port}`;
  const isReady = () =>
    fetch(`${origin}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  while (!(await isReady())) await new Promise((resolve) => setTimeout(resolve, 1));
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const body = JSON.stringify({ username: "admin", password });
  expect((await fetch(`${origin}/auth`, { ...json, body })).status).toBe(200);
  await using server = await starting;
  const { stderr } = await server.stop();
  expect(/"level":"ERROR"/.test(stderr), "an early request leaves an error in the log").toBe(false);
});

test.each([
  [{ npm_command: "start" }, "change it with: npx bun run cli admin passwd admin)"],
  [{}, "change it with: bun run cli admin passwd admin)"],
])("a start with %p names a command that works there", async (env, command) => {
  using folder = temporaryFolder();
  await using server = await startSealpost({ folder: folder.path, env });
  expect((await server.stop()).stdout).toContain(command);
});

test("a password in the settings that no longer counts is mentioned, once an admin exists", async () => {
  using folder = temporaryFolder();
  const line = "An admin exists already, so SEALPOST_ADMIN_PASSWORD has no effect";
  const start = async (password: string) => {
    const env = { SEALPOST_ADMIN_PASSWORD: password };
    await using sealpost = await startSealpost({ folder: folder.path, env });
    return (await sealpost.stop()).stderr;
  };
  expect(await start("the first password")).not.toContain(line);
  const later = await start("another password");
  expect(later).toContain(line);
  expect(later).not.toContain("another password");
});

test.each([
  ["on all addresses without a proxy is warned of", true, { HOST: "0.0.0.0" }],
  [
    "on all addresses behind a proxy is not",
    false,
    { HOST: "0.0.0.0", SEALPOST_TRUSTED_PROXIES: "10.0.0.1" },
  ],
  ["on a loopback address is not", false, { HOST: "127.0.0.1" }],
])("a server of plain HTTP %s", async (_, isWarned, env) => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path, env });
  await sealpost.process.printed(/Password:/);
  const { stdout, stderr } = await sealpost.stop();
  const line = /"level":"WARN","message":"HTTP is open to the network at 0\.0\.0\.0 without TLS/;
  expect(line.test(stdout + stderr)).toBe(isWarned);
});
