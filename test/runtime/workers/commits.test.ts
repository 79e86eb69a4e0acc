import { expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import { openRemoteDatabase } from "../../../src/storage/remote/connect.ts";
import { serveWorker } from "../../../tools/workers/serve.ts";
import { TEST_MS } from "../../fixtures/process/child.ts";
import { startCountedDatabase } from "../../fixtures/round-trips.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";

setDefaultTimeout(TEST_MS);

/** Long enough to hang up during a commit. */
const COMMIT_MS = 400;
const bundle = builtWorker(new URL("fixtures/commit-worker.ts", import.meta.url).pathname);

async function opened() {
  const proxy = await startCountedDatabase();
  const database = openRemoteDatabase({ url: proxy.url });
  await database.commit([database.write.run(sql`CREATE TABLE item (id TEXT PRIMARY KEY)`)]);
  const worker = await serveWorker({ bundle: await bundle, bindings: { DATABASE_URL: proxy.url } });
  const ask = (ids: readonly string[], signal?: AbortSignal) => {
    const query = new URLSearchParams(ids.map((id): [string, string] => ["id", id]));
    return fetch(new URL(`/?${query}`, worker.url), signal ? { signal } : {});
  };
  await ask([]);
  proxy.reset();
  const dispose = async () => {
    await worker[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await proxy[Symbol.asyncDispose]();
  };
  return { proxy, database, ask, [Symbol.asyncDispose]: dispose };
}

test("a client that hangs up does not abort the commits of other requests", async () => {
  await using at = await opened();
  at.proxy.delayMs = COMMIT_MS;
  const trips = async (count: number) => {
    while (at.proxy.trips.length < count) await new Promise(setImmediate);
  };
  const ids = Array.from({ length: 20 }, (_, index) => `a${index}`);
  const client = new AbortController();
  // Most requests that wait for the first commit belong to this client, so one of them makes the next commit for all.
  const hungUp = at.ask(ids, client.signal).catch((error: unknown) => String(error));
  await trips(1);
  const other = at.ask(["other"]);
  await trips(2);
  client.abort();
  expect(await hungUp).toContain("AbortError");
  const response = await other;
  expect([response.status, await response.json()]).toEqual([200, [1]]);
  const rows = await at.database.read.all<{ n: number }>(sql`SELECT count(*) AS n FROM item`);
  expect(rows).toEqual([{ n: ids.length + 1 }]);
});

test("150 simultaneous requests share a few commits, and each gets its own result", async () => {
  await using at = await opened();
  at.proxy.delayMs = 20;
  const ids = Array.from({ length: 150 }, (_, index) => `${index % 140}`);
  const responses = await Promise.all(ids.map((id) => at.ask([id])));
  // Ten IDs are sent twice, and their second commits violate a constraint.
  expect(responses.filter(({ ok }) => ok)).toHaveLength(140);
  expect(at.proxy.trips.length).toBeLessThan(70);
});
