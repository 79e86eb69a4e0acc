import { expect, setDefaultTimeout, test } from "bun:test";
import { type Misbehavior, stall, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { Child, TEST_MS } from "../fixtures/process/child.ts";
import { type Folder, temporaryFolder } from "../fixtures/process/folder.ts";
import { runCli } from "../fixtures/process/sealpost.ts";
import { counting, openDesk } from "./queue-support.ts";

setDefaultTimeout(TEST_MS);

/** A stop ends after this time, even with deliveries in flight. */
const STOP_MS = 10_000;
/** Counts as immediate on a busy machine. */
const PROMPT_MS = 3_000;
/** Long enough for the process to see two signals, as when npx passes on Ctrl-C. */
const ECHO_MS = 20;

/** A worker that has started. Disposing of it always ends the process. */
async function startWorker({ path }: Folder) {
  const process = new Child("src/cli/index.ts", ["worker"], { folder: path });
  await process.printed(/Sending queued mail/, "stderr");
  return {
    process,
    async stop(signal: NodeJS.Signals = "SIGTERM") {
      const startMs = performance.now();
      process.signal(signal);
      const { code, stderr } = await process.ended;
      return { code, stderr, ms: performance.now() - startMs };
    },
    async [Symbol.asyncDispose]() {
      process.signal("SIGKILL");
      await process.ended;
    },
  };
}

test("worker sends queued messages and those that others queue meanwhile, and logs one line at start and end", async () => {
  using folder = temporaryFolder();
  const { body, all } = counting(2);
  await using smtp = await startSmtpServer({ script: { body } });
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  const ids = [await desk.queue("first@example.net")];
  await using worker = await startWorker(folder);
  ids.push(await desk.queue("second@example.net"));
  await all;
  worker.process.signal("SIGINT");
  await Bun.sleep(ECHO_MS);
  const { code, stderr, ms } = await worker.stop("SIGINT");
  expect(code).toBe(0);
  expect(ms).toBeLessThan(PROMPT_MS);
  expect(stderr.trimEnd().split("\n")).toEqual([
    expect.stringContaining(`Sending queued mail as process ${worker.process.pid}`),
    expect.stringContaining("Stopping on"),
  ]);
  expect(worker.process.stdout).toBe("");
  expect(smtp.messages.flatMap(({ recipients }) => recipients).toSorted()).toEqual([
    "first@example.net",
    "second@example.net",
  ]);
  expect(await Promise.all(ids.map(desk.stateOf))).toEqual(["sent", "sent"]);
});

test("SIGTERM lets deliveries in flight finish and releases the rest, which another worker sends", async () => {
  using folder = temporaryFolder();
  const arrived = Promise.withResolvers<() => void>();
  const hold: Misbehavior = (_peer, reply) => arrived.resolve(reply);
  await using smtp = await startSmtpServer({ script: { body: hold } });
  await using desk = await openDesk(folder);
  // There is one connection, so the other messages that the worker has claimed wait for it.
  await desk.save("office", smtp.port, { max_connections: 1 });
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) ids.push(await desk.queue(`${i}@example.net`));
  await using worker = await startWorker(folder);
  const reply = await arrived.promise;
  const claimed = (await Promise.all(ids.map(desk.stateOf))).filter((state) => state === "sending");
  expect(claimed.length).toBeGreaterThan(1);
  const stopped = worker.stop();
  await worker.process.printed(/Stopping on/, "stderr");
  reply();
  expect(await stopped).toMatchObject({ code: 0 });
  expect((await stopped).ms).toBeLessThan(STOP_MS);
  expect(smtp.messages).toHaveLength(1);
  expect((await Promise.all(ids.map(desk.stateOf))).toSorted()).toEqual([
    ...Array.from({ length: 5 }, () => "queued"),
    "sent",
  ]);

  const { body, all } = counting(5);
  smtp.script("body", body);
  await using next = await startWorker(folder);
  await all;
  expect((await next.stop()).code).toBe(0);
  const recipients = smtp.messages.flatMap((mail) => mail.recipients).toSorted();
  expect(recipients).toEqual(ids.map((_, i) => `${i}@example.net`));
});

test("a delivery without an outcome in time is recorded as unknown, and the process exits with 0", async () => {
  using folder = temporaryFolder();
  const arrived = Promise.withResolvers<void>();
  const never: Misbehavior = (peer, reply) => {
    stall()(peer, reply);
    arrived.resolve();
  };
  await using smtp = await startSmtpServer({ script: { body: never } });
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port, { timeout: 120 });
  const code = await desk.queue("a@example.net", { purpose: "code" });
  await using worker = await startWorker(folder);
  await arrived.promise;
  const stopped = await worker.stop();
  expect(stopped.code).toBe(0);
  expect(stopped.ms).toBeLessThan(STOP_MS);
  const found = await desk.services.mailQueue.get(code);
  expect(found?.mail.state).toBe("unknown");
  expect(found?.attempts).toMatchObject([{ outcome: "unknown", decision: "ended", phase: "data" }]);
});

test("several workers on one database send every message once", async () => {
  using folder = temporaryFolder();
  const MAILS = 60;
  const { body, all } = counting(MAILS);
  await using smtp = await startSmtpServer({ script: { body } });
  await using desk = await openDesk(folder);
  await desk.save("office", smtp.port);
  const workers = await Promise.all([startWorker(folder), startWorker(folder), startWorker(folder)]);
  await using stack = new AsyncDisposableStack();
  for (const worker of workers) stack.use(worker);
  const recipients = Array.from({ length: MAILS }, (_, i) => `${i}@example.net`);
  const ids = await Promise.all(recipients.map((recipient) => desk.queue(recipient)));
  await all;
  const ended = await Promise.all(workers.map((worker) => worker.stop()));
  expect(ended.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(smtp.messages.flatMap((mail) => mail.recipients).toSorted()).toEqual(recipients.toSorted());
  expect(new Set(await Promise.all(ids.map(desk.stateOf)))).toEqual(new Set(["sent"]));
});

test.each([
  ["SEALPOST_TRANSPORT", "worker-mailer", /^sealpost: SEALPOST_TRANSPORT: .*expected smtp\n$/],
  [
    "SEALPOST_EGRES",
    "public",
    /^sealpost: Unknown environment variable SEALPOST_EGRES, did you mean SEALPOST_EGRESS\?\n$/,
  ],
  [
    "SEALPOST_DATABASE_URL",
    "file:/dev/null/x.db",
    /^sealpost: The folder \/dev\/null cannot be created.*\n$/,
  ],
])("worker ends with one line when %s is %s", async (name, value, line) => {
  using folder = temporaryFolder();
  const ended = await runCli(["worker"], { folder: folder.path, env: { [name]: value } });
  expect(ended).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(line) });
});
