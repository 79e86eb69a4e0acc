import { join } from "node:path";
import { delay, type SmtpTestServer, startSmtpServer } from "../src/testing/smtp/index.ts";
import { temporaryFolder } from "../test/fixtures/process/folder.ts";
import { queueMany, saveServer, startFleet } from "../test/flow/fixtures/queue-fleet.ts";
import { queueInstance } from "../test/flow/fixtures/queue-instance.ts";
import { sqldPath, startSqld } from "../tools/sqld.ts";
import { type BenchResult, median, print } from "./result.ts";

const MESSAGES = 1_000;
/** Every fifth message has three recipients. */
const DELIVERIES = 1_400;
const PROCESSES = [1, 2, 3] as const;
const ROUNDS = 3;
/** A mail server elsewhere takes at least this long for a message. Without it, the machine's processor would be measured. */
const MAIL_SERVER_MS = 50;
/** The processes share the mail server, and the database. */
const LIMITS = { 2: 1.6, 3: 2.1 };
const POLL_MS = 10;

/** Queued messages sent by one, two and three worker processes on one libSQL server, to a mail server that takes 50 ms. */
export async function benchScale(): Promise<BenchResult[]> {
  const name = (count: number) => `queue: ${count} worker processes on one libSQL server, against one`;
  if (sqldPath() === null) return [{ name: name(2), skipped: "npm has no libSQL server for this machine" }];
  const rates = { 1: [] as number[], 2: [] as number[], 3: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const count of PROCESSES) rates[count].push(await rateOf(count));
  }
  const one = median(rates[1]);
  return ([2, 3] as const).map((count) => {
    const rate = median(rates[count]);
    return {
      name: name(count),
      ...{ ratio: rate / one, limit: LIMITS[count], better: "higher" },
      detail: `${rate.toFixed(0)} messages/s, one ${one.toFixed(0)} messages/s; 5 connections each, 50 ms a message`,
    };
  });
}

/** @returns messages per second, from the first arrival to the last. */
async function rateOf(count: number): Promise<number> {
  using folder = temporaryFolder();
  await using sqld = await startSqld({ folder: join(folder.path, "database") });
  await using server = await startSmtpServer({ script: { body: delay(MAIL_SERVER_MS) } });
  await using services = await queueInstance(sqld.url);
  await saveServer(services, server);
  await queueMany(services, MESSAGES, () => ({}));
  await using fleet = await startFleet(sqld.url, count);
  await untilArrived(server, 1);
  const startMs = performance.now();
  await untilArrived(server, DELIVERIES);
  const tookMs = performance.now() - startMs;
  await fleet.end();
  return (DELIVERIES * 1_000) / tookMs;
}

async function untilArrived({ messages }: SmtpTestServer, count: number): Promise<void> {
  while (messages.length < count) await Bun.sleep(POLL_MS);
}

if (import.meta.main) for (const result of await benchScale()) print(result);
