import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type Misbehavior, stall, startSmtpServer } from "../../src/testing/smtp/index.ts";
import type { Api } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import { arrivals, reader, saveServer } from "./fixtures/queue-fleet.ts";
import { queueInstance } from "./fixtures/queue-instance.ts";

setDefaultTimeout(TEST_MS);

/** Upper bound of a stop, whatever is in flight. */
const STOP_MS = 10_000;
const MAILS = 8;
/** Connections of a definition, by default. */
const CONNECTIONS = 5;

/** Queues messages through a saved definition, whose connections are bounded. Without pipelining each has one message. */
async function queue(api: Api, port: number, count = MAILS, identifier = "main"): Promise<void> {
  await api.save(identifier, {
    server: "127.0.0.1",
    port,
    timeout: 60,
    sender: "me@example.org",
    pipelining: "off",
  });
  for (let number = 0; number < count; number++) {
    const parameters = { recipient: `user${number}@example.net`, enqueue_job: true };
    const { status } = await api.call("POST", `/smtpserver/${identifier}/send_test_email`, parameters);
    expect(status).toBe(200);
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endsMs = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > endsMs) throw new Error("The condition was not met in time");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const urlOf = (folder: string) => `file:${join(folder, "data", "sealpost.db")}`;

test("SIGTERM lets the messages in flight finish, and the rest is sent once after a restart", async () => {
  using folder = temporaryFolder();
  const held: (() => void)[] = [];
  const hold: Misbehavior = (_, answer) => void held.push(answer);
  await using server = await startSmtpServer({ script: { body: hold } });
  await using sealpost = await startSealpost({ folder: folder.path });
  await queue(await sealpost.logIn(), server.port);
  await until(() => held.length === CONNECTIONS);
  const startMs = performance.now();
  const stopped = sealpost.stop("SIGTERM");
  await sealpost.process.printed(/Stopping on/, "stderr");
  server.script("body", undefined);
  for (const answer of held) answer();
  expect((await stopped).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(STOP_MS);
  expect(server.messages).toHaveLength(CONNECTIONS);

  await using outbox = reader(urlOf(folder.path));
  const states = (await outbox.ended()).map(({ state }) => state).sort();
  expect(states).toEqual([...Array(MAILS - CONNECTIONS).fill("queued"), ...Array(CONNECTIONS).fill("sent")]);
  await using _ = await startSealpost({ folder: folder.path });
  await until(async () => (await outbox.pending()) === 0);
  expect([...arrivals(server).values()]).toEqual(Array(MAILS).fill(1));
  expect((await outbox.ended()).map(({ outcomes }) => outcomes)).toEqual(Array(MAILS).fill("sent"));
});

test("SIGTERM stops stalled messages in time: without an attempt before the body, unknown after it", async () => {
  using folder = temporaryFolder();
  await using silent = await startSmtpServer({ script: { greeting: stall() } });
  await using deaf = await startSmtpServer({ script: { body: stall() } });
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  await queue(api, silent.port, 2);
  await queue(api, deaf.port, 2, "deaf");
  await until(
    () =>
      silent.connections.length === 2 &&
      deaf.connections.filter(({ commands }) => commands.includes("DATA")).length === 2,
  );
  await using outbox = reader(urlOf(folder.path));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const startMs = performance.now();
  expect((await sealpost.stop("SIGTERM")).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(STOP_MS);
  expect((await outbox.ended()).map(({ state, outcomes }) => `${state} ${outcomes}`).sort()).toEqual([
    "deferred unknown",
    "deferred unknown",
    "queued not-sent",
    "queued not-sent",
  ]);
});

test.concurrent("a message accepted right before a power cut is sent once afterwards", async () => {
  using folder = temporaryFolder();
  const url = `file:${folder.path}/sealpost.db`;
  await using server = await startSmtpServer();
  await using services = await queueInstance(url);
  await saveServer(services, server);
  const program = join(import.meta.dir, "fixtures", "queue-power-cut.ts");
  const child = Bun.spawn([process.execPath, program, url], { stdin: "ignore", stdout: "ignore" });
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
  await using outbox = reader(url);
  expect(await outbox.pending()).toBe(1);
  const stop = new AbortController();
  const working = services.work(stop.signal);
  await until(async () => (await outbox.pending()) === 0);
  stop.abort();
  await working;
  expect(server.messages).toHaveLength(1);
  expect(await outbox.ended()).toMatchObject([{ state: "sent", outcomes: "sent" }]);
});

test.concurrent("the leased messages of a killed server are sent within 20 s of the kill", async () => {
  using folder = temporaryFolder();
  await using server = await startSmtpServer({ script: { body: stall() } });
  await using sealpost = await startSealpost({ folder: folder.path });
  await queue(await sealpost.logIn(), server.port, 4);
  const inHand = () => server.connections.filter(({ commands }) => commands.includes("DATA")).length;
  await until(() => inHand() === 4);
  const killedMs = performance.now();
  await sealpost.stop("SIGKILL");
  server.script("body", undefined);
  const startMs = performance.now();
  await using _ = await startSealpost({ folder: folder.path });
  const tookToStartMs = performance.now() - startMs;
  await server.untilAccepted(4);
  expect(performance.now() - killedMs).toBeLessThan(20_000 + tookToStartMs);
  expect([...arrivals(server).values()]).toEqual([1, 1, 1, 1]);
});
