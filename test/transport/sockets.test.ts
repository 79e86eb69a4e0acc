import { expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { untilReady } from "../../src/transport/sockets.ts";
import { never } from "./support.ts";

test("an error in the turn in which the socket is ready reaches the caller, and is not uncaught", async () => {
  const server = createServer((peer) => void peer.on("error", () => undefined)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const reason = new Error("An alert");
  const ready = untilReady(socket, "connect", never, (error) => error);
  // As on Deno, where one read can hold the end of a handshake and an alert.
  socket.once("connect", () => socket.emit("error", reason));
  const [received] = await once(await ready, "done").catch((error: unknown) => [error]);
  expect(received).toBe(reason);
  socket.destroy();
  server.close();
});
