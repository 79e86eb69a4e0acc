import { sql } from "drizzle-orm";
import { parseConfig } from "../src/config.ts";
import { openLocalDrivers } from "../src/runtime/local/drivers.ts";
import { createSealpost } from "../src/sealpost.ts";
import { PASSWORD } from "./process.ts";

// The server of bench/enqueue.ts, without a worker. For a number on standard input it leaves so many messages waiting,
// then prints a line.

const drivers = await openLocalDrivers(parseConfig(process.env));
const sealpost = createSealpost({ ...drivers, hostName: "bench.test", worker: false });
await sealpost.start();
await sealpost.makeFirstAdmin({ username: "admin", password: PASSWORD });
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch: (request) => sealpost.app.fetch(request, {}),
});
console.log(server.url.origin);

const { database } = drivers;
const COLUMNS = sql.raw(
  "state, identifier, lane, alternatives, submitter, message_id, sender, purpose, on_unknown, recipients, " +
    "created_at, updated_at, expires_at, give_up_at, due_at, lease, begun, lost",
);
for await (const line of console) {
  await database.commit([
    database.write.run(sql`
      DELETE FROM mail WHERE rowid NOT IN (SELECT rowid FROM mail LIMIT ${Number(line)})`),
    database.write.run(sql`
      WITH RECURSIVE more (at) AS (
        SELECT (SELECT count(*) FROM mail) WHERE (SELECT count(*) FROM mail) < ${Number(line)}
        UNION ALL SELECT at + 1 FROM more WHERE at + 1 < ${Number(line)})
      INSERT INTO mail (id, ${COLUMNS})
      SELECT lower(hex(randomblob(16))), ${COLUMNS} FROM more, (SELECT * FROM mail LIMIT 1)`),
  ]);
  const row = await database.read.get<{ count: number }>(sql`SELECT count(*) AS count FROM mail`);
  console.log(`${row.count} waiting`);
}
