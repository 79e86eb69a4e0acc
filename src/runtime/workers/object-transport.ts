import { createTransportByProtocol } from "../../transport/by-protocol.ts";
import type { ApiDeps } from "../../transport/mail-api/run.ts";
import { createSmtpTransport, type SmtpTransportOptions } from "../../transport/smtp/index.ts";
import { createInvocationTransport, type ScopedTransport, type WorkerSmtpOptions } from "./transport.ts";

/** A Durable Object may have six connections at a time; requests for tokens and to mail APIs need one. */
const CONNECTIONS = 5;
/** One connection is left for other definitions, if the server of one does not reply. */
const CONNECTIONS_PER_KEY = 4;
/** Attempts of a drain at a time. Each definition has as many as connections, so two silent servers leave places for others. */
const MAX_CONCURRENT = 2 * CONNECTIONS;
/** An object with an open connection stays in memory, which costs more than the next message saves. */
const IDLE_MS = 60_000;
/** The platform ends an alarm after 15 minutes. Four times a \`timeout\` of up to 150 s is less. */
const MESSAGE_TIMEOUT_MS = 600_000;

/** Bounds of the connections in one Durable Object. */
export const OBJECT_POOL: NonNullable<SmtpTransportOptions["pool"]> = {
  connections: CONNECTIONS_PER_KEY,
  maxConnections: CONNECTIONS_PER_KEY,
  maxConnectionsInAll: CONNECTIONS,
  idleMs: IDLE_MS,
};

/**
 * Creates the SMTP transport of a Durable Object. Its requests share an I/O context, so a connection outlives the request
 * that opened it and serves the next message.
 */
export function createObjectTransport(options: WorkerSmtpOptions, apis: ApiDeps): ScopedTransport {
  const bounds = { pool: OBJECT_POOL, totalTimeoutMs: MESSAGE_TIMEOUT_MS };
  const transport = createTransportByProtocol(
    createSmtpTransport({ ...options, ...bounds, hidesTlsErrors: true }),
    { ...apis, ...bounds },
  );
  return createInvocationTransport({
    name: transport.name,
    messageTimeoutMs: MESSAGE_TIMEOUT_MS,
    maxConcurrent: MAX_CONCURRENT,
    maxPerServer: CONNECTIONS_PER_KEY,
    isShared: true,
    open: () => transport,
    async close() {
      // The connections serve the next request.
    },
    dispose: () => transport[Symbol.asyncDispose](),
  });
}
