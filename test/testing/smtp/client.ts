import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { KeyPair } from "../../../src/testing/smtp/index.ts";

const HOST = "127.0.0.1";

interface TlsOptions extends Partial<KeyPair> {
  readonly ca?: string;
  readonly servername?: string;
}

/** A client that writes given lines and reads whole replies. */
export class RawClient implements Disposable {
  #socket: Socket;
  #text = "";
  #isEnded = false;
  readonly #waiting = new Set<() => void>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** Connects, and reads nothing. */
  static async connect({ port, host = HOST }: { port: number; host?: string }): Promise<RawClient> {
    const socket = connect({ port, host, allowHalfOpen: true });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
    return client;
  }

  /** Connects and reads the greeting and the reply to EHLO. */
  static async greet(server: { port: number; host?: string }): Promise<RawClient> {
    const client = await RawClient.connect(server);
    await client.read();
    await client.ask("EHLO client.test");
    return client;
  }

  write(text: string): void {
    this.#socket.write(Buffer.from(text, "latin1"));
  }

  /** Writes a line, and reads its reply. */
  async ask(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.read();
  }

  /** Writes everything and reads a number of replies. @returns the last line of each. */
  async flight(text: string, replies: number): Promise<readonly string[]> {
    this.write(text);
    const read: string[] = [];
    while (read.length < replies) read.push((await this.read()).split("\r\n").at(-1) ?? "");
    return read;
  }

  /** Reads one whole reply. Empty at the end of the connection. */
  async read(): Promise<string> {
    for (;;) {
      const [whole] = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/.exec(this.#text) ?? [];
      if (whole !== undefined) {
        this.#text = this.#text.slice(whole.length);
        return whole.slice(0, -2);
      }
      if (this.#isEnded) return "";
      await this.#more();
    }
  }

  /** Reads to the end of the connection. */
  async readAll(): Promise<string> {
    while (!this.#isEnded) await this.#more();
    return this.#text;
  }

  /** Starts TLS without verifying the certificate. */
  async startTls(options: TlsOptions = {}): Promise<TLSSocket> {
    this.#socket.removeAllListeners();
    const isChecked = options.ca !== undefined;
    const secure = connectTls({ socket: this.#socket, ...options, rejectUnauthorized: isChecked });
    this.#socket = secure;
    this.#listen();
    await new Promise<void>((resolve, reject) => secure.once("secureConnect", resolve).once("error", reject));
    return secure;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #listen(): void {
    this.#socket.on("data", (chunk: Buffer) => {
      this.#text += chunk.toString("latin1");
      this.#wake();
    });
    for (const event of ["end", "close", "error"]) this.#socket.on(event, () => this.#end());
  }

  #end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }
}
