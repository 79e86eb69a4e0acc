import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { request } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";
import type { Misbehaviour } from "../fixtures/smtp/misbehaviour.ts";
import { startSmtpServer } from "../fixtures/smtp/server.ts";

setDefaultTimeout(TEST_MS);

const SENDER = "a@example.org";

const HALVES: readonly string[] = [
  "",
  "P",
  "POST /auth HTTP/1.1\r\nHost: a",
  "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
  "POST /auth HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n{",
];
const NONSENSE: readonly string[] = [
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET / HTTP/9.9\r\n\r\n",
  "POST /auth HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
  "POST /auth HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  `GET /${"x".repeat(200_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(200_000)}\r\n\r\n`,
];

test("hundreds of unfinished and senseless requests keep nobody else from being served", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const { hostname, port } = new URL(sealpost.url);
  const texts = Array.from({ length: 40 }, () => [...HALVES, ...NONSENSE]).flat();
  const sockets = texts.map((text) => {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => undefined).resume();
    socket.write(text, "latin1");
    return socket;
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  const api = await sealpost.logIn();
  expect((await api.save("office", { server: "mail.example.org" })).status).toBe(200);
  expect(Object.keys(await api.list())).toEqual(["office"]);
  for (const socket of sockets) socket.destroy();
  expect((await request(`${sealpost.url}/readyz`)).status).toBe(200);
  expect((await sealpost.stop()).code).toBe(0);
});

test("a client that hangs up does not stop his test mail, nor its audit row", async () => {
  using folder = temporaryFolder();
  const arrived = Promise.withResolvers<() => void>();
  const hold: Misbehaviour = (_peer, answer) => arrived.resolve(answer);
  await using smtp = await startSmtpServer({ script: { body: hold } });
  await using sealpost = await startSealpost({ folder: folder.path });
  const api = await sealpost.logIn();
  const client = new AbortController();
  const mail = {
    server: "127.0.0.1",
    port: smtp.port,
    timeout: 30,
    sender: SENDER,
    recipient: "b@example.net",
  };
  const sending = api.test(mail, client.signal).catch(() => "gone");
  const answer = await arrived.promise;
  client.abort();
  expect(await sending).toBe("gone");
  answer();
  // The stop waits for what is in flight.
  await sealpost.stop();
  expect(smtp.mails).toHaveLength(1);
  await using next = await startSealpost({ folder: folder.path });
  const rows = await (await next.logIn(sealpost.password ?? "")).audit();
  expect(rows).toContainEqual(
    expect.objectContaining({ recipient: "b@example.net", outcome: "sent", success: true }),
  );
});
