import { join } from "node:path";
import { sql } from "drizzle-orm";
import { parseConfig } from "../src/config.ts";
import { type LocalDrivers, openLocalDrivers } from "../src/runtime/local/drivers.ts";
import { createSealpost, internalsOf } from "../src/sealpost.ts";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { type BenchResult, median, print } from "./result.ts";

const MESSAGES = 100_000;
const DAY_MS = 24 * 3_600_000;
const DEFINITIONS = 5;
const ROUNDS = 15;
/** It also counts what waits, and sorts the times of sent messages for two percentiles. */
const LIMIT = 6;

/** `GET /mail/stats` over the messages of a busy day, against one statement that counts them by hour. On a file. */
export async function benchMailStats(): Promise<BenchResult> {
  using folder = temporaryFolder();
  const SEALPOST_DATABASE_URL = `file:${join(folder.path, "sealpost.db")}`;
  const drivers = await openLocalDrivers(parseConfig({ SEALPOST_DATABASE_URL }));
  await using sealpost = createSealpost({ ...drivers, hostName: "bench.test", worker: false });
  await sealpost.start();
  const { services } = internalsOf(sealpost);
  await fill(drivers);
  const { read } = drivers.database;
  const since = new Date(Date.now() - DAY_MS);
  const times = { stats: [] as number[], count: [] as number[] };
  const timed = async (into: number[], work: () => PromiseLike<unknown>) => {
    const startMs = performance.now();
    await work();
    into.push(performance.now() - startMs);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await timed(times.stats, () => services.mailQueue.stats(since));
    await timed(times.count, () =>
      read.all(sql`
        SELECT state, identifier, created_at / 3600000, count(*) FROM mail
        WHERE created_at >= ${since.getTime()} GROUP BY 1, 2, 3`),
    );
  }
  const [ours, peer] = [median(times.stats), median(times.count)];
  return {
    name: "GET /mail/stats over 100,000 messages of a day, against one statement that counts them by hour",
    ...{ ratio: ours / peer, limit: LIMIT, better: "lower" },
    detail: `${ours.toFixed(0)} ms, the statement ${peer.toFixed(0)} ms`,
  };
}

/** Stores messages of five definitions over a day, most of them sent within a minute. */
async function fill({ database }: LocalDrivers): Promise<void> {
  const startMs = Date.now() - DAY_MS;
  await database.commit([
    database.write.run(sql`
      WITH RECURSIVE more (at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM more WHERE at + 1 < ${MESSAGES})
      INSERT INTO mail (id, state, identifier, lane, alternatives, submitter, message_id, sender, purpose,
        on_unknown, recipients, created_at, updated_at, give_up_at)
      SELECT lower(hex(randomblob(16))), iif(at % 50 = 0, 'failed', 'sent'), 'server' || at % ${DEFINITIONS},
        'server' || at % ${DEFINITIONS}, '[]', '', '<' || at || '@example.org>', 'a@example.org', 'notice', 'resend',
        json_array(json_object('address', 'user' || at || '@example.net', 'state', 'sent')),
        ${startMs} + at * ${DAY_MS} / ${MESSAGES}, ${startMs} + at * ${DAY_MS} / ${MESSAGES} + abs(random() % 60000),
        ${startMs} + ${2 * DAY_MS} FROM more`),
  ]);
}

if (import.meta.main) print(await benchMailStats());
