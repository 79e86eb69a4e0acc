import { expect, test } from "bun:test";
import { once } from "node:events";
import { createServer, connect as dial, type Socket } from "node:net";
import { createCutOff } from "../../src/async/abortable.ts";
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

test("cut() destroys the sockets that are open", async () => {
  using server = await listening();
  const { connect, cut } = createCutOff(server.connect);
  const sockets = await Promise.all([connect(TARGET, { signal: never }), connect(TARGET, { signal: never })]);
  const closed = sockets.map((socket) => once(socket, "close"));
  cut();
  await Promise.all(closed);
  expect(sockets.map((socket) => socket.destroyed)).toEqual([true, true]);
});

test("cut() ends the connections being made, and refuses later ones, as cancelled", async () => {
  const { connect, cut } = createCutOff(hanging);
  const making = connect(TARGET, { signal: never });
  cut();
  const later = connect(TARGET, { signal: never });
  for (const attempt of [making, later]) {
    const error = await attempt.catch((reason) => reason);
    expect(error).toBeInstanceOf(ConnectError);
    expect(error).toMatchObject({ phase: "connect", code: "cancelled", retryable: true });
  }
});

test("createCutOff() hands on the caller's own cancelling and the errors of connect", async () => {
  const caller = new AbortController();
  const attempt = createCutOff(hanging).connect(TARGET, { signal: caller.signal });
  caller.abort(new Error("Enough"));
  await expect(attempt).rejects.toThrow("Enough");
  const broken = createCutOff(() => Promise.reject(new ConnectError("connect", "refused", true)));
  await expect(broken.connect(TARGET, { signal: never })).rejects.toMatchObject({ code: "refused" });
});
