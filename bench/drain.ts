import { join } from "node:path";
import { Queue, Worker } from "bullmq";
import { sql } from "drizzle-orm";
import { parseConfig } from "../src/config.ts";
import { Secret } from "../src/domain/secret.ts";
import { createContentSeal } from "../src/mail/queue/content.ts";
import { type LocalDrivers, openLocalDrivers } from "../src/runtime/local/drivers.ts";
import { createSealpost, internalsOf } from "../src/sealpost.ts";
import type { Services } from "../src/services.ts";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { SENDER, sender } from "../test/fixtures/smime/authority.ts";
import { startSmtpSink } from "../test/fixtures/smtp/sink.ts";
import { redisPath, startRedis } from "../test/wake/fixtures/redis.ts";
import { openNodemailerPool } from "./nodemailer.ts";
import { repeat } from "./repeat.ts";
import { type BenchResult, median, print } from "./result.ts";

const MESSAGES = 10_000;
/** Rounds of each side, alternating; the medians count, because either side varies by a fifth from round to round. */
const ROUNDS = 7;
/** Messages that warm both sides up. */
const WARM_UP_MESSAGES = 3_000;
/** Messages that are submitted concurrently. */
const AT_ONCE = 50;
/** The default of a definition. */
const CONNECTIONS = 5;
const LIMIT = 1.5;
const LOOK_EVERY_MS = 20;
const JOBS_PER_CALL = 1_000;
/** More jobs than connections, so that none of those waits for Redis. */
const JOBS_AT_ONCE = 25;

const RECIPIENT = "user@example.net";
const ACTOR = { action: "bench", administrator: "", realm: "", client: "", policies: "", requestId: "" };

/** Queued messages drained to smtp-sink, against BullMQ on a durable Redis with nodemailer's pool in its worker. */
export async function benchDrain(kind: "signed" | "unsigned"): Promise<BenchResult> {
  const name = `queue: 10,000 ${kind} messages drained to smtp-sink, against BullMQ with nodemailer's pool`;
  await using sink = await startSmtpSink();
  if (sink === null) return { name, skipped: "smtp-sink (package postfix) is not installed" };
  if (redisPath === null) return { name, skipped: "redis-server is not installed" };
  using folder = temporaryFolder();
  const SEALPOST_DATABASE_URL = `file:${join(folder.path, "sealpost.db")}`;
  const drivers = await openLocalDrivers(parseConfig({ SEALPOST_DATABASE_URL }));
  await using sealpost = createSealpost({ ...drivers, hostName: "bench.test", worker: false });
  await sealpost.start();
  const { services } = internalsOf(sealpost);
  await save(services, sink.port, kind === "signed");
  const rates = { ours: [] as number[], theirs: [] as number[] };
  let octets = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const messages = round === 0 ? WARM_UP_MESSAGES : MESSAGES;
    await fill(services, messages);
    const bytes = await bytesOfOne(drivers);
    octets = bytes.length;
    const pair = [
      await drain(services, drivers, messages),
      await drainBullmq(sink.port, bytes, messages),
    ] as const;
    if (round === 0) continue;
    rates.ours.push(pair[0]);
    rates.theirs.push(pair[1]);
  }
  const [ours, theirs] = [median(rates.ours), median(rates.theirs)];
  const detail = `${Math.round(ours)} messages/s, BullMQ ${Math.round(theirs)} messages/s, ${octets} octets each`;
  return { name, ratio: ours / theirs, limit: LIMIT, better: "higher", detail };
}

async function save({ saveServer }: Services, port: number, smime: boolean): Promise<void> {
  const { key, certificate, intermediate } = await sender("rsa");
  const unset = { password: undefined, privateKeyPassword: undefined, mailsPerMinute: undefined };
  const input = {
    ...{ ...unset, server: "127.0.0.1", port, sender: SENDER, username: "", tls: false, timeout: 60 },
    ...{ enqueueJob: true, description: "", smime, dontSendOnError: true, maxConnections: CONNECTIONS },
    privateKey: smime ? new Secret(key) : undefined,
    certificate: smime ? certificate + intermediate.certificate : undefined,
  };
  await saveServer("bench", input, { ifMatch: null, createOnly: false }, ACTOR);
}

async function fill({ submit }: Services, messages: number): Promise<void> {
  const message = { to: [{ name: "", address: RECIPIENT }], subject: "Your code", text: "123456\n" };
  await repeat(messages, AT_ONCE, async () => {
    const result = await submit("bench", message);
    if (result.state !== "queued") throw new Error(JSON.stringify(result));
  });
}

async function bytesOfOne({ database, keyring, platform }: LocalDrivers): Promise<Uint8Array> {
  const row = await database.read.get<{ id: string; content: string }>(
    sql`SELECT id, content FROM mail_content LIMIT 1`,
  );
  return (await createContentSeal(keyring, platform, async () => undefined).open(row.id, row.content)).bytes;
}

/** Drains the same bytes as jobs of BullMQ, each on the disk before it counts. @returns messages per second. */
async function drainBullmq(port: number, bytes: Uint8Array, messages: number): Promise<number> {
  Bun.gc(true);
  await using redis = await startRedis({ isDurable: true });
  const { hostname, port: redisPort } = new URL(redis.url);
  const connection = { host: hostname, port: Number(redisPort), maxRetriesPerRequest: null };
  const queue = new Queue("bench", { connection });
  const data = { raw: Buffer.from(bytes).toString("utf8") };
  const jobs = Array.from({ length: messages }, () => ({
    name: "mail",
    data,
    opts: { removeOnComplete: true },
  }));
  for (let first = 0; first < messages; first += JOBS_PER_CALL) {
    await queue.addBulk(jobs.slice(first, first + JOBS_PER_CALL));
  }
  const transport = openNodemailerPool(port, CONNECTIONS);
  const envelope = { from: SENDER, to: [RECIPIENT] };
  const startMs = performance.now();
  const { promise, resolve } = Promise.withResolvers<void>();
  let left = messages;
  const worker = new Worker<typeof data>(
    "bench",
    async (job) => void (await transport.sendMail({ envelope, raw: job.data.raw })),
    { connection, concurrency: JOBS_AT_ONCE },
  );
  worker.on("completed", () => {
    if (--left === 0) resolve();
  });
  await promise;
  const tookMs = performance.now() - startMs;
  await worker.close();
  await queue.close();
  transport.close();
  return (messages * 1000) / tookMs;
}

/** @returns messages per second until the outcome of the last one is recorded. */
async function drain(services: Services, { database }: LocalDrivers, messages: number): Promise<number> {
  Bun.gc(true);
  const stopping = new AbortController();
  const startMs = performance.now();
  const working = services.work(stopping.signal);
  for (let left = 1; left > 0; ) {
    await Bun.sleep(LOOK_EVERY_MS);
    const row = await database.read.get<{ left: number }>(
      sql`SELECT EXISTS (SELECT 1 FROM mail WHERE due_at IS NOT NULL) AS left`,
    );
    left = row.left;
  }
  const tookMs = performance.now() - startMs;
  stopping.abort();
  await working;
  const { counts } = await services.mailQueue.stats(new Date(0));
  if (counts.some(({ state }) => state !== "sent")) throw new Error(JSON.stringify(counts));
  return (messages * 1000) / tookMs;
}

if (import.meta.main) {
  print(await benchDrain("unsigned"));
  print(await benchDrain("signed"));
}
