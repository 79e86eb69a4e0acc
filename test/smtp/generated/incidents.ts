import { CLASSES, isPossible, type ReplyClass, STATES, type State } from "./coverage.ts";
import type { Incident, Scenario, Work } from "./scenario.ts";

/** Deals the incidents of a scenario out, each at its state and time. */
export class Incidents {
  readonly #incidents: readonly Incident[];
  readonly #visits = new Map<State, number>();

  constructor(incidents: readonly Incident[]) {
    this.#incidents = incidents;
  }

  /** Called once each time that a state is reached. @returns what has to happen there; null: nothing special. */
  take(state: State): ReplyClass | null {
    const visit = this.#visits.get(state) ?? 0;
    this.#visits.set(state, visit + 1);
    const incident = this.#incidents.find((one) => one.state === state && one.nth === visit);
    return incident?.replyClass ?? null;
  }
}

/** A state, and what comes there. */
export interface Goal {
  readonly state: State;
  readonly replyClass: ReplyClass;
}

export const GOALS: readonly Goal[] = STATES.flatMap((state) =>
  CLASSES.filter((replyClass) => isPossible(state, replyClass)).map((replyClass) => ({ state, replyClass })),
);

/** What has to be so that a state is reached. */
interface Route {
  readonly scenario?: Partial<Omit<Scenario, "work">>;
  readonly work?: Partial<Work & { readonly kind: "message" }>;
  readonly isCheck?: true;
  /** What leads there. */
  readonly before?: Incident;
}

const LOGIN = { username: "user", password: "a password" };
const LONG = new TextEncoder().encode("A line of a long message\r\n".repeat(1_000));
const KEYWORDS = ["PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "AUTH CRAM-MD5", "STARTTLS"];
const BY_DATA = { work: { mayUseBdat: false } } as const;

const ROUTES: Readonly<Record<State, Route>> = {
  greeting: {},
  EHLO: { scenario: { security: "none" } },
  "EHLO under TLS": { scenario: { security: "starttls" } },
  HELO: { scenario: { security: "none" }, before: { state: "EHLO", nth: 0, replyClass: "5xx" } },
  STARTTLS: { scenario: { security: "starttls" } },
  handshake: { scenario: { security: "starttls" } },
  AUTH: { scenario: { login: LOGIN } },
  "response of AUTH": { scenario: { login: LOGIN } },
  // The message itself is rejected first.
  RSET: { work: { survivesRejection: true }, before: { state: "BDAT", nth: 0, replyClass: "4xx" } },
  MAIL: {},
  RCPT: {},
  DATA: BY_DATA,
  "message, in part": { work: { bytes: LONG, mayUseBdat: false } },
  "message, whole": BY_DATA,
  BDAT: {},
  "MAIL of a check": { isCheck: true },
  "RCPT of a check": { isCheck: true },
  "next message": {},
  QUIT: {},
};

/** A scenario that leads to a goal; whatever the goal does not ask for stays as it was chosen. */
export function guide(chosen: Scenario, { state, replyClass }: Goal): Scenario {
  const { scenario, work, isCheck, before } = ROUTES[state];
  const addresses = { from: "a@example.org", recipient: "b@example.net" };
  const message: Work = {
    ...{ kind: "message", ...addresses, bytes: new TextEncoder().encode("A short message\r\n") },
    ...{ pipelining: "auto", mayUseBdat: true, survivesRejection: false, ...work },
  };
  const check: Work = { kind: "check", ...addresses };
  return {
    ...chosen,
    ...{ security: "implicit", authMechanism: "auto", login: null, until: undefined },
    ...{ clear: KEYWORDS, tls: KEYWORDS, trouble: 0, splits: 0, ...scenario },
    work: isCheck ? [check, ...chosen.work] : [message, message, ...chosen.work],
    incidents: [...(before === undefined ? [] : [before]), { state, nth: 0, replyClass }],
  };
}
