import { expect, setDefaultTimeout, test } from "bun:test";
import { type Misbehavior, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { DENO_SERVER, denoPath } from "../../fixtures/process/deno.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { runCli, startInVain, startSealpost } from "../../fixtures/process/sealpost.ts";
import { redisPath, startRedis } from "../../wake/fixtures/redis.ts";

setDefaultTimeout(TEST_MS);
if (redisPath === null)
  console.warn("redis-server is not installed: the wake bullmq of the server is not tried");

/** Messages whose wake is lost wait this long. */
const SWEEP_MS = 15_000;
const STOP_MS = 10_000;

test("a server and a worker reject the wake of Workers in one line; other commands accept it", async () => {
  using folder = temporaryFolder();
  const options = { folder: folder.path, env: { SEALPOST_WAKE: "cloudflare" } };
  const line = "sealpost: SEALPOST_WAKE: cloudflare is for Cloudflare Workers; expected poll or bullmq\n";
  expect(await startInVain(options)).toEqual({ code: 1, stdout: "", stderr: line });
  expect(await runCli(["worker"], options)).toMatchObject({ code: 1, stdout: "", stderr: line });
  expect((await runCli(["queue", "status"], options)).code).toBe(0);
});

const RUNTIMES = [
  { name: "Bun", entry: "src/runtime/bun/server.ts", interpreter: undefined, isThere: true },
  { name: "Deno", entry: "src/runtime/deno/server.ts", interpreter: DENO_SERVER, isThere: denoPath !== null },
];

for (const { name, entry, interpreter, isThere } of RUNTIMES) {
  test.skipIf(redisPath === null || !isThere)(
    `a server on ${name} is notified by Redis of its mail before a sweep does, and stops in time`,
    async () => {
      using folder = temporaryFolder();
      await using redis = await startRedis({ password: "its-password" });
      const arrived = Promise.withResolvers<void>();
      const body: Misbehavior = (_peer, reply) => {
        reply();
        arrived.resolve();
      };
      await using smtp = await startSmtpServer({ script: { body } });
      const env = { SEALPOST_WAKE: "bullmq", SEALPOST_REDIS_URL: redis.url };
      const options = { folder: folder.path, env, ...(interpreter && { interpreter }) };
      await using sealpost = await startSealpost(options, entry);
      const api = await sealpost.logIn();
      const definition = { server: `127.0.0.1:${smtp.port}`, sender: "a@example.org", enqueue_job: true };
      const startMs = performance.now();
      await api.test({ ...definition, recipient: "b@example.net" });
      await arrived.promise;
      expect(performance.now() - startMs).toBeLessThan(SWEEP_MS / 2);

      const stopMs = performance.now();
      expect((await sealpost.stop()).code).toBe(0);
      expect(performance.now() - stopMs).toBeLessThan(STOP_MS);
      expect(smtp.messages).toHaveLength(1);
    },
  );
}
