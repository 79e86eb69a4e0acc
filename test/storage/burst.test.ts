import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { sql } from "drizzle-orm";
import type { Database } from "../../src/contracts/database.ts";
import { openDatabase } from "../../src/storage/open-database.ts";
import { openRemoteDatabase } from "../../src/storage/remote/connect.ts";
import {
  describeTrips,
  NO_SQLD,
  type RoundTripProxy,
  startCountedDatabase,
} from "../fixtures/round-trips.ts";
import { createItems, item, randomBytes } from "./fixtures/database.ts";

setDefaultTimeout(60_000);
if (NO_SQLD !== null) console.warn(`Not tried: ${NO_SQLD}`);

const DELAY_MS = 20;
const BURST = 300;
const CALLERS = 32;
const ROUNDS = 10;

let proxy: RoundTripProxy;
beforeAll(async () => {
  if (NO_SQLD === null) proxy = await startCountedDatabase();
});
afterAll(() => proxy?.[Symbol.asyncDispose]());

const WAYS: readonly (readonly [name: string, open: (url: string) => Database])[] = [
  ["a server", (url) => openDatabase({ url, randomBytes })],
  ["a Worker", (url) => openRemoteDatabase({ url })],
];

describe.skipIf(NO_SQLD !== null).each(WAYS)("a libSQL server at 20 ms, as %s uses it", (_name, open) => {
  async function opened() {
    proxy.delayMs = 0;
    const database = open(proxy.url);
    await database.commit([database.write.run(sql`DROP TABLE IF EXISTS item`)]);
    await createItems(database);
    const { write } = database;
    await database.commit([write.insert(item).values({ id: "counter", version: 1 })]);
    /** Like the use of a code: a conditional write, and a row that depends on it. */
    const use = (id: string) =>
      database.commit([
        write.insert(item).values({ id, version: 1 }),
        write.run(sql`UPDATE item SET version = version + 1 WHERE id = 'counter' AND changes() > 0`),
      ]);
    proxy.delayMs = DELAY_MS;
    proxy.reset();
    return { database, use, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
  }
  const counter = async (database: Database) =>
    (await database.read.get<{ version: number }>(sql`SELECT version FROM item WHERE id = 'counter'`))
      .version;

  test(`${BURST} concurrent commits all succeed independently`, async () => {
    await using at = await opened();
    const startMs = performance.now();
    const results = await Promise.all(Array.from({ length: BURST }, (_, index) => at.use(`${index}`)));
    const tookMs = performance.now() - startMs;
    expect(results.map((each) => each.map(({ rowsAffected }) => rowsAffected))).toEqual(
      Array(BURST).fill([1, 1]),
    );
    const trips = proxy.trips.length;
    expect(trips).toBeLessThanOrEqual(8);
    expect(await counter(at.database)).toBe(1 + BURST);
    console.info(`${BURST} commits in ${trips} round trips and ${tookMs.toFixed()} ms`);
  });

  test(`${CALLERS} callers share round trips over many commits`, async () => {
    await using at = await opened();
    const startMs = performance.now();
    const call = async (caller: number) => {
      for (let round = 0; round < ROUNDS; round++) await at.use(`${caller}-${round}`);
    };
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)));
    const seconds = (performance.now() - startMs) / 1_000;
    const commits = CALLERS * ROUNDS;
    // With round trips of 20 ms, 150 commits a second need at least 3 per round trip.
    expect(commits / proxy.trips.length, describeTrips(proxy.trips)).toBeGreaterThan(5);
    console.info(
      `${(commits / seconds).toFixed()} commits/s by ${CALLERS} callers, ${proxy.trips.length} round trips`,
    );
  });

  test("one commit in a burst that violates a constraint fails alone", async () => {
    await using at = await opened();
    await at.use("taken");
    const ids = Array.from({ length: 50 }, (_, index) => (index === 30 ? "taken" : `${index}`));
    const outcomes = await Promise.allSettled(ids.map((id) => at.use(id)));
    expect(outcomes.flatMap(({ status }, index) => (status === "rejected" ? [index] : []))).toEqual([30]);
    expect(outcomes[30]).toMatchObject({ reason: { code: expect.stringMatching(/^SQLITE_CONSTRAINT/) } });
    expect(await counter(at.database)).toBe(51);
    expect(proxy.trips.length).toBeLessThan(12);
  });

  test("commits whose response is lost reject as unavailable and are not repeated", async () => {
    await using at = await opened();
    const dropped = proxy.dropResponse(({ isCommit }) => isCommit);
    const outcomes = await Promise.allSettled(["a", "b", "c"].map((id) => at.use(id)));
    const lost = outcomes.filter(({ status }) => status === "rejected");
    expect(lost.length).toBeGreaterThan(0);
    for (const outcome of lost) expect(outcome).toMatchObject({ reason: { code: "database_unavailable" } });
    expect((await dropped).statements.length).toBe(2 * lost.length);
    expect(await counter(at.database)).toBe(4);
  });
});
