import type { SmtpTestServerOptions } from "./options.ts";
import type { Policy } from "./policy.ts";
import { type SaslStep, startAuth } from "./sasl.ts";
import type { Effects, SocketIo } from "./socket-io.ts";

/** Octets of an AUTH command, CRLF included (RFC 4954 4). */
const MAX_AUTH_LINE = 512;

/** AUTH on one connection (RFC 4954). */
export class Authentication {
  readonly #io: SocketIo;
  readonly #options: SmtpTestServerOptions;
  readonly #policy: Policy;
  #step: SaslStep | null = null;
  /** `null` until AUTH has succeeded. */
  username: string | null = null;

  constructor(io: SocketIo, options: SmtpTestServerOptions, policy: Policy) {
    this.#io = io;
    this.#options = options;
    this.#policy = policy;
  }

  /** Whether the next line is a response instead of a command. */
  get isWaiting(): boolean {
    return this.#step !== null;
  }

  onCommand(line: string): void {
    const [, mechanism = "", initial] = line.split(" ");
    const { users = {}, mechanisms } = this.#options;
    // RFC 4954 4: `=` is an empty initial response.
    const first = initial === "=" ? "" : initial;
    const name = mechanism.toUpperCase();
    const isOffered = mechanisms === undefined || mechanisms.some((one) => one.toUpperCase() === name);
    const step = isOffered ? startAuth(name, first, users) : null;
    const rejection = this.#reject(line, step) ?? this.#policy.rejectLogin()?.reply;
    if (rejection !== undefined || step === null) {
      this.#io.perform("auth", () => this.#io.reply(rejection ?? ""));
    } else this.#io.perform("auth", () => this.#continue(step), this.#effects(step));
  }

  onResponse(line: string): void {
    const step = this.#step;
    this.#step = null;
    if (line === "*") this.#io.perform("credentials", () => this.#io.reply("501 5.7.0 Canceled"));
    else if (step !== null && "next" in step) this.#continue(step.next(line), step);
  }

  #reject(line: string, step: SaslStep | null): string | undefined {
    if (line.length + "\r\n".length > MAX_AUTH_LINE) return "500 5.5.6 Line too long";
    if (this.username !== null) return "503 5.5.1 Already authenticated";
    return step === null ? "504 5.5.4 Unknown mechanism" : undefined;
  }

  /** @param asked the step that asked for the current response. */
  #continue(step: SaslStep, asked: SaslStep = step): void {
    if ("next" in step) {
      this.#step = step;
      const isBare = step.challenge === "" && this.#options.bareChallenges === true;
      this.#io.reply(isBare ? "334" : `334 ${step.challenge}`);
      return;
    }
    const reply = step.isValid ? "235 2.7.0 Welcome" : "535 5.7.8 Credentials are invalid";
    this.#io.perform("credentials", () => this.#io.reply(reply), this.#effects(step, asked));
  }

  /** 235 ends the exchange, 334 asks for another response. */
  #effects(step: SaslStep, asked: SaslStep = step): Effects {
    return {
      2: () => {
        this.username = "next" in step ? "" : step.username;
        this.#policy.onLogin(this.#io);
      },
      3: () => {
        this.#step = "next" in asked ? asked : { challenge: "", next: () => step };
      },
    };
  }
}
