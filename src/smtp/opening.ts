import { type Checkpoint, type Failure, notSent } from "../domain/delivery.ts";
import type { Security } from "../domain/smtp-server.ts";
import { NO_EXTENSIONS, parseExtensions } from "./replies.ts";
import {
  isAcceptable,
  type Login,
  type Mechanism,
  mechanismsFor,
  readRejection,
  rejectsMechanism,
  SaslExchange,
} from "./sasl.ts";
import {
  type Afterwards,
  type Loss,
  type Port,
  phaseOf,
  type Received,
  SERVICE_CLOSING,
  type Task,
} from "./task.ts";

export interface OpeningOptions {
  readonly ehloName: string;
  readonly security: Security;
  /** `null`: no AUTH. */
  readonly login: Login | null;
}

/** Opens the session: greeting, EHLO, STARTTLS with a second EHLO, and AUTH, as the definition asks for. */
export class Opening implements Task {
  readonly #port: Port;
  readonly #options: OpeningOptions;
  readonly #until: Checkpoint | undefined;
  #mechanisms: readonly Mechanism[] = [];
  #exchange: SaslExchange | null = null;
  #rejection: Failure | null = null;

  constructor(port: Port, options: OpeningOptions, until?: Checkpoint) {
    this.#port = port;
    this.#options = options;
    this.#until = until;
  }

  start(): void {
    // The server sends the greeting first (RFC 5321 3.1).
  }

  onReply(received: Received): void {
    if (received.verdict === "rejected") this.#onRejected(received);
    else this.#onAccepted(received);
  }

  /** RFC 3207 4.2: discards what was learned before TLS. */
  onSecured(): void {
    const { session } = this.#port;
    session.isTls = true;
    session.extensions = NO_EXTENSIONS;
    this.#port.send("ehlo", `EHLO ${this.#options.ehloName}`);
  }

  onLost({ code, phase, reply }: Loss): Failure {
    return this.#rejection ?? notSent(phase, code, reply);
  }

  #onAccepted(received: Received): void {
    const { step, reply, raw } = received;
    const { session } = this.#port;
    if (step === "greeting") {
      session.greeting = reply.text;
      this.#port.send("ehlo", `EHLO ${this.#options.ehloName}`);
    } else if (step === "ehlo" || step === "helo") {
      this.#rejection = null;
      session.extensions = step === "ehlo" ? parseExtensions(raw.lines) : NO_EXTENSIONS;
      session.listed[session.isTls ? "tls" : "clear"] = session.extensions;
      // RFC 5321 4.1.4: EHLO clears all buffers.
      session.isReset = true;
      this.#afterEhlo();
    } else if (step === "starttls") this.#port.startTls(reply);
    else if (step === "auth") this.#onAuthReply(received);
  }

  #onRejected({ step, raw, reply }: Received): void {
    const { code } = raw;
    if (step === "ehlo" && code >= 500) {
      // RFC 5321 4.1.4: a server without EHLO may know HELO. If not, the reply to EHLO is the reason.
      this.#rejection = this.#port.rejection("ehlo", raw);
      this.#port.send("helo", `HELO ${this.#options.ehloName}`);
      return;
    }
    if (step === "auth" && this.#rejection !== null) {
      // A challenge has rejected the token, and this reply ends the exchange.
      this.#fail({ ...this.#rejection, ...notSent("auth", "auth_rejected", reply) });
      return;
    }
    if (step === "auth" && rejectsMechanism(code) && this.#mechanisms.length > 0) {
      this.#authenticate();
      return;
    }
    this.#fail(this.#rejection ?? this.#port.rejection(phaseOf(step), raw));
  }

  #afterEhlo(): void {
    const { security, login } = this.#options;
    const { session } = this.#port;
    if (this.#until === "connect") this.#port.conclude({ successful: true, reply: null }, "reuse");
    else if (security === "starttls" && !session.isTls) this.#upgrade();
    else if (this.#until === "tls" || login === null) {
      this.#port.conclude({ successful: true, reply: null }, "reuse");
    } else this.#startAuth(login);
  }

  #upgrade(): void {
    if (this.#port.session.extensions.keywords.has("STARTTLS")) this.#port.send("starttls", "STARTTLS");
    else this.#fail(notSent("starttls", "tls_not_offered"));
  }

  #startAuth(login: Login): void {
    const { session } = this.#port;
    this.#mechanisms = mechanismsFor(session.extensions.mechanisms, session.isTls, login);
    // RFC 7628 4: an access token is sent only under TLS.
    if (login.kind === "oauth2" && !session.isTls) this.#fail(notSent("auth", "tls_required"));
    else if (this.#mechanisms.length === 0) this.#fail(notSent("auth", "auth_not_offered"));
    else if (!isAcceptable(login)) this.#fail(notSent("auth", "auth_rejected"));
    else this.#authenticate();
  }

  #authenticate(): void {
    const [mechanism, ...others] = this.#mechanisms;
    const { login } = this.#options;
    if (mechanism === undefined || login === null) return;
    this.#mechanisms = others;
    this.#exchange = new SaslExchange(mechanism, login);
    this.#port.send("auth", this.#exchange.command);
  }

  #onAuthReply(received: Received): void {
    if (received.raw.code === 235) {
      this.#port.conclude({ successful: true, reply: null }, "reuse");
      return;
    }
    const response = this.#exchange?.respond(received.raw.lines[0] ?? "") ?? null;
    const rejection = this.#exchange?.rejection ?? null;
    if (rejection !== null) this.#rejection ??= tokenRejected(rejection, received);
    if (response !== null) this.#port.send("auth", response);
    // The server would take QUIT for a response to its challenge (RFC 4954 4).
    else this.#fail(this.#rejection ?? notSent("auth", "protocol"), "hang-up");
  }

  #fail(
    failure: Failure,
    afterwards: Afterwards = failure.reply?.code === SERVICE_CLOSING ? "hang-up" : "quit",
  ): void {
    this.#port.conclude({ successful: false, failure }, afterwards);
  }
}

function tokenRejected(rejection: string, received: Received): Failure {
  const challenge = readRejection(rejection, (text) => received.present(text));
  const failure = notSent("auth", "auth_rejected");
  return challenge === null ? failure : { ...failure, challenge };
}
