import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { request } from "../fixtures/process/api.ts";
import { TEST_MS } from "../fixtures/process/child.ts";
import { temporaryFolder } from "../fixtures/process/folder.ts";
import { startSealpost } from "../fixtures/process/sealpost.ts";

setDefaultTimeout(TEST_MS);

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

const MALFORMED_HOSTS = ["a b", "x:99999", "[::1", "a@b", "x/y", "x?y", "\xff", "xn--a", "%00", "a, b"];

test("a malformed Host is a 400 without a log line", async () => {
  using folder = temporaryFolder();
  await using sealpost = await startSealpost({ folder: folder.path });
  const { hostname, port } = new URL(sealpost.url);
  const statusOf = async (head: string) => {
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${head}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`, "latin1");
    });
    socket.setEncoding("latin1");
    const [reply] = await once(socket, "data");
    socket.destroy();
    return Number(reply.slice(9, 12));
  };
  for (const host of MALFORMED_HOSTS) {
    expect([host, await statusOf(`GET /healthz HTTP/1.1\r\nHost: ${host}`)]).toEqual([host, 400]);
    expect([host, await statusOf(`POST /auth HTTP/1.1\r\nHost: ${host}`)]).toEqual([host, 400]);
  }
  for (const host of ["a:8080", "[::1]:8080", "a_b.example"])
    expect([host, await statusOf(`GET /healthz HTTP/1.1\r\nHost: ${host}`)]).toEqual([host, 200]);
  const { stdout, stderr } = await sealpost.stop();
  expect(stdout + stderr).not.toContain('"ERROR"');
});

test("hundreds of unfinished and malformed requests do not keep others from being served", async () => {
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
