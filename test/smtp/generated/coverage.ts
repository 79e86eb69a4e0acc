import type { Arrival, ModelStep } from "./knowledge.ts";

/** The events that a conversation can wait for. */
export const STATES = [
  "greeting",
  "EHLO",
  "EHLO under TLS",
  "HELO",
  "STARTTLS",
  "handshake",
  "AUTH",
  "response of AUTH",
  "RSET",
  "MAIL",
  "RCPT",
  "DATA",
  "message, in part",
  "message, whole",
  "BDAT",
  "MAIL of a check",
  "RCPT of a check",
  "next message",
  "QUIT",
] as const;
export type State = (typeof STATES)[number];

/** Classes of inputs. `early 421` and `unexpected`: a 421 or another reply that is not due. */
export const CLASSES = [
  "2xx",
  "3xx",
  "4xx",
  "5xx",
  "421",
  "early 421",
  "unexpected",
  "nonsense",
  "lost",
] as const;
export type ReplyClass = (typeof CLASSES)[number];

const NOTHING_DUE = ["2xx", "3xx", "4xx", "5xx", "421"] as const;

/** Impossible combinations, with the reason. */
export const IMPOSSIBLE: Readonly<
  Partial<Record<State, { readonly classes: readonly ReplyClass[]; readonly because: string }>>
> = {
  handshake: {
    classes: NOTHING_DUE,
    because: "no reply is due before EHLO under TLS, so each is unexpected",
  },
  "message, in part": {
    classes: NOTHING_DUE,
    because: "no reply is due before the end, so each is unexpected",
  },
  "next message": {
    classes: NOTHING_DUE,
    because: "no reply is due between messages, so each is unexpected",
  },
};

const STATE_OF: Readonly<Record<ModelStep, State>> = {
  greeting: "greeting",
  ehlo: "EHLO",
  helo: "HELO",
  starttls: "STARTTLS",
  auth: "AUTH",
  response: "response of AUTH",
  rset: "RSET",
  mail: "MAIL",
  rcpt: "RCPT",
  data: "DATA",
  message: "message, whole",
  bdat: "BDAT",
  quit: "QUIT",
};

/** Counts the inputs of each class in each state. */
export class Coverage {
  readonly #hits = new Map<string, number>();

  add(state: State, replyClass: ReplyClass): void {
    const key = `${state} ${replyClass}`;
    this.#hits.set(key, (this.#hits.get(key) ?? 0) + 1);
  }

  hits(state: State, replyClass: ReplyClass): number {
    return this.#hits.get(`${state} ${replyClass}`) ?? 0;
  }

  /** A table of state × class, with a dash for impossible combinations. */
  format(): string {
    const width = Math.max(...STATES.map((state) => state.length)) + 1;
    const row = (name: string, cells: readonly string[]) =>
      name.padEnd(width) + cells.map((cell) => cell.padStart(11)).join("");
    const rows = STATES.map((state) =>
      row(
        state,
        CLASSES.map((one) => (isPossible(state, one) ? String(this.hits(state, one)) : "-")),
      ),
    );
    return [row("waiting for", CLASSES), ...rows].join("\n");
  }
}

export function isPossible(state: State, replyClass: ReplyClass): boolean {
  return IMPOSSIBLE[state]?.classes.includes(replyClass) !== true;
}

/** The state of a conversation that waits for a reply. */
export function stateOf(step: ModelStep, isTls: boolean, isCheck: boolean): State {
  if (isCheck && step === "mail") return "MAIL of a check";
  if (isCheck && step === "rcpt") return "RCPT of a check";
  return step === "ehlo" && isTls ? "EHLO under TLS" : STATE_OF[step];
}

export function classOf({ entry, reply }: Arrival): ReplyClass {
  if (reply === null) return "nonsense";
  if (entry === null) return reply.code === 421 ? "early 421" : "unexpected";
  if (reply.code === 421) return "421";
  return (["2xx", "3xx", "4xx", "5xx"] as const)[Math.floor(reply.code / 100) - 2] ?? "nonsense";
}
