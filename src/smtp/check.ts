import { type Failure, notSent } from "../domain/delivery.ts";
import { type Loss, type Port, phaseOf, type Received, SERVICE_CLOSING, type Task } from "./task.ts";
import { isAscii } from "./transaction.ts";

/** Checks whether the server accepts a sender and, if given, a recipient. Sends MAIL and RCPT, but no message. */
export class AddressCheck implements Task {
  readonly #port: Port;
  readonly #from: string;
  /** `null`: the check ends at MAIL. */
  readonly #recipient: string | null;

  constructor(port: Port, from: string, recipient: string | null) {
    this.#port = port;
    this.#from = from;
    this.#recipient = recipient;
  }

  start(): void {
    const needsUtf8 = !isAscii(this.#from) || !isAscii(this.#recipient ?? "");
    if (needsUtf8 && !this.#port.session.extensions.keywords.has("SMTPUTF8")) {
      const phase = isAscii(this.#from) ? "recipient" : "sender";
      this.#port.conclude({ successful: false, failure: notSent(phase, "unsupported_here") }, "quit");
      return;
    }
    // No SIZE: there is no message.
    this.#port.send("mail", `MAIL FROM:<${this.#from}>${needsUtf8 ? " SMTPUTF8" : ""}`);
  }

  onReply({ step, verdict, raw, reply }: Received): void {
    if (verdict === "rejected") {
      const failure = this.#port.rejection(phaseOf(step), raw);
      this.#port.conclude({ successful: false, failure }, raw.code === SERVICE_CLOSING ? "hang-up" : "quit");
      return;
    }
    this.#port.session.isReset = false;
    if (step === "mail" && this.#recipient !== null) {
      this.#port.send("rcpt", `RCPT TO:<${this.#recipient}>`);
      return;
    }
    this.#port.conclude({ successful: true, reply }, "quit");
  }

  onLost({ code, phase, reply }: Loss): Failure {
    return notSent(phase, code, reply);
  }
}
