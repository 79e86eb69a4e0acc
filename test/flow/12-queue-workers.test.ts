import { expect, test } from "bun:test";
import {
  close,
  hangUp,
  type Misbehavior,
  reply,
  type ServerStep,
  startSmtpServer,
  then,
} from "../../src/testing/smtp/index.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { locked } from "../storage/fixtures/database.ts";
import { arrivals, deliveriesOf, queueMany, reader, saveServer, startFleet } from "./fixtures/queue-fleet.ts";
import { queueInstance } from "./fixtures/queue-instance.ts";

/** LONG_TESTS=1 asks for the long form. */
const IS_LONG = process.env.LONG_TESTS === "1";
const KILLED_MAILS = IS_LONG ? 5_000 : 500;
const MOST_KILLS = IS_LONG ? 100 : 8;
const SHARED_MAILS = IS_LONG ? 8_000 : 2_000;
const LONGEST_MS = IS_LONG ? 300_000 : 60_000;

/** What a bad day of a mail server is like: how often each step goes wrong, and how. */
const BAD_DAY: readonly (readonly [step: ServerStep, share: number, what: Misbehavior])[] = [
  ["greeting", 0.02, close()],
  ["mail", 0.02, reply("451 4.3.0 Not now")],
  ["rcpt", 0.02, reply("452 4.2.2 Full")],
  ["rcpt", 0.01, reply("550 5.1.1 No such user")],
  ["data", 0.01, close()],
  ["body", 0.02, reply("451 4.7.1 Greylisted")],
  ["body", 0.02, close()],
  // Taken, and the reply is lost.
  ["body", 0.03, then(hangUp())],
];

/** A server on such a day, that takes a moment for each mail, this long at most. */
function badDay(mostMs: number): Partial<Record<ServerStep, Misbehavior>> {
  const steps = new Set(BAD_DAY.map(([step]) => step));
  return Object.fromEntries(
    [...steps].map((step) => [step, sometimes(step, slow(step === "body" ? mostMs : 0))]),
  );
}

function sometimes(step: ServerStep, otherwise: Misbehavior): Misbehavior {
  const ways = BAD_DAY.filter(([one]) => one === step);
  return (peer, answer) => {
    let draw = Math.random();
    const way = ways.find(([, share]) => {
      draw -= share;
      return draw < 0;
    });
    (way?.[2] ?? otherwise)(peer, answer);
  };
}

function slow(mostMs: number): Misbehavior {
  return (_, answer) => (mostMs > 0 ? void setTimeout(answer, Math.random() * mostMs) : answer());
}

async function untilDone(outbox: ReturnType<typeof reader>, withinMs: number): Promise<void> {
  const endsMs = performance.now() + withinMs;
  for (let left = await outbox.pending(); left > 0; left = await outbox.pending()) {
    if (performance.now() > endsMs) throw new Error(`${left} mails have not ended`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test(
  `kill -9 of one of three workers, again and again, loses none of ${KILLED_MAILS} mails`,
  async () => {
    using folder = temporaryFolder();
    const url = `file:${folder.path}/sealpost.db`;
    await using server = await startSmtpServer({ script: badDay(IS_LONG ? 60 : 120) });
    await using services = await queueInstance(url);
    await using outbox = reader(url);
    await saveServer(services, server);
    const ids = await queueMany(services, KILLED_MAILS, (number) => ({
      purpose: number % 3 ? "notice" : "code",
    }));

    const startMs = performance.now();
    let kills = 0;
    await using fleet = await startFleet(url, 3);
    while (kills < MOST_KILLS && (await outbox.pending()) > KILLED_MAILS / 5) {
      await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 400));
      await fleet.killOne(Math.floor(Math.random() * 3));
      kills++;
    }
    await untilDone(outbox, LONGEST_MS - 10_000);
    expect(await fleet.end()).toEqual([0, 0, 0]);

    const ended = await outbox.ended();
    const arrived = arrivals(server);
    const timesOf = ({ delivery }: (typeof ended)[number]) => arrived.get(delivery) ?? 0;
    const doubled = ended.filter((mail) => timesOf(mail) > 1);
    const lost = ended.filter((mail) => mail.state === "sent" && timesOf(mail) === 0);
    const duplicates = doubled.reduce((sum, mail) => sum + timesOf(mail) - 1, 0);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    const unknown = ended.filter(({ state }) => state === "unknown").length;
    console.info(
      `accepted ${ids.length} for ${ended.length}, delivered ${arrived.size}, duplicates ${duplicates}, lost ${lost.length} ` +
        `(unknown ${unknown}, kills ${kills}, ${seconds} s)`,
    );
    expect(kills).toBeGreaterThan(0);
    expect(ended).toHaveLength(deliveriesOf(KILLED_MAILS));
    expect(lost).toEqual([]);
    expect(ended.filter(({ state }) => !["sent", "failed", "unknown"].includes(state))).toEqual([]);
    expect(
      ended.filter(
        (mail) => mail.state === "failed" && timesOf(mail) > 0 && !mail.outcomes.match(/unknown|lost/),
      ),
    ).toEqual([]);
    // Twice only what may have been taken when its worker was killed, or whose reply was lost; a code never.
    expect(doubled.filter(({ outcomes }) => !/unknown|lost/.test(outcomes))).toEqual([]);
    expect(doubled.filter(({ purpose }) => purpose === "code")).toEqual([]);
    const known = new Set(ended.map(({ delivery }) => delivery));
    expect([...arrived.keys()].filter((delivery) => !known.has(delivery))).toEqual([]);
  },
  LONGEST_MS,
);

test(
  `four processes send ${SHARED_MAILS} mails once each`,
  async () => {
    using folder = temporaryFolder();
    const url = `file:${folder.path}/sealpost.db`;
    await using server = await startSmtpServer();
    await using services = await queueInstance(url);
    await using outbox = reader(url);
    await saveServer(services, server, 10);
    await queueMany(services, SHARED_MAILS, () => ({}));
    const startMs = performance.now();
    await using fleet = await startFleet(url, 4);
    await untilDone(outbox, LONGEST_MS - 10_000);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    expect(await fleet.end()).toEqual([0, 0, 0, 0]);
    const ended = await outbox.ended();
    expect(ended.filter(({ state, outcomes }) => state !== "sent" || outcomes !== "sent")).toEqual([]);
    expect(server.messages).toHaveLength(deliveriesOf(SHARED_MAILS));
    expect(arrivals(server).size).toBe(deliveriesOf(SHARED_MAILS));
    console.info(`${SHARED_MAILS} mails by four processes in ${seconds} s`);
  },
  LONGEST_MS,
);

test(
  "workers outlive two seconds without the database, and lose no result",
  async () => {
    using folder = temporaryFolder();
    const path = `${folder.path}/sealpost.db`;
    const url = `file:${path}`;
    await using server = await startSmtpServer({ script: { body: slow(30) } });
    await using services = await queueInstance(url);
    await using outbox = reader(url);
    await saveServer(services, server);
    await queueMany(services, 200, () => ({}));
    await using fleet = await startFleet(url, 2);
    while (server.messages.length < 40) await new Promise((resolve) => setTimeout(resolve, 5));
    const other = await locked(path, "IMMEDIATE");
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await other.release();
    await untilDone(outbox, 20_000);
    expect(await fleet.end()).toEqual([0, 0]);
    const ended = await outbox.ended();
    expect(ended.filter(({ state }) => state !== "sent")).toEqual([]);
    // The leases of this test are as long as the lock, so some may have been lost; with those of a server none is.
    const times = [...arrivals(server).values()].reduce((sum, count) => sum + count, 0);
    const lostLeases = ended.filter(({ outcomes }) => outcomes.includes("lost")).length;
    expect(times - ended.length).toBeLessThanOrEqual(lostLeases);
  },
  LONGEST_MS,
);
