import type { Connect, SendOptions, Transport } from "../contracts/transport.ts";
import type { OpenServer } from "../domain/smtp-server.ts";
import type { Limits } from "./attempt.ts";
import { discardNative, type NativeSocket } from "./native-socket.ts";
import { openSocket } from "./open-socket.ts";
import type { PoolLimits } from "./pool.ts";
import { createPooledTransport, wholeTimeoutMs } from "./pooled-transport.ts";
import { WorkerMailerSession } from "./worker-mailer-session.ts";

export interface WorkerMailerTransportOptions {
  /** Opens the sockets; `createNativeConnect` makes one. */
  readonly connect: Connect<NativeSocket>;
  /** Name said in EHLO: a domain, or an address literal such as `[192.0.2.1]`. */
  readonly ehloName: string;
  readonly pool?: Partial<PoolLimits>;
  /** Bound of the whole mail, in milliseconds, where it is less than four times `timeoutMs`; default: none. */
  readonly wholeTimeoutMs?: number;
  /** When no reply is waited for any more, on the clock of `performance.now()`; default: never. */
  readonly endsMs?: number;
}

/**
 * The transport over the package `worker-mailer`, for Cloudflare Workers only: one recipient a transaction,
 * connections kept per `poolKey`, four round trips a mail. The package gets neither sockets nor addresses nor
 * credentials nor messages; it says which command comes next, and what goes on the wire is written here.
 * The Worker has to be built with `worker-mailer-sockets.ts` in the place of the package's `cloudflare:sockets`;
 * otherwise each mail rejects with an error that says so.
 * @throws {TypeError} if `ehloName` is not one word.
 */
export function createWorkerMailerTransport(options: WorkerMailerTransportOptions): Transport {
  const { connect, ehloName } = options;
  if (!/^[!-~]+$/.test(ehloName)) throw new TypeError('"ehloName" is not one word of ASCII');
  return createPooledTransport({
    name: "worker-mailer",
    pool: options.pool,
    limits: (server, sendOptions) => limitsFor(server, options, sendOptions),
    dial: async (server, attempt) =>
      new WorkerMailerSession(await openSocket(connect, server, attempt, discardNative), {
        server,
        ehloName,
      }),
  });
}

function limitsFor(
  server: OpenServer,
  options: WorkerMailerTransportOptions,
  sendOptions: SendOptions,
): Limits {
  const { timeoutMs: stepMs } = server;
  return {
    stepMs,
    wholeMs: wholeTimeoutMs(server, options.wholeTimeoutMs),
    finalReplyMs: sendOptions.finalReplyTimeoutMs ?? stepMs,
    endsMs: options.endsMs,
  };
}
