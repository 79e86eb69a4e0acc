import { describe, expect, test } from "bun:test";
import { createObjectTransport } from "../../../src/runtime/workers/object-transport.ts";
import { startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { createConnectByName } from "../../../src/transport/connect-by-name.ts";
import { createFetchClient } from "../../../src/transport/fetch-client.ts";
import { createHttpConnect } from "../../../src/transport/http-target.ts";
import { sendTo, serverAt } from "../../transport/support.ts";

const POLICY = { egress: "private", ports: [] } as const;
const MINUTE_MS = 60_000;
/** As for a request or an alarm of the object. */
const WORK_MS = 14 * MINUTE_MS;
const now = () => new Date();
const connect = createHttpConnect({ connect: createConnectByName(POLICY), ...POLICY });
const apis = { http: createFetchClient(POLICY), connect, now };
const OPTIONS = { connect: createConnectByName(POLICY), ehloName: "client.test", now };
const makeTransport = () => createObjectTransport(OPTIONS, apis);

describe("createObjectTransport()", () => {
  test("keeps a connection for the next invocation, and closes it when it is disposed of", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    for (let count = 0; count < 2; count++) {
      const { result, end } = transport.run(() => sendTo(transport, serverAt(server.port)), WORK_MS);
      expect((await result).successful).toBe(true);
      await end;
    }
    expect(server.connections).toHaveLength(1);
    await transport[Symbol.asyncDispose]();
    await server.closed();
  });

  test("opens at most five connections for the deliveries of all invocations and definitions", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    const sendings = Array.from({ length: 20 }, (_, index) => {
      const send = () => sendTo(transport, serverAt(server.port), { poolKey: `key ${index % 7}` });
      return transport.run(send, WORK_MS).result;
    });
    expect((await Promise.all(sendings)).every(({ successful }) => successful)).toBe(true);
    expect([server.messages.length, server.openSockets]).toEqual([20, 5]);
  });

  test("closes a connection after a minute without a message", async () => {
    const timers: { readonly ms: number; readonly call: () => void }[] = [];
    const clock = {
      nowMs: () => 0,
      after(ms: number, call: () => void) {
        timers.push({ ms, call });
        return () => undefined;
      },
    };
    await using server = await startSmtpServer();
    await using transport = createObjectTransport({ ...OPTIONS, clock }, apis);
    await transport.run(() => sendTo(transport, serverAt(server.port)), WORK_MS).result;
    expect(timers.map(({ ms }) => ms)).toEqual([MINUTE_MS]);
    timers[0]?.call();
    await server.closed();
    expect(server.connections[0]?.commands.at(-1)).toBe("QUIT");
  });

  test("gives a delivery four times the timeout of its definition, up to ten minutes", async () => {
    await using server = await startSmtpServer();
    await using transport = makeTransport();
    const send = (timeoutMs: number, workMs: number) =>
      transport.run(() => sendTo(transport, serverAt(server.port, { timeoutMs })), workMs).result;
    expect((await send(30_000, 2.1 * MINUTE_MS)).successful).toBe(true);
    expect((await send(30_000, 1.9 * MINUTE_MS)).successful).toBe(false);
    expect((await send(300_000, 10.1 * MINUTE_MS)).successful).toBe(true);
    expect((await send(300_000, 9.9 * MINUTE_MS)).successful).toBe(false);
  });

  test("a drain has the same bound, and two definitions leave attempts to others", async () => {
    await using transport = makeTransport();
    const work = () =>
      transport.drainNow(async ({ messageTimeoutMs, maxConcurrent, maxPerServer }) => {
        expect([messageTimeoutMs, maxConcurrent, maxPerServer]).toEqual([10 * MINUTE_MS, 10, 4]);
      });
    await transport.run(work, WORK_MS).result;
  });
});
