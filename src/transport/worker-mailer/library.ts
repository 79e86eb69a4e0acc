import { LogLevel, WorkerMailer } from "worker-mailer";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { parseExtensions, type RawReply } from "../../smtp/replies.ts";
import { offerSocket } from "./sockets.ts";

/** The library never clears a timer, and workerd allows 10,000 at a time. What it reads is there when it starts one. */
const LIBRARY_TIMEOUT_MS = 1000;

/**
 * Has worker-mailer connect; `onWrite` gets what it writes.
 * @throws {TypeError} if it is bundled without `sockets.ts`.
 */
export function connectLibrary(server: ConnectionSettings, onWrite: (text: string) => void) {
  const { host, port, security, username, password } = server;
  // UTF-8 with one character an octet: the library can encode no other text in base64.
  const octets = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
  let reply = Promise.withResolvers<string>();
  // Instead of the greeting, which it would wait for; it says EHLO, and the conversation waits.
  reply.resolve("220 \r\n");
  const releaseLock = (): void => undefined;
  // Ends with the reply, for which the library starts its timer then.
  async function write(chunk: Uint8Array) {
    onWrite(new TextDecoder().decode(chunk));
    await reply.promise;
  }
  // Never reports the end of the stream, at which the library would spin.
  async function read() {
    const value = new TextEncoder().encode(await reply.promise);
    reply = Promise.withResolvers();
    return { value };
  }
  const socket = {
    readable: { getReader: () => ({ read, releaseLock }) },
    writable: { getWriter: () => ({ write, releaseLock }) },
    opened: Promise.resolve(),
    close: () => Promise.resolve(),
    startTls: (): object => socket,
  };
  offerSocket(socket);
  const connecting = WorkerMailer.connect({
    // A socket of the library's own would lead nowhere (RFC 6761 6.4).
    ...{ host: `${host}.invalid`, port, secure: security === "implicit", startTls: security === "starttls" },
    ...{ credentials: { username: octets(username), password: octets(password.reveal()) } },
    ...{ authType: "plain", logLevel: LogLevel.NONE, socketTimeoutMs: LIBRARY_TIMEOUT_MS },
  });
  connecting.catch(() => undefined);
  if (offerSocket(null)) throw new TypeError("worker-mailer is bundled with cloudflare:sockets");
  return {
    connecting,
    /** Has it send a message. The one that it composes is not the one that leaves. */
    send: async (from: string, to: string) => (await connecting).send({ from, to, subject: "-", text: "-" }),
    /** Of the server's extensions it gets what has it start TLS and log in; by DSN it would ask for no notifications. */
    hear({ code, lines }: RawReply): void {
      const { keywords } = parseExtensions(lines);
      const starttls = keywords.has("STARTTLS") ? `${code}-STARTTLS\r\n` : "";
      const login = username !== "" && keywords.has("AUTH") ? "AUTH PLAIN" : "";
      reply.resolve(`${starttls}${code} ${login}\r\n`);
    },
  };
}
