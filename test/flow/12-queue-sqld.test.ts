import { expect, test } from "bun:test";
import { LEASE_TIMES } from "../../src/mail/worker/leases.ts";
import { stall, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { sqldPath, startSqld } from "../../tools/sqld.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { arrivals, deliveriesOf, queueMany, reader, saveServer, startFleet } from "./fixtures/queue-fleet.ts";
import { queueInstance } from "./fixtures/queue-instance.ts";

const MESSAGES = process.env.LONG_TESTS === "1" ? 3_000 : 300;
const LONGEST_MS = 120_000;
const hasSqld = sqldPath() !== null;
if (!hasSqld) console.warn("skipped: npm has no libSQL server for this machine");

test.skipIf(!hasSqld)(
  `two workers on one libSQL server send ${MESSAGES} messages once each while more are queued`,
  async () => {
    using folder = temporaryFolder();
    await using sqld = await startSqld({ folder: `${folder.path}/database` });
    await using server = await startSmtpServer();
    await using services = await queueInstance(sqld.url);
    await using outbox = reader(sqld.url);
    await saveServer(services, server, 10);
    await using fleet = await startFleet(sqld.url, 2);
    const startMs = performance.now();
    // Three processes write concurrently.
    await queueMany(services, MESSAGES, () => ({}));
    while ((await outbox.pending()) > 0) {
      if (performance.now() - startMs > LONGEST_MS - 20_000)
        throw new Error("The messages have not reached a final state");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    expect(await fleet.end()).toEqual([0, 0]);
    const ended = await outbox.ended();
    expect(ended).toHaveLength(deliveriesOf(MESSAGES));
    expect(ended.filter(({ state, outcomes }) => state !== "sent" || outcomes !== "sent")).toEqual([]);
    expect(server.messages).toHaveLength(deliveriesOf(MESSAGES));
    expect(arrivals(server).size).toBe(deliveriesOf(MESSAGES));
    console.info(`${MESSAGES} messages by two processes on a libSQL server in ${seconds} s`);
  },
  LONGEST_MS,
);

test.skipIf(!hasSqld)(
  "the leased messages of a killed worker on a libSQL server are sent by another one within 30 s",
  async () => {
    using folder = temporaryFolder();
    await using sqld = await startSqld({ folder: `${folder.path}/database` });
    await using server = await startSmtpServer({ script: { body: stall() } });
    await using services = await queueInstance(sqld.url);
    await using outbox = reader(sqld.url);
    await saveServer(services, server);
    await using fleet = await startFleet(sqld.url, 1, LEASE_TIMES.remote);
    const ids = await queueMany(services, 3, () => ({}));
    const inHand = () => server.connections.filter(({ commands }) => commands.includes("DATA")).length;
    while (inHand() < deliveriesOf(ids.length)) await new Promise((resolve) => setTimeout(resolve, 20));
    const killedMs = performance.now();
    await fleet.killOne(0);
    server.script("body", undefined);
    while ((await outbox.pending()) > 0 && performance.now() - killedMs < 60_000)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(performance.now() - killedMs).toBeLessThan(30_000);
    expect([...arrivals(server).values()]).toEqual([1, 1, 1, 1, 1]);
  },
  LONGEST_MS,
);
