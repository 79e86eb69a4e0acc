import { expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { connect } from "node:net";
import { SealpostError } from "../../../src/errors.ts";
import { listen } from "../../../src/runtime/bun/http-server.ts";

setDefaultTimeout(30_000);

const HOST = "127.0.0.1";
const ok = () => new Response("ok");

function open(url: URL, text: string) {
  const socket = connect(Number(url.port), HOST);
  socket.on("error", () => undefined).resume();
  socket.write(text);
  return { socket, closed: once(socket, "close"), [Symbol.dispose]: () => socket.destroy() };
}

test("listen() closes silent connections, but not while it creates their response", async () => {
  const release = Promise.withResolvers<void>();
  const respond = async (request: Request) => {
    if (!request.url.endsWith("/slow")) await request.text().catch(() => "");
    else await request.text().then(() => release.promise);
    return new Response("ok");
  };
  const server = listen({ host: HOST, port: 0, idleSeconds: 1, respond });
  const slow = ["GET", "POST"].map((method) =>
    fetch(new URL("/slow", server.url), { method, ...(method === "POST" && { body: "body" }) }),
  );
  using half = open(server.url, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{");
  using kept = open(server.url, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await Promise.all([half.closed, kept.closed]);
  release.resolve();
  expect(await Promise.all(slow.map(async (response) => (await response).text()))).toEqual(["ok", "ok"]);
  await server.close();
});

test("listen() passes on the body, the headers and the address of the peer", async () => {
  const server = listen({
    host: HOST,
    port: 0,
    respond: async (request, { peerAddress }) =>
      Response.json([request.method, request.headers.get("x-a"), await request.text(), peerAddress]),
  });
  const response = await fetch(server.url, { method: "POST", headers: { "X-A": "b" }, body: "body" });
  expect(await response.json()).toEqual(["POST", "b", "body", HOST]);
  await server.close();
});

test("shutdown() resolves when every request has its response, in spite of idle connections", async () => {
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  const respond = async (request: Request) => {
    if (!request.url.endsWith("/slow")) return ok();
    arrived.resolve();
    await release.promise;
    return ok();
  };
  const server = listen({ host: HOST, port: 0, respond });
  using kept = open(server.url, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(kept.socket, "data");
  const slow = fetch(new URL("/slow", server.url));
  await arrived.promise;
  let isFinished = false;
  const finishing = server.shutdown().then(() => {
    isFinished = true;
  });
  await expect(fetch(server.url)).rejects.toThrow();
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(isFinished).toBe(false);
  release.resolve();
  await finishing;
  await server.close();
  expect((await slow).status).toBe(200);
});

test("listen() names HOST and PORT when it cannot listen", async () => {
  using holder = Bun.listen({ hostname: HOST, port: 0, socket: { data: () => undefined } });
  const start = () => listen({ host: HOST, port: holder.port, respond: ok });
  expect(start).toThrow(SealpostError);
  expect(start).toThrow(`HOST, PORT: cannot listen on ${HOST}:${holder.port}: is another process using it?`);
  const elsewhere = () => listen({ host: "192.0.2.1", port: 0, respond: ok });
  expect(elsewhere).toThrow("cannot listen on 192.0.2.1:0: HOST is no address of this machine");
});
