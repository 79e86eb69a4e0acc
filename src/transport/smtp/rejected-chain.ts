import { isIP, type Socket } from "node:net";
import { onAbort } from "../../async/abort.ts";
import type { Connect } from "../../contracts/transport.ts";
import type { ServerReport } from "../../domain/delivery.ts";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { Conversation } from "../../smtp/conversation.ts";
import type { Turn } from "../../smtp/pipeline.ts";
import { readTls, startTls, tlsOptionsFor, untilReady } from "../sockets.ts";

interface ChainDeps {
  readonly connect: Connect;
  readonly ehloName: string;
  readonly extraCa?: readonly string[];
  readonly now: () => Date;
}

/**
 * Reads the chain of a rejected certificate, leaf first, on a connection of its own: the runtimes forget it with the one that
 * they close. Nothing is sent under TLS, and no login at all.
 * @returns `null` if the certificate is not rejected now.
 */
export async function readRejectedChain(
  { host, port, security }: ConnectionSettings,
  signal: AbortSignal,
  { connect, ehloName, extraCa = [], now }: ChainDeps,
): Promise<ServerReport["chain"]> {
  const plain = await connect({ host, port, tls: false }, { signal });
  const forgetAbort = onAbort(signal, () => void plain.destroy());
  try {
    if (security === "starttls") await untilTls(plain, ehloName);
    const tlsOptions = tlsOptionsFor(extraCa)(host, isIP(host) !== 0, null);
    // The chain is shown only if the handshake ends. No byte follows it.
    const socket = startTls(plain, { ...tlsOptions, rejectUnauthorized: false });
    if (socket === null) return null;
    await untilReady(socket, "secureConnect", signal, (error) => error);
    return socket.authorized ? null : readTls(socket, now()).chain;
  } finally {
    forgetAbort();
    plain.destroy();
  }
}

/** Resolves when the server has accepted STARTTLS. */
async function untilTls(socket: Socket, ehloName: string): Promise<void> {
  const redact = (text: string): string => text;
  const conversation = new Conversation({ ehloName, security: "starttls", login: null, redact });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const apply = ({ write, wait }: Turn): void => {
    if (write !== null) socket.write(write);
    if (wait.for === "tls") resolve();
    else if (conversation.result !== null) reject(new Error("No TLS"));
  };
  const onData = (chunk: Buffer): void => apply(conversation.receive(chunk));
  socket.on("data", onData).once("close", reject).once("error", reject);
  apply(conversation.open("tls"));
  await promise.finally(() => socket.off("data", onData));
}
