import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { createAbortableConnect } from "../../src/async/abort.ts";
import { type Connect, ConnectError } from "../../src/contracts/transport.ts";

const TARGET = { host: "127.0.0.1", port: 0, tls: false };
const never = new AbortController().signal;

async function listening() {
  const server = createServer((socket) => socket.on("error", () => undefined)).listen(0, TARGET.host);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const connect: Connect = async () => {
    const socket = dial(port, TARGET.host);
    await once(socket, "connect");
    return socket;
  };
  return { connect, [Symbol.dispose]: () => server.close() };
}

/** Waits until its signal is aborted. */
const hanging: Connect = (_target, { signal }) =>
  new Promise<Socket>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

test("abort() destroys the open sockets", async () => {
  using server = await listening();
  const { connect, abort } = createAbortableConnect(server.connect);
  const sockets = await Promise.all([connect(TARGET, { signal: never }), connect(TARGET, { signal: never })]);
  const closed = sockets.map((socket) => once(socket, "close"));
  abort();
  await Promise.all(closed);
  expect(sockets.map((socket) => socket.destroyed)).toEqual([true, true]);
});

test("abort() ends connections being opened and rejects later ones, as cancelled", async () => {
  const { connect, abort } = createAbortableConnect(hanging);
  const opening = connect(TARGET, { signal: never });
  abort();
  const later = connect(TARGET, { signal: never });
  for (const attempt of [opening, later]) {
    const error = await attempt.catch((reason) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ phase: "connect", code: "cancelled", retryable: true });
  }
});

test("createAbortableConnect() passes on the caller's abort and the errors of connect", async () => {
  const caller = new AbortController();
  const attempt = createAbortableConnect(hanging).connect(TARGET, { signal: caller.signal });
  caller.abort(new Error("Enough"));
  await expect(attempt).rejects.toThrow("Enough");
  const broken = createAbortableConnect(() => Promise.reject(new ConnectError("connect", "refused", true)));
  await expect(broken.connect(TARGET, { signal: never })).rejects.toMatchObject({ code: "refused" });
});
