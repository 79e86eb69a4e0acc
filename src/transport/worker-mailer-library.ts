import { LogLevel, WorkerMailer } from "worker-mailer";
import type { OpenServer } from "../domain/smtp-server.ts";
import { STAND_INS } from "./worker-mailer-guard.ts";
import { type LibrarySocket, offerSocket } from "./worker-mailer-sockets.ts";

/** The library's own timers have to come after those that end every step of ours. */
const LIBRARY_TIMEOUT_STEPS = 8;

/**
 * Has worker-mailer begin a session over a socket that is given to it.
 * @throws {Unguarded}
 */
export async function connectLibrary(socket: LibrarySocket, server: OpenServer): Promise<WorkerMailer> {
  using place = offerSocket(socket);
  const connecting = WorkerMailer.connect({
    host: place.hostname,
    port: server.port,
    // The socket that it is given has TLS already.
    secure: false,
    startTls: server.security === "starttls",
    credentials: STAND_INS.credentials,
    authType: "plain",
    logLevel: LogLevel.NONE,
    socketTimeoutMs: LIBRARY_TIMEOUT_STEPS * server.timeoutMs,
  });
  if (place.isTaken) return await connecting;
  connecting.catch(() => undefined);
  throw new Unguarded();
}

/** Has it begin one transaction, with nothing of the mail in its hands. */
export function sendByLibrary(mailer: WorkerMailer): Promise<void> {
  const { from, to, subject, text } = STAND_INS;
  return mailer.send({ from, to, subject, text });
}

/** The library opened a socket of its own, to a name that leads nowhere. */
export class Unguarded extends Error {
  override readonly name = "Unguarded";

  constructor() {
    super("worker-mailer was bundled without worker-mailer-sockets in the place of cloudflare:sockets");
  }
}
