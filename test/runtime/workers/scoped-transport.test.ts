import { describe, expect, test } from "bun:test";
import type { Receipt } from "../../../src/domain/delivery.ts";
import { createScopedTransport, REQUEST_MS } from "../../../src/runtime/workers/transport.ts";
import { stall, startSmtpServer } from "../../../src/testing/smtp/index.ts";
import { createConnectByName } from "../../../src/transport/connect-by-name.ts";
import { createFetchClient } from "../../../src/transport/fetch-client.ts";
import { createHttpConnect } from "../../../src/transport/http-target.ts";
import { sendTo, serverAt } from "../../transport/support.ts";

const POLICY = { egress: "private", ports: [] } as const;
const now = () => new Date();
const connect = createHttpConnect({ connect: createConnectByName(POLICY), ...POLICY });
const apis = { http: createFetchClient(POLICY), connect, now };
const makeTransport = () =>
  createScopedTransport({ connect: createConnectByName(POLICY), ehloName: "client.test", now }, apis);

describe("createScopedTransport()", () => {
  test("shares connections within an invocation and closes them at its end", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    const two = async () => [
      await sendTo(transport, serverAt(server.port)),
      await sendTo(transport, serverAt(server.port)),
    ];
    const { result, end } = transport.run(two, REQUEST_MS);
    expect((await result).map(({ successful }) => successful)).toEqual([true, true]);
    await end;
    expect(server.connections).toHaveLength(1);
    await server.closed();
    const next = transport.run(() => sendTo(transport, serverAt(server.port)), REQUEST_MS);
    expect((await next.result).successful).toBe(true);
    await next.end;
    expect(server.connections).toHaveLength(2);
  });

  test("keeps an invocation and its connections until deferred work is done", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    let receipt: Receipt | undefined;
    const later = async () => {
      await Promise.resolve();
      receipt = await sendTo(transport, serverAt(server.port));
    };
    const work = async () => {
      transport.defer(Promise.resolve().then(() => transport.defer(later())));
      return "answer";
    };
    const { result, end } = transport.run(work, REQUEST_MS);
    expect(await result).toBe("answer");
    expect(receipt).toBeUndefined();
    await end;
    expect(receipt?.successful).toBe(true);
  });

  test("drains once after the work for any number of requests, and again for one during the drain", async () => {
    const transport = makeTransport();
    const calls: string[] = [];
    const drain = async (): Promise<void> => {
      calls.push("drain");
      if (calls.length === 2) transport.afterResponse(drain);
    };
    const work = async () => {
      transport.afterResponse(drain);
      transport.afterResponse(drain);
      calls.push("work");
    };
    await transport.run(work, REQUEST_MS).end;
    expect(calls).toEqual(["work", "drain", "drain"]);
  });

  test("starts later work in a turn of its own, so that the response leaves first", async () => {
    const transport = makeTransport();
    const calls: string[] = [];
    const work = async () => transport.afterResponse(async () => void calls.push("drain"));
    const { result, end } = transport.run(work, REQUEST_MS);
    await result;
    for (let turn = 0; turn < 100; turn++) await Promise.resolve();
    expect(calls).toEqual([]);
    await end;
    expect(calls).toEqual(["drain"]);
  });

  test("gives a drain the rest of the invocation, less the time to record outcomes", async () => {
    const transport = makeTransport();
    const startMs = performance.now();
    const work = () =>
      transport.drainNow(async ({ endsMs, messageTimeoutMs, maxConcurrent }) => {
        expect(endsMs - startMs).toBeWithin(REQUEST_MS - 3_000, REQUEST_MS - 1_000);
        expect([messageTimeoutMs, maxConcurrent]).toEqual([20_000, 4]);
      });
    await transport.run(work, REQUEST_MS).result;
    expect(transport.drainNow(async () => undefined)).rejects.toThrow(TypeError);
  });

  test("waits for the last reply no longer than the invocation lasts", async () => {
    await using server = await startSmtpServer({ script: { body: stall() } });
    const transport = makeTransport();
    const send = () =>
      sendTo(transport, serverAt(server.port, { timeoutMs: 100 }), { finalReplyTimeoutMs: 300_000 });
    const { result, end } = transport.run(send, 2_500);
    expect(await result).toMatchObject({ failure: { phase: "data", code: "timeout", outcome: "unknown" } });
    await end;
  });

  test("opens at most four connections in an invocation, which leaves two for the database", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    const many = () =>
      Promise.all(Array.from({ length: 12 }, () => sendTo(transport, serverAt(server.port))));
    const { result, end } = transport.run(many, REQUEST_MS);
    expect((await result).every(({ successful }) => successful)).toBe(true);
    await end;
    expect(server.connections).toHaveLength(4);
  });

  test("starts no delivery that could outlast the invocation", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    const send = () => sendTo(transport, serverAt(server.port, { timeoutMs: 1_000 }));
    const { result } = transport.run(send, 3_900);
    const failure = { phase: "connect", code: "timeout", outcome: "not-sent", retryable: true };
    expect(await result).toMatchObject({ successful: false, failure });
    expect(server.connections).toHaveLength(0);
    expect((await transport.run(send, 4_500).result).successful).toBe(true);
  });

  test("bounds a delivery whose server has more time than an invocation", async () => {
    await using server = await startSmtpServer();
    const transport = makeTransport();
    const send = () => sendTo(transport, serverAt(server.port, { timeoutMs: 300_000 }));
    // Four times 300 s would never fit; 20 s do.
    expect((await transport.run(send, 21_000).result).successful).toBe(true);
    expect((await transport.run(send, 19_000).result).successful).toBe(false);
  });

  test("ends also when the work fails", async () => {
    await using server = await startSmtpServer({ script: { ehlo: stall() } });
    const transport = makeTransport();
    const { result, end } = transport.run(async () => {
      await sendTo(transport, serverAt(server.port, { timeoutMs: 50 }));
      throw new Error("It broke");
    }, REQUEST_MS);
    expect(await result.catch(String)).toBe("Error: It broke");
    await end;
    await server.closed();
  });

  test("throws TypeError outside an invocation", async () => {
    const sending = sendTo(makeTransport(), serverAt(1));
    expect(await sending.catch((error: unknown) => error)).toBeInstanceOf(TypeError);
  });
});
