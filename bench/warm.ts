import { Secret } from "../src/domain/secret.ts";
import { startSmtpServer } from "../src/testing/smtp/index.ts";
import { createConnect } from "../src/transport/connect.ts";
import { createSmtpTransport } from "../src/transport/smtp/index.ts";
import { type BenchResult, print } from "./result.ts";

const MESSAGES = 60;
const MINUTE_MS = 60_000;
const LIMIT = 0.95;

const BYTES = new TextEncoder().encode("From: <a@example.org>\r\nSubject: Your code\r\n\r\n123456\r\n");

/**
 * One code a minute for an hour, to a server that keeps idle connections for longer: the share that finds an open
 * connection. The clock is simulated, the conversation is real.
 */
export async function benchWarm(): Promise<BenchResult> {
  const clock = createClock();
  await using server = await startSmtpServer();
  const connect = createConnect({ egress: "private", ports: [] });
  await using transport = createSmtpTransport({
    connect,
    ehloName: "bench.test",
    now: () => new Date(),
    clock,
  });
  const target = {
    ...{ host: "127.0.0.1", port: server.port, security: "none" as const, timeoutMs: 10_000 },
    ...{ username: "", password: Secret.EMPTY },
  } as const;
  const { signal } = new AbortController();
  const delivery = {
    server: target,
    poolKey: "bench",
    from: "a@example.org",
    recipient: "b@example.net",
    bytes: BYTES,
  };
  let warm = 0;
  for (let minute = 0; minute < MESSAGES; minute++) {
    const before = server.connections.length;
    const receipt = await transport.send(delivery, { signal });
    if (!receipt.successful) throw new Error(`Not sent: ${receipt.failure.code}`);
    if (server.connections.length === before) warm++;
    clock.advance(MINUTE_MS);
  }
  return {
    ...{ name: "transport: codes on a warm connection, one a minute for an hour, against all" },
    ...{ ratio: warm / MESSAGES, limit: LIMIT, better: "higher" },
    detail: `${warm} of ${MESSAGES}, ${server.connections.length} connections`,
  };
}

/** A clock that moves only when the bench advances it; due timers then fire. */
function createClock() {
  let nowMs = 0;
  const timers = new Set<{ readonly atMs: number; readonly call: () => void }>();
  return {
    nowMs: () => nowMs,
    after(ms: number, call: () => void) {
      const timer = { atMs: nowMs + ms, call };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    advance(ms: number) {
      nowMs += ms;
      for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
        timers.delete(timer);
        timer.call();
      }
    },
  };
}

if (import.meta.main) print(await benchWarm());
