import { LogLevel, WorkerMailer } from "worker-mailer";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { parseExtensions, type RawReply } from "../../smtp/replies.ts";
import { offerSocket } from "./sockets.ts";

/** A running instance of worker-mailer. */
export interface Library {
  /** Resolves when the library has logged in. */
  readonly connecting: Promise<unknown>;
  /** Makes the library send a message. The conversation replaces the message that it composes. */
  send(from: string, to: string): Promise<unknown>;
  /** Passes on a reply. Of the extensions it lists only STARTTLS and AUTH: for DSN, the library would disable notifications. */
  receiveReply(reply: RawReply): void;
}

/**
 * Connects worker-mailer to a socket of this module. `onWrite` receives the text that it writes.
 * @throws {TypeError} if it is bundled without `sockets.ts`.
 */
export function connectLibrary(server: ConnectionSettings, onWrite: (text: string) => void): Library {
  const { host, port, security, username, password } = server;
  // UTF-8 with one character per octet, because the library encodes only such text in base64.
  const octets = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
  let reply = Promise.withResolvers<string>();
  // A greeting for the library, so that it writes EHLO. The conversation waits for the real one.
  reply.resolve("220 \r\n");
  const releaseLock = (): void => undefined;
  // Resolves only with the reply, because the library starts its timer for the reply after the write.
  async function write(chunk: Uint8Array) {
    onWrite(new TextDecoder().decode(chunk));
    await reply.promise;
  }
  // Never reports the end of the stream, at which the library would loop.
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
    // A socket of the library's own would connect nowhere (RFC 6761 6.4).
    host: `${host}.invalid`,
    port,
    secure: security === "implicit",
    startTls: security === "starttls",
    credentials: { username: octets(username), password: octets(password.reveal()) },
    authType: "plain",
    logLevel: LogLevel.NONE,
    // Short, because the library never clears a timer and workerd allows 10,000. Its reads never have to wait.
    socketTimeoutMs: 1000,
  });
  connecting.catch(() => undefined);
  if (offerSocket(null) !== null) throw new TypeError("worker-mailer is bundled with cloudflare:sockets");
  return {
    connecting,
    send: async (from: string, to: string) => (await connecting).send({ from, to, subject: "-", text: "-" }),
    receiveReply({ code, lines }: RawReply): void {
      const { keywords } = parseExtensions(lines);
      const starttls = keywords.has("STARTTLS") ? `${code}-STARTTLS\r\n` : "";
      const login = username !== "" && keywords.has("AUTH") ? "AUTH PLAIN" : "";
      reply.resolve(`${starttls}${code} ${login}\r\n`);
    },
  };
}
