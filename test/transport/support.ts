import { performance } from "node:perf_hooks";
import type { Delivery, SendOptions, Transport } from "../../src/contracts/transport.ts";
import type { Receipt } from "../../src/domain/delivery.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { ConnectionSettings } from "../../src/domain/smtp-server.ts";
import { createConnect } from "../../src/transport/connect.ts";
import { createSmtpTransport, type SmtpTransportOptions } from "../../src/transport/smtp/index.ts";

/** An hour ahead, so that a certificate of thirty days, created during the tests, has 29 whole days left. */
export const NOW = new Date(Date.now() + 3_600_000);
export const never = new AbortController().signal;
export const BYTES = new TextEncoder().encode("Subject: Hello\r\n\r\nHello\r\n");

/** Creates a transport that connects to this machine, with the options of a test. */
export function makeTransport(options: Partial<SmtpTransportOptions> = {}): Transport {
  const connect = createConnect({ egress: "private", ports: [], ca: options.extraCa ?? [] });
  return createSmtpTransport({ connect, ehloName: "client.test", now: () => NOW, ...options });
}

export function serverAt(port: number, change: Partial<ConnectionSettings> = {}): ConnectionSettings {
  const defaults = { host: "127.0.0.1", security: "none", username: "", password: Secret.EMPTY } as const;
  return { ...defaults, port, timeoutMs: 2000, ...change };
}

/** Sends a plain message to a server. `change` overrides the delivery. */
export function sendTo(
  transport: Transport,
  server: ConnectionSettings,
  change: Partial<Delivery & SendOptions> = {},
): Promise<Receipt> {
  const { signal = never, finalReplyTimeoutMs, mayTransact, showsRejectedChain, ...delivery } = change;
  const defaults = { poolKey: "key", from: "a@example.org", recipient: "b@example.net", bytes: BYTES };
  return transport.send(
    { server, ...defaults, ...delivery },
    { signal, finalReplyTimeoutMs, mayTransact, showsRejectedChain },
  );
}

/** Returns the duration of some work, in milliseconds. */
export async function timed<T>(
  run: () => Promise<T>,
): Promise<{ readonly result: T; readonly elapsedMs: number }> {
  const startMs = performance.now();
  return { result: await run(), elapsedMs: performance.now() - startMs };
}
