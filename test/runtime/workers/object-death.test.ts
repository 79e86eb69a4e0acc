import { expect, setDefaultTimeout, test } from "bun:test";
import { reply, type SmtpTestServer, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { bundleWorker } from "../../../tools/workers/build.ts";
import { OBJECTS, type ServedWorker, serveWorker } from "../../../tools/workers/serve.ts";
import { type Api, logIn } from "../../fixtures/process/api.ts";
import { temporaryFolder } from "../../fixtures/process/folder.ts";
import { ADMIN, KEYS, PASSWORD, TEST_MS } from "./fixtures/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** The object's alarm is at most two seconds away while it sends. */
const SOON_MS = 6_000;

const bundle = await bundleWorker(new URL("fixtures/failing-object.ts", import.meta.url).pathname);
const bindings = { SEALPOST_KEYS: KEYS, SEALPOST_ADMIN_PASSWORD: PASSWORD };
const start = (folder: string) =>
  serveWorker({ bundle, bindings, services: { ...OBJECTS, durableObjectsPersist: folder } });

interface Doors {
  readonly ended: number;
  readonly pruned: number;
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
