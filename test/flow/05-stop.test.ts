import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { type Misbehavior, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type Api, session } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** A stop is over after this long, whatever is in flight. */
const STOP_MS = 10_000;
/** Apart enough that the process sees two signals, as npx passes Ctrl-C on. */
const ECHO_MS = 20;
/** At once, on a machine that is busy with others. */
const PROMPT_MS = 3_000;
/** What the process takes for the echo of the same key press, and a little more. */
const NO_ECHO_MS = 1_050;

/** A server that answers the end of the mail only when it is told to. */
async function startHoldingServer() {
  const arrived = Promise.withResolvers<() => void>();
  const hold: Misbehavior = (_peer, answer) => arrived.resolve(answer);
  const server = await startSmtpServer({ script: { body: hold } });
  return { server, arrived: arrived.promise };
}

function testMail(api: Api, port: number) {
  return api.test({
    server: "127.0.0.1",
    port,
    timeout: 120,
    sender: "a@example.org",
    recipient: "b@example.net",
  });
}

async function mailRows(sealpost: Sealpost, folder: string, password: string) {
  await sealpost[Symbol.asyncDispose]();
  await using next = await startSealpost({ folder });
  const rows = await (await next.logIn(password)).audit();
  return rows.filter(({ action }) => action === "POST /smtpserver/send_test_email");
}

function openConnection(url: string, text: string) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined);
  const connected = once(socket, "connect");
  socket.write(text);
  return { socket, connected, [Symbol.dispose]: () => socket.destroy() };
}

test("SIGINT twice at once lets the mail in flight finish, and the answer too", async () => {
  using folder = temporaryFolder();
  const { server, arrived } = await startHoldingServer();
  await using _ = server;
  await using sealpost = await startSealpost({ folder: folder.path });
  const sending = testMail(await sealpost.logIn(), server.port);
  const answer = await arrived;
  const startMs = performance.now();
  sealpost.process.signal("SIGINT");
  await Bun.sleep(ECHO_MS);
  sealpost.process.signal("SIGINT");
  await sealpost.process.said(/Stopping on/, "stderr");
  answer();
  expect((await sending).body.result.value).toBe(true);
  expect((await sealpost.process.ended).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(STOP_MS);
  expect(server.messages).toHaveLength(1);
  expect(await mailRows(sealpost, folder.path, sealpost.password ?? "")).toMatchObject([{ outcome: "sent" }]);
});

test("a mail whose fate is not known in time, beside a body that never ends, is recorded as unknown, and the exit is a good one", async () => {
  using folder = temporaryFolder();
  const { server, arrived } = await startHoldingServer();
  await using _ = server;
  await using sealpost = await startSealpost({ folder: folder.path });
  const sending = testMail(await sealpost.logIn(), server.port).catch(() => null);
  await arrived;
  using slow = openConnection(sealpost.url, "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n{");
  await slow.connected;
  const startMs = performance.now();
  expect((await sealpost.stop("SIGTERM")).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(STOP_MS);
  expect((await sending)?.body.detail?.delivery).toMatchObject({ outcome: "unknown", phase: "data" });
  expect(await mailRows(sealpost, folder.path, sealpost.password ?? "")).toMatchObject([
    { outcome: "unknown" },
  ]);
});

test("a second SIGINT after a second ends the process at once", async () => {
  using folder = temporaryFolder();
  const { server, arrived } = await startHoldingServer();
  await using _ = server;
  await using sealpost = await startSealpost({ folder: folder.path });
  const sending = testMail(await sealpost.logIn(), server.port).catch(() => null);
  await arrived;
  sealpost.process.signal("SIGINT");
  await sealpost.process.said(/Stopping on/, "stderr");
  await Bun.sleep(NO_ECHO_MS);
  const startMs = performance.now();
  expect((await sealpost.stop("SIGINT")).code).toBe(130);
  expect(performance.now() - startMs).toBeLessThan(PROMPT_MS);
  expect(await sending).toBeNull();
});

test("clients that hold connections open without a request do not hold up the stop", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  using silent = openConnection(sealpost.url, "");
  using unfinished = openConnection(sealpost.url, "POST /auth HTTP/1.1\r\nHost: a\r\n");
  using kept = openConnection(sealpost.url, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
  await Promise.all([silent.connected, unfinished.connected, once(kept.socket, "data")]);
  const startMs = performance.now();
  expect((await sealpost.stop()).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(PROMPT_MS);
});

test("kill -9 in the middle of saves loses nothing that was acknowledged", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  const acknowledged: string[] = [];
  const enough = Promise.withResolvers<void>();
  async function saveOn(writer: number): Promise<void> {
    for (let number = 0; ; number++) {
      const name = `${writer}-${number}`;
      const { status } = await api.save(name, { server: "mail.example.org", password: `secret ${name}` });
      if (status === 200) acknowledged.push(name);
      if (acknowledged.length >= 60) enough.resolve();
    }
  }
  const writers = Array.from({ length: 8 }, (_, writer) => saveOn(writer).catch(() => undefined));
  await enough.promise;
  expect((await sealpost.stop("SIGKILL")).code).toBeNull();
  await Promise.all(writers);

  await using next = await startSealpost({ folder: folder.path });
  const found = await session(next.url, api.token).list();
  for (const name of acknowledged) expect(found[name]).toMatchObject({ password: `secret ${name}` });
  expect(acknowledged.length).toBeGreaterThanOrEqual(60);
});
