import { expect, test } from "bun:test";
import { LEASE_TIMES } from "../../src/mail/worker/leases.ts";
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

/** `LONG_TESTS=1` selects the long form. */
const IS_LONG = process.env.LONG_TESTS === "1";
const KILLED_MESSAGES = IS_LONG ? 5_000 : 500;
const MOST_KILLS = IS_LONG ? 100 : 8;
const SHARED_MESSAGES = IS_LONG ? 8_000 : 2_000;
const LONGEST_MS = IS_LONG ? 300_000 : 60_000;

/** A bad day of a mail server: the share of each step that fails, and how. */
const BAD_DAY: readonly (readonly [step: ServerStep, share: number, what: Misbehavior])[] = [
  ["greeting", 0.02, close()],
  ["mail", 0.02, reply("451 4.3.0 Not now")],
  ["rcpt", 0.02, reply("452 4.2.2 Full")],
  ["rcpt", 0.01, reply("550 5.1.1 No such user")],
  ["data", 0.01, close()],
  ["body", 0.02, reply("451 4.7.1 Greylisted")],
  ["body", 0.02, close()],
  // The server accepts the message, and the reply is lost.
  ["body", 0.03, then(hangUp())],
];

/** A server on such a day that takes up to this long for each message. */
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
    if (performance.now() > endsMs) throw new Error(`${left} messages have not reached a final state`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test(
  `repeated kill -9 of one of three workers loses none of ${KILLED_MESSAGES} messages`,
  async () => {
    using folder = temporaryFolder();
    const url = `file:${folder.path}/sealpost.db`;
    await using server = await startSmtpServer({ script: badDay(IS_LONG ? 60 : 120) });
    await using services = await queueInstance(url);
    await using outbox = reader(url);
    await saveServer(services, server);
    const ids = await queueMany(services, KILLED_MESSAGES, (number) => ({
      purpose: number % 3 ? "notice" : "code",
    }));

    const startMs = performance.now();
    let kills = 0;
    await using fleet = await startFleet(url, 3);
    while (kills < MOST_KILLS && (await outbox.pending()) > KILLED_MESSAGES / 5) {
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
    expect(ended).toHaveLength(deliveriesOf(KILLED_MESSAGES));
    expect(lost).toEqual([]);
    expect(ended.filter(({ state }) => !["sent", "failed", "unknown"].includes(state))).toEqual([]);
    expect(
      ended.filter(
        (mail) => mail.state === "failed" && timesOf(mail) > 0 && !mail.outcomes.match(/unknown|lost/),
      ),
    ).toEqual([]);
    // Only a notice may arrive twice: if its worker was killed after the end of the message, or if the reply was lost.
    expect(doubled.filter(({ outcomes }) => !/unknown|lost/.test(outcomes))).toEqual([]);
    expect(doubled.filter(({ purpose }) => purpose === "code")).toEqual([]);
    const known = new Set(ended.map(({ delivery }) => delivery));
    expect([...arrived.keys()].filter((delivery) => !known.has(delivery))).toEqual([]);
  },
  LONGEST_MS,
);

test(
  `four processes send ${SHARED_MESSAGES} messages once each`,
  async () => {
    using folder = temporaryFolder();
    const url = `file:${folder.path}/sealpost.db`;
    await using server = await startSmtpServer();
    await using services = await queueInstance(url);
    await using outbox = reader(url);
    await saveServer(services, server, 10);
    await queueMany(services, SHARED_MESSAGES, () => ({}));
    const startMs = performance.now();
    // None is killed. Short leases would expire on a busy machine.
    await using fleet = await startFleet(url, 4, LEASE_TIMES.local);
    await untilDone(outbox, LONGEST_MS - 10_000);
    const seconds = ((performance.now() - startMs) / 1_000).toFixed(1);
    expect(await fleet.end()).toEqual([0, 0, 0, 0]);
    const ended = await outbox.ended();
    expect(ended.filter(({ state, outcomes }) => state !== "sent" || outcomes !== "sent")).toEqual([]);
    expect(server.messages).toHaveLength(deliveriesOf(SHARED_MESSAGES));
    expect(arrivals(server).size).toBe(deliveriesOf(SHARED_MESSAGES));
    console.info(`${SHARED_MESSAGES} messages by four processes in ${seconds} s`);
  },
  LONGEST_MS,
);

test(
  "workers survive two seconds without the database and lose no outcome",
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
    // The leases of this test are as short as the lock, so some may expire; a server's do not.
    const times = [...arrivals(server).values()].reduce((sum, count) => sum + count, 0);
    const lostLeases = ended.filter(({ outcomes }) => outcomes.includes("lost")).length;
    expect(times - ended.length).toBeLessThanOrEqual(lostLeases);
  },
  LONGEST_MS,
);
