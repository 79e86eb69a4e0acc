import type { LoginAttempt, SmtpTestServerOptions } from "./options.ts";
import type { Policy } from "./policy.ts";
import { type SaslStep, startAuth } from "./sasl.ts";
import type { Effects, SocketIo } from "./socket-io.ts";

interface AuthenticationDeps {
  readonly options: SmtpTestServerOptions;
  readonly policy: Policy;
  readonly logins: LoginAttempt[];
  readonly connection: number;
}

/** Octets of an AUTH command and of a response, CRLF included (RFC 4954 4). */
const MAX_AUTH_LINE = 512;
const MAX_RESPONSE_LINE = 12_288;

/** AUTH on one connection (RFC 4954). */
export class Authentication {
  readonly #io: SocketIo;
  readonly #deps: AuthenticationDeps;
  #mechanism = "";
  #step: SaslStep | null = null;
  /** `null` until AUTH has succeeded. */
  username: string | null = null;

  constructor(io: SocketIo, deps: AuthenticationDeps) {
    this.#io = io;
    this.#deps = deps;
  }

  /** Whether the next line is a response instead of a command. */
  get isWaiting(): boolean {
    return this.#step !== null;
  }

  onCommand(line: string): void {
    const [, mechanism = "", initial] = line.split(" ");
    const { options, policy } = this.#deps;
    const { mechanisms } = options;
    // RFC 4954 4: `=` is an empty initial response.
    const first = initial === "=" ? "" : initial;
    this.#mechanism = mechanism.toUpperCase();
    const isOffered =
      mechanisms === undefined || mechanisms.some((one) => one.toUpperCase() === this.#mechanism);
    const step = isOffered ? startAuth(this.#mechanism, first, options) : null;
    const rejection = this.#reject(line, step) ?? policy.rejectLogin()?.reply;
    if (rejection !== undefined || step === null) {
      this.#io.perform("auth", () => this.#io.reply(rejection ?? ""));
    } else this.#io.perform("auth", () => this.#continue(step), this.#effects(step));
  }

  onResponse(line: string): void {
    const step = this.#step;
    this.#step = null;
    const rejection = this.#rejectResponse(line);
    if (rejection !== undefined) this.#io.perform("credentials", () => this.#io.reply(rejection));
    else if (step !== null && "next" in step) this.#continue(step.next(line), step);
  }

  #reject(line: string, step: SaslStep | null): string | undefined {
    if (line.length + "\r\n".length > MAX_AUTH_LINE) return "500 5.5.6 Line too long";
    if (this.username !== null) return "503 5.5.1 Already authenticated";
    return step === null ? "504 5.5.4 Unknown mechanism" : undefined;
  }

  #rejectResponse(line: string): string | undefined {
    if (line.length + "\r\n".length > MAX_RESPONSE_LINE) return "500 5.5.6 Line too long";
    return line === "*" ? "501 5.7.0 Canceled" : undefined;
  }

  /** @param asked the step that asked for the current response. */
  #continue(step: SaslStep, asked: SaslStep = step): void {
    if ("next" in step) {
      this.#step = step;
      const isBare = step.challenge === "" && this.#deps.options.bareChallenges === true;
      this.#io.reply(isBare ? "334" : `334 ${step.challenge}`);
      return;
    }
    const { username, isValid, rejection = "535 5.7.8 Credentials are invalid" } = step;
    const { logins, connection } = this.#deps;
    const attempt = { mechanism: this.#mechanism, username, isAccepted: false, connection };
    logins.push(attempt);
    const effects = this.#effects(step, asked);
    const accept = (): void => {
      attempt.isAccepted = true;
      effects[2]?.();
    };
    this.#io.perform("credentials", () => this.#io.reply(isValid ? "235 2.7.0 Welcome" : rejection), {
      ...effects,
      2: accept,
    });
  }

  /** 235 ends the exchange, 334 asks for another response. */
  #effects(step: SaslStep, asked: SaslStep = step): Effects {
    return {
      2: () => {
        this.username = "next" in step ? "" : step.username;
        this.#deps.policy.onLogin(this.#io);
      },
      3: () => {
        this.#step = "next" in asked ? asked : { challenge: "", next: () => step };
      },
    };
  }
}
