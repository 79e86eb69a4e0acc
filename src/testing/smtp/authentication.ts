import { startAuth, type Turn } from "./auth.ts";
import type { SmtpTestServerOptions } from "./options.ts";
import type { Policy } from "./policy.ts";
import type { Effects, Wire } from "./wire.ts";

/** Octets of an AUTH command, CRLF included (RFC 4954 4). */
const MAX_AUTH_LINE = 512;

/** AUTH on one connection (RFC 4954). */
export class Authentication {
  readonly #wire: Wire;
  readonly #options: SmtpTestServerOptions;
  readonly #policy: Policy;
  #turn: Turn | null = null;
  /** Null until AUTH has succeeded. */
  username: string | null = null;

  constructor(wire: Wire, options: SmtpTestServerOptions, policy: Policy) {
    this.#wire = wire;
    this.#options = options;
    this.#policy = policy;
  }

  /** Whether the next line is a response, and no command. */
  get isWaiting(): boolean {
    return this.#turn !== null;
  }

  onCommand(line: string): void {
    const [, mechanism = "", initial] = line.split(" ");
    const { users = {}, mechanisms } = this.#options;
    // RFC 4954 4: `=` is an empty initial response.
    const first = initial === "=" ? "" : initial;
    const name = mechanism.toUpperCase();
    const isOffered = mechanisms === undefined || mechanisms.some((one) => one.toUpperCase() === name);
    const turn = isOffered ? startAuth(name, first, users) : null;
    const rejection = this.#reject(line, turn) ?? this.#policy.rejectLogin()?.reply;
    if (rejection !== undefined || turn === null) {
      this.#wire.perform("auth", () => this.#wire.reply(rejection ?? ""));
    } else this.#wire.perform("auth", () => this.#continue(turn), this.#effects(turn));
  }

  onResponse(line: string): void {
    const turn = this.#turn;
    this.#turn = null;
    if (line === "*") this.#wire.perform("credentials", () => this.#wire.reply("501 5.7.0 Canceled"));
    else if (turn !== null && "next" in turn) this.#continue(turn.next(line), turn);
  }

  #reject(line: string, turn: Turn | null): string | undefined {
    if (line.length + "\r\n".length > MAX_AUTH_LINE) return "500 5.5.6 Line too long";
    if (this.username !== null) return "503 5.5.1 Already authenticated";
    return turn === null ? "504 5.5.4 Unknown mechanism" : undefined;
  }

  /** @param asked the turn that asked for the response at hand. */
  #continue(turn: Turn, asked: Turn = turn): void {
    if ("next" in turn) {
      this.#turn = turn;
      const isBare = turn.challenge === "" && this.#options.bareChallenges === true;
      this.#wire.reply(isBare ? "334" : `334 ${turn.challenge}`);
      return;
    }
    const reply = turn.isValid ? "235 2.7.0 Welcome" : "535 5.7.8 Credentials are invalid";
    this.#wire.perform("credentials", () => this.#wire.reply(reply), this.#effects(turn, asked));
  }

  /** A 235 ends the exchange, a 334 asks for a response again. */
  #effects(turn: Turn, asked: Turn = turn): Effects {
    return {
      2: () => {
        this.username = "next" in turn ? "" : turn.username;
        this.#policy.onLogin(this.#wire);
      },
      3: () => {
        this.#turn = "next" in asked ? asked : { challenge: "", next: () => turn };
      },
    };
  }
}
