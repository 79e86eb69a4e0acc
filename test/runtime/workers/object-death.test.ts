import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { reply, type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { OBJECT_ENTRY } from "../../../tools/workers/build.ts";
import {
  OBJECTS,
  type ServedWorker,
  type ServeWorkerOptions,
  serveWorker,
} from "../../../tools/workers/serve.ts";
import { type Api, type Envelope, logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { builtWorker } from "../../fixtures/worker-bundle.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** The object's alarm is at most two seconds away while it sends. */
const SOON_MS = 6_000;

const FAILING_ENTRY = new URL("fixtures/failing-object.ts", import.meta.url).pathname;
const bundle = await builtWorker(FAILING_ENTRY);
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const start = (folder: string, more: Partial<ServeWorkerOptions> = {}) =>
  serveWorker({ bundle, bindings, services: { ...OBJECTS, durableObjectsPersist: folder }, ...more });

interface Doors {
  readonly ended: number;
  readonly pruned: number;
  readonly alarmsSet: number;
  readonly thrown: readonly string[];
  /** `null` while an alarm runs. */
  readonly alarmAt: number | null;
}

interface Queued {
  readonly state: string;
  readonly attempts: readonly { readonly outcome: string }[];
}

/** An admin, and a definition that leads to a mail server. */
async function prepare({ url }: ServedWorker, { port }: SmtpTestServer, more: object = {}): Promise<Api> {
  const admin = await logIn(url.origin, ADMIN, PASSWORD);
  await admin.save("main", { server: `127.0.0.1:${port}`, sender: "a@example.org", ...more });
  return admin;
}

/** Queues a message. @returns its ID. */
async function queue(admin: Api, recipient: string, purpose: "code" | "notice" = "notice"): Promise<string> {
  const message = { server: "main", to: [recipient], subject: "Hello", text: "Hello", purpose };
  const { status, body } = await admin.call<{ id: string }>("POST", "/mail/", message);
  expect(status).toBe(200);
  return body.result.value?.id ?? "";
}

async function until(admin: Api, id: string, state: string): Promise<Queued> {
  for (;;) {
    const { body } = await admin.call<Queued>("GET", `/mail/${id}`);
    if (body.result.value?.state === state) return body.result.value;
  }
}

/** Holds back the replies to the ends of messages until they are replaced. */
function holdEnds(smtp: SmtpTestServer, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let held = 0;
  smtp.script("body", () => {
    if (++held === count) resolve();
  });
  return promise;
}

/** Accepts everything from now on. Resolves with the recipients of the next message. */
function nextMessage(smtp: SmtpTestServer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  smtp.script("rcpt", undefined);
  smtp.script("body", (_peer, accept) => {
    resolve();
    accept();
  });
  return promise;
}

test("workerd is killed after the ends of messages left it: without a request it sends the notice again soon, and never the code", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  const before = await start(folder.path);
  const admin = await prepare(before, smtp);
  const held = holdEnds(smtp, 2);
  const [code, notice] = [
    await queue(admin, "code@example.net", "code"),
    await queue(admin, "notice@example.net"),
  ];
  await held;
  await before[Symbol.asyncDispose]();
  const arrived = nextMessage(smtp);
  await using after = await start(folder.path);
  const startMs = performance.now();
  await arrived;
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  const next = await logIn(after.url.origin, ADMIN, PASSWORD);
  expect((await until(next, notice, "sent")).attempts).toMatchObject([
    { outcome: "lost" },
    { outcome: "sent" },
  ]);
  expect((await until(next, code, "unknown")).attempts).toMatchObject([{ outcome: "lost" }]);
  expect(smtp.messages.map(({ recipients }) => recipients)).toEqual([["notice@example.net"]]);
});

test("an object that ends in the middle of an alarm is started by the next one, and sends again", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ script: { rcpt: reply("450 4.2.0 Try again") } });
  await using worker = await start(folder.path);
  const admin = await prepare(worker, smtp);
  const id = await queue(admin, "later@example.net");
  await until(admin, id, "deferred");
  smtp.script("rcpt", undefined);
  await holdEnds(smtp, 1);
  const arrived = nextMessage(smtp);
  const startMs = performance.now();
  await fetch(new URL("/doors/end", worker.url));
  await arrived;
  expect(performance.now() - startMs).toBeLessThan(SOON_MS);
  expect((await until(admin, id, "sent")).attempts).toMatchObject([
    { outcome: "not-sent" },
    { outcome: "lost" },
    { outcome: "sent" },
  ]);
  expect(smtp.messages).toHaveLength(1);
});

test("alarms that fail eight times in a row lose nothing: the next one sends", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ script: { rcpt: reply("450 4.2.0 Try again") } });
  await using worker = await start(folder.path);
  const admin = await prepare(worker, smtp);
  const id = await queue(admin, "later@example.net");
  await until(admin, id, "deferred");
  const arrived = nextMessage(smtp);
  await fetch(new URL("/doors/fail?alarms=8", worker.url));
  await arrived;
  expect(await (await fetch(new URL("/doors/", worker.url))).json()).toMatchObject({
    ...{ failing: 0, failed: 8, thrown: [] },
  });
  expect((await until(admin, id, "sent")).attempts).toHaveLength(2);
});

test("the daily work is done once a day, however often the object starts", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using worker = await start(folder.path);
  const admin = await prepare(worker, smtp);
  const doors = async () => (await (await fetch(new URL("/doors/", worker.url))).json()) as Doors;
  for (const alarms of [1, 2]) {
    smtp.script("rcpt", reply("450 4.2.0 Try again"));
    await until(admin, await queue(admin, `${alarms}@example.net`), "deferred");
    const arrived = nextMessage(smtp);
    await fetch(new URL("/doors/end", worker.url));
    await arrived;
    while ((await doors()).ended < alarms);
    expect((await doors()).pruned).toBe(1);
  }
});

test("an object that starts again keeps the alarm of its daily work, and writes nothing for it", async () => {
  using folder = temporaryFolder();
  await using worker = await start(folder.path);
  const doors = async () => (await (await fetch(new URL("/doors/", worker.url))).json()) as Doors;
  await logIn(worker.url.origin, ADMIN, PASSWORD);
  let first = await doors();
  // Set after the response.
  while (first.alarmAt === null) first = await doors();
  for (const _ of [1, 2]) {
    await fetch(new URL("/doors/end", worker.url));
    expect((await fetch(new URL("/readyz", worker.url))).status).toBe(200);
    // Longer than a turn of the event loop.
    for (let request = 0; request < 20; request++) await fetch(new URL("/healthz", worker.url));
    expect(await doors()).toEqual(first);
  }
});

test("the daily work is due immediately if the clock was ahead when it was done last", async () => {
  using folder = temporaryFolder();
  await using worker = await start(folder.path);
  const ask = async (path: string) => (await fetch(new URL(path, worker.url))).json() as Promise<Doors>;
  await logIn(worker.url.origin, ADMIN, PASSWORD);
  await ask("/doors/ahead");
  await fetch(new URL("/doors/end", worker.url));
  await ask("/readyz");
  while ((await ask("/doors/")).pruned === 0);
  expect((await ask("/doors/")).pruned).toBe(1);
});

test("an alarm of an instance that cannot start follows a minute later", async () => {
  using folder = temporaryFolder();
  const before = await start(folder.path);
  await logIn(before.url.origin, ADMIN, PASSWORD);
  await before[Symbol.asyncDispose]();
  await using worker = await start(folder.path, { bindings: { SEALPOST_ADMIN_PASSWORD: PASSWORD } });
  const ask = async (path: string) => (await fetch(new URL(path, worker.url))).json() as Promise<Doors>;
  expect((await ask("/doors/alarm")).ended).toBe(0);
  for (;;) {
    const { ended, alarmAt } = await ask("/doors/");
    if (ended === 0) continue;
    expect((alarmAt ?? 0) - Date.now()).toBeWithin(30_000, 60_001);
    break;
  }
});

test("an object whose alarms could not be set loses nothing: the next request sets one, and the platform repeats the alarm", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer({ script: { rcpt: reply("450 4.2.0 Try again") } });
  const lines: string[] = [];
  await using worker = await start(folder.path, { onLine: (line) => lines.push(line) });
  const admin = await prepare(worker, smtp);
  const ask = async (path: string) => (await fetch(new URL(path, worker.url))).json() as Promise<Doors>;
  await ask("/doors/reject?reject");
  const id = await queue(admin, "later@example.net");
  await until(admin, id, "deferred");
  while (!lines.some((line) => line.includes("Cannot set an alarm"))) await Bun.sleep(20);
  expect((await ask("/doors/reject")).thrown).toEqual([]);
  await ask("/healthz");
  const isNear = (alarmAt: number | null) => alarmAt !== null && alarmAt < Date.now() + 3_600_000;
  while (!isNear((await ask("/doors/")).alarmAt)) await Bun.sleep(20);
  await ask("/doors/alarm?reject");
  while ((await ask("/doors/")).thrown.length === 0) await Bun.sleep(20);
  await ask("/doors/reject");
  // Repeated by the platform.
  for (let doors = await ask("/doors/"); doors.ended < 2 || doors.alarmAt === null; ) {
    await Bun.sleep(20);
    doors = await ask("/doors/");
  }
  expect((await ask("/doors/")).thrown).toEqual(["Error: No other alarm could be set"]);
});

test("requests that arrive while the object fails to start all fail with it", async () => {
  using folder = temporaryFolder();
  const lines: string[] = [];
  const config = new URL("fixtures/unstartable-config.ts", import.meta.url).pathname;
  await using worker = await start(folder.path, {
    bundle: await builtWorker(OBJECT_ENTRY, "smtp", config),
    onLine: (line) => lines.push(line),
  });
  const requests = Array.from({ length: 10 }, async () => {
    const { result } = (await (await fetch(new URL("/readyz", worker.url))).json()) as Envelope;
    return result.error?.code;
  });
  expect(await Promise.all(requests)).toEqual(Array.from(requests, () => 902));
  expect(lines.join()).toContain("Plugin unstartable did not start: planted");
  expect(lines.join()).not.toContain("blockConcurrencyWhile");
});

test("an alarm starts an instance whose plugin takes longer than the alarm waits for its work", async () => {
  using folder = temporaryFolder();
  const lines: string[] = [];
  const starting = Promise.withResolvers<void>();
  const config = new URL("fixtures/slow-start-config.ts", import.meta.url).pathname;
  await using worker = await start(folder.path, {
    bundle: await builtWorker(FAILING_ENTRY, "smtp", config),
    onLine(line) {
      lines.push(line);
      if (line.includes("slow is starting")) starting.resolve();
    },
  });
  await fetch(new URL("/doors/alarm", worker.url));
  await starting.promise;
  expect((await fetch(new URL("/readyz", worker.url))).status).toBe(200);
  expect(lines.filter((line) => line.includes("slow is starting"))).toHaveLength(1);
});

test("a client that disconnects while it sends is no error of the instance", async () => {
  using folder = temporaryFolder();
  const lines: string[] = [];
  await using worker = await start(folder.path, { onLine: (line) => lines.push(line) });
  for (const header of ["Content-Length: 500", "Transfer-Encoding: chunked"]) {
    const socket = connect(Number(worker.url.port), worker.url.hostname);
    await once(socket, "connect");
    socket.end(`POST /auth HTTP/1.1\r\nHost: ${worker.url.host}\r\n${header}\r\n\r\n5\r\nhello\r\n`);
    await once(socket.resume(), "close");
  }
  for (let request = 0; request < 20; request++) await fetch(new URL("/healthz", worker.url));
  expect(lines.filter((line) => line.includes("ERROR"))).toEqual([]);
});

test("mail that mails_per_minute holds back has one alarm, at the end of the minute", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  await using worker = await start(folder.path);
  const admin = await prepare(worker, smtp, { mails_per_minute: 1 });
  const doors = async () => (await (await fetch(new URL("/doors/", worker.url))).json()) as Doors;
  const startMs = Date.now();
  await until(admin, await queue(admin, "first@example.net"), "sent");
  await queue(admin, "second@example.net");
  for (;;) {
    const { alarmAt, ended } = await doors();
    // The request that queued it found the limit used up.
    if (alarmAt === null || alarmAt < startMs + 55_000) continue;
    expect(alarmAt).toBeLessThan(Date.now() + 60_000);
    expect(ended).toBeLessThanOrEqual(2);
    break;
  }
  expect(smtp.messages).toHaveLength(1);
});

test("of codes and notices none is lost, claimed or repeated wrongly, though workerd is killed four times", async () => {
  using folder = temporaryFolder();
  await using smtp = await startSmtpServer();
  let worker = await start(folder.path);
  const admin = await prepare(worker, smtp);
  const purposes = ["code", "notice"] as const;
  const recipients = Array.from({ length: 80 }, (_, index) => `${purposes[index % 2]}-${index}@example.net`);
  const messages = recipients.map((recipient, index) => ({
    ...{ server: "main", to: [recipient], subject: "Hello", text: "Hello", purpose: purposes[index % 2] },
  }));
  for (const kill of [1, 2, 3, 4]) {
    const accepted = Promise.withResolvers<void>();
    // In the middle of a message, whose end has arrived.
    smtp.script("body", (_peer, accept) => {
      accept();
      if (smtp.messages.length >= kill * 12) accepted.resolve();
    });
    // After the first kill, only alarms go on.
    if (kill === 1) await admin.call("POST", "/mail/batch", { messages });
    await accepted.promise;
    await worker[Symbol.asyncDispose]();
    worker = await start(folder.path);
  }
  const next = await logIn(worker.url.origin, ADMIN, PASSWORD);
  let rows = await listMail(next);
  while (rows.some(({ state }) => !["sent", "unknown"].includes(state))) rows = await listMail(next);
  await worker[Symbol.asyncDispose]();

  const arrivals = new Map<string, number>();
  for (const [one = ""] of smtp.messages.map((message) => message.recipients))
    arrivals.set(one, (arrivals.get(one) ?? 0) + 1);
  expect(rows).toHaveLength(recipients.length);
  for (const {
    purpose,
    state,
    recipients: [recipient],
  } of rows) {
    const count = arrivals.get(recipient?.address ?? "") ?? 0;
    if (state === "sent") expect(count).toBeGreaterThanOrEqual(1);
    if (purpose === "code") expect(count).toBeLessThanOrEqual(1);
    else expect(state).toBe("sent");
  }
});

interface Listed {
  readonly state: string;
  readonly purpose: string;
  readonly recipients: readonly { readonly address: string }[];
}

async function listMail(admin: Api): Promise<readonly Listed[]> {
  const { body } = await admin.call<{ mails: readonly Listed[] }>("GET", "/mail/?page_size=100");
  return body.result.value?.mails ?? [];
}
