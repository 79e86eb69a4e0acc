import type { Socket } from "node:net";
import type { Transport } from "../../contracts/transport.ts";
import { SmtpConnection, type SmtpConnectionOptions } from "../smtp/connection.ts";
import { createSmtpTransport, type SmtpTransportOptions } from "../smtp/index.ts";
import { Observer } from "./observer.ts";

/** A connection on which worker-mailer writes the commands, and the conversation of the transport `smtp` decides. */
class WorkerMailerConnection extends SmtpConnection {
  readonly #observer: Observer;

  constructor(socket: Socket, options: SmtpConnectionOptions) {
    let observer: Observer;
    try {
      observer = new Observer(options.server);
    } catch (error) {
      socket.destroy();
      throw error;
    }
    // `readTls` gets each TLS socket before any byte arrives through it.
    const readObservedTls = (secure: Socket) => options.readTls(observer.observe(secure));
    super(observer.observe(socket), { ...options, readTls: readObservedTls });
    this.#observer = observer;
  }

  override transact(...[message, options, timer]: Parameters<SmtpConnection["transact"]>) {
    const result = super.transact(message, { ...options, pipelining: "off" }, timer);
    this.#observer.send(message.from, message.recipient);
    return result;
  }

  override checkAddresses(...[from, recipient, timer]: Parameters<SmtpConnection["checkAddresses"]>) {
    const result = super.checkAddresses(from, recipient, timer);
    this.#observer.send(from, recipient ?? from);
    return result;
  }
}

/**
 * Creates the transport over the package `worker-mailer`, for Cloudflare Workers: four round trips per message. The
 * Worker has to be built with `sockets.ts` in place of the package's `cloudflare:sockets`. Otherwise `send` rejects with
 * a `TypeError`.
 * @throws {TypeError} if `ehloName` is not one word.
 */
export function createWorkerMailerTransport(options: SmtpTransportOptions): Transport {
  const driver = { name: "worker-mailer", Connection: WorkerMailerConnection };
  return createSmtpTransport({ ...options, driver });
}
