import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { type Misbehavior, startSmtpServer } from "../../src/testing/smtp/index.ts";
import { type Api, session } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { type Sealpost, startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

/** Upper bound of a stop, whatever is in flight. */
const STOP_MS = 10_000;
/** Apart enough that the process sees two signals, as npx passes Ctrl-C on. */
const ECHO_MS = 20;
/** Upper bound of an immediate exit on a busy machine. */
const PROMPT_MS = 3_000;
/** A little more than the window in which the process takes a second signal for the same key press. */
const NO_ECHO_MS = 1_050;

/** A server that replies to the end of the message only when the test releases it. */
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

test("a double SIGINT lets the message in flight and its response finish", async () => {
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
  await sealpost.process.printed(/Stopping on/, "stderr");
  answer();
  expect((await sending).body.result.value).toBe(true);
  expect((await sealpost.process.ended).code).toBe(0);
  expect(performance.now() - startMs).toBeLessThan(STOP_MS);
  expect(server.messages).toHaveLength(1);
  expect(await mailRows(sealpost, folder.path, sealpost.password ?? "")).toMatchObject([{ outcome: "sent" }]);
});

test("a message without a reply in time is recorded as unknown, and an endless request body does not delay the exit", async () => {
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

test("a second SIGINT after a second ends the process immediately", async () => {
  using folder = temporaryFolder();
  const { server, arrived } = await startHoldingServer();
  await using _ = server;
  await using sealpost = await startSealpost({ folder: folder.path });
  const sending = testMail(await sealpost.logIn(), server.port).catch(() => null);
  await arrived;
  sealpost.process.signal("SIGINT");
  await sealpost.process.printed(/Stopping on/, "stderr");
  await Bun.sleep(NO_ECHO_MS);
  const startMs = performance.now();
  expect((await sealpost.stop("SIGINT")).code).toBe(130);
  expect(performance.now() - startMs).toBeLessThan(PROMPT_MS);
  expect(await sending).toBeNull();
});

test("clients with open connections and no request do not delay the stop", async () => {
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
