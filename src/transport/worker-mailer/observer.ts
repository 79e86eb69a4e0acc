import type { Socket } from "node:net";
import type { ConnectionSettings } from "../../domain/smtp-server.ts";
import { type RawReply, ReplyReader } from "../../smtp/replies.ts";
import { judge, type Step } from "../../smtp/task.ts";
import { connectLibrary, type Library } from "./library.ts";

const LIBRARY_STEPS = ["ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data"] as const;
const stepOf = (text: string): Step | null =>
  LIBRARY_STEPS.find((step) => text.toLowerCase().startsWith(step)) ?? null;
/** The end of mail data (RFC 5321 4.1.1.4). */
const MESSAGE_END = "\r\n.\r\n";
/** workerd delivers segments and TLS records one by one. A second reply has to arrive before the next command is written. */
const REPLY_DELAY_MS = 1;

/**
 * Reads both directions between worker-mailer and the server. A reply that lets the library continue reaches the
 * conversation after the library has written its next command. If the conversation writes the same one, it leaves as the
 * conversation spells it. All other replies are the conversation's alone, and so is the result.
 */
export class Observer {
  readonly #library: Library;
  #libraryStep = Promise.withResolvers<Step>();
  #socket: Socket | null = null;
  #reader = new ReplyReader();
  /** The step of the library to which a reply is due. */
  #step: Step | null = null;
  #isMessageDue = false;
  /** Bytes of the server that are held back from the conversation, and the function that delivers them. */
  #held: Uint8Array[] = [];
  #deliver: (bytes: Buffer) => void = () => undefined;

  constructor(server: ConnectionSettings) {
    this.#library = connectLibrary(server, (text) => this.#onLibrary(text));
    this.#follow(this.#library.connecting);
  }

  /** Intercepts the reads and writes of a socket. The previous socket is no longer observed. */
  observe(socket: Socket): Socket {
    if (socket === this.#socket) return socket;
    const [emit, write] = [socket.emit.bind(socket), socket.write.bind(socket)];
    this.#socket = socket;
    this.#reader = new ReplyReader();
    this.#deliver = (bytes) => void emit("data", bytes);
    return Object.assign(socket, {
      emit: (event: string, ...values: unknown[]): boolean => {
        const [chunk] = values;
        const isObserved = event === "data" && chunk instanceof Uint8Array && socket === this.#socket;
        if (isObserved) this.#onServer(chunk);
        return isObserved || emit(event, ...values);
      },
      write: (bytes: Uint8Array, onWritten?: () => void): boolean => {
        void this.#onConversation(bytes, () => void write(bytes, onWritten));
        return true;
      },
    });
  }

  /** Makes the library send a message, unless the conversation did not start it, because the server lacks an extension. */
  send(from: string, recipient: string): void {
    if (this.#step !== null) this.#follow(this.#library.send(from, recipient));
  }

  #follow(work: Promise<unknown>): void {
    const onDone = (): void => (this.#isMessageDue ? this.#hangUp() : this.#release());
    work.then(onDone, () => this.#hangUp());
  }

  #onServer(chunk: Uint8Array): void {
    const { replies, isSmtp } = this.#reader.push(chunk);
    const [step, reply] = [this.#step, replies[0]];
    const isAlone = isSmtp && replies.length === 1 && !this.#reader.isPartial && this.#held.length === 0;
    const isPassedOn = isAlone && step !== null && reply !== undefined && letsLibraryContinue(step, reply);
    this.#held.push(chunk);
    if (isPassedOn) {
      [this.#step, this.#isMessageDue] = [null, step === "data"];
      setTimeout(() => this.#library.receiveReply(reply), REPLY_DELAY_MS);
    }
    // TLS must start within this event on workerd, HELO follows immediately, and after a message nothing is written.
    const isUrgent = step === "starttls" || step === "message" || (reply?.code ?? 0) >= 500;
    if (!isPassedOn || isUrgent) this.#release();
  }

  #onLibrary(text: string): void {
    const step = this.#isMessageDue && text.endsWith(MESSAGE_END) ? "message" : stepOf(text);
    if (step !== null) {
      this.#libraryStep.resolve(step);
      this.#release();
    } else this.#hangUp();
  }

  async #onConversation(bytes: Uint8Array, leave: () => void): Promise<void> {
    // The rest of an AUTH exchange or a message, RSET and QUIT come from the conversation alone.
    const isRest = this.#step === "auth" || this.#step === "message";
    const step = this.#isMessageDue ? "message" : isRest ? null : stepOf(new TextDecoder().decode(bytes));
    if (!isRest) [this.#step, this.#isMessageDue] = [step, false];
    if (step === null) return leave();
    const libraryStep = await this.#libraryStep.promise;
    this.#libraryStep = Promise.withResolvers();
    if (libraryStep === step) leave();
    else this.#hangUp();
  }

  #release(): void {
    const held = this.#held.splice(0);
    if (held.length > 0) this.#deliver(Buffer.concat(held));
  }

  #hangUp(): void {
    this.#socket?.destroy(new Error("worker-mailer failed"));
  }
}

/** Whether the library finishes or writes its next command. AUTH continues without it until the login is accepted. */
function letsLibraryContinue(step: Step, { code }: RawReply): boolean {
  const isAccepted = judge(step, code) === "accepted" && !(step === "auth" && code >= 300);
  return isAccepted || (step === "ehlo" && code >= 500);
}
