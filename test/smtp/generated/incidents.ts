import type { Security } from "../../../src/domain/smtp-server.ts";
import type { Choices } from "./choices.ts";
import { CLASSES, isPossible, type ReplyClass, STATES, type State } from "./coverage.ts";
import type { Incident, Login, Scenario, Work } from "./scenario.ts";

/** Returns the incidents of a scenario, each at its state and time. */
export class Incidents {
  readonly #incidents: readonly Incident[];
  readonly #visits = new Map<State, number>();

  constructor(incidents: readonly Incident[]) {
    this.#incidents = incidents;
  }

  /** Called each time a state is reached. @returns the incident that has to occur, or `null`. */
  take(state: State): ReplyClass | null {
    const visit = this.#visits.get(state) ?? 0;
    this.#visits.set(state, visit + 1);
    const incident = this.#incidents.find((one) => one.state === state && one.nth === visit);
    return incident?.replyClass ?? null;
  }
}

/** A state, and the input there. */
export interface Goal {
  readonly state: State;
  readonly replyClass: ReplyClass;
}

export const GOALS: readonly Goal[] = STATES.flatMap((state) =>
  CLASSES.filter((replyClass) => isPossible(state, replyClass)).map((replyClass) => ({ state, replyClass })),
);

/** The conditions under which a state is reached. */
interface Route {
  readonly scenario?: Partial<Omit<Scenario, "work">>;
  readonly work?: Partial<Work & { readonly kind: "message" }>;
  readonly isCheck?: true;
  /** Incidents that lead there. */
  readonly before?: Incident;
}

const LOGIN: Login = {
  kind: "password",
  username: "user",
  secret: "a password",
  mechanism: "auto",
  host: "mx.test",
  port: 25,
};
const TOKEN_LOGIN: Login = { ...LOGIN, kind: "oauth2", secret: "a.token" };
const LONG = new TextEncoder().encode("A line of a long message\r\n".repeat(1_000));
const KEYWORDS = [
  "PIPELINING",
  "CHUNKING",
  "8BITMIME",
  "SMTPUTF8",
  "AUTH LOGIN OAUTHBEARER CRAM-MD5 XOAUTH2 PLAIN",
  "STARTTLS",
];
const BY_DATA = { work: { mayUseBdat: false } } as const;
const IN_LOCKSTEP = { work: { pipelining: "off" } } as const;

const ROUTES: Readonly<Record<State, Route>> = {
  greeting: {},
  EHLO: { scenario: { security: "none" } },
  "EHLO under TLS": { scenario: { security: "starttls" } },
  HELO: { scenario: { security: "none" }, before: { state: "EHLO", nth: 0, replyClass: "5xx" } },
  STARTTLS: { scenario: { security: "starttls" } },
  handshake: { scenario: { security: "starttls" } },
  AUTH: { scenario: { login: LOGIN } },
  "response of AUTH": { scenario: { login: LOGIN, security: "none" } },
  // The message itself is rejected first.
  RSET: {
    work: { survivesRejection: true, pipelining: "off" },
    before: { state: "message, whole", nth: 0, replyClass: "4xx" },
  },
  // In a flight, bytes after the reply belong to the next command.
  MAIL: IN_LOCKSTEP,
  RCPT: IN_LOCKSTEP,
  DATA: BY_DATA,
  "message, in part": { work: { bytes: LONG, mayUseBdat: false } },
  "message, whole": BY_DATA,
  BDAT: {},
  "MAIL of a check": { isCheck: true },
  "RCPT of a check": { isCheck: true },
  "next message": {},
  QUIT: {},
};

const ADDRESSES = { from: "a@example.org", recipient: "b@example.net" } as const;
const MESSAGE = {
  kind: "message",
  ...ADDRESSES,
  bytes: new TextEncoder().encode("A short message\r\n"),
  utf8Headers: false,
  pipelining: "auto",
  mayUseBdat: true,
  survivesRejection: false,
} as const satisfies Work;
/** A server that offers everything and replies properly. */
const FRIENDLY = {
  security: "implicit",
  login: null,
  until: undefined,
  clear: KEYWORDS,
  tls: KEYWORDS,
  trouble: 0,
  splits: 0,
} as const satisfies Partial<Scenario>;

/** Changes a scenario so that it leads to a goal. All other choices stay. */
export function guide(chosen: Scenario, { state, replyClass }: Goal): Scenario {
  const { scenario, work, isCheck, before } = ROUTES[state];
  const message: Work = { ...MESSAGE, ...work };
  const first: readonly Work[] = isCheck ? [{ kind: "check", ...ADDRESSES }] : [message, message];
  return {
    ...chosen,
    ...FRIENDLY,
    ...scenario,
    work: [...first, ...chosen.work],
    incidents: [...(before === undefined ? [] : [before]), { state, nth: 0, replyClass }],
  };
}

interface Chain {
  readonly states: readonly [State, ...State[]];
  readonly scenario: Partial<Scenario>;
  readonly work: readonly Work[];
}

/** Chains of incidents, because one alone shows little in flights of several messages and in logins. */
const CHAINS: readonly [Chain, ...Chain[]] = [
  {
    states: ["RSET", "MAIL", "RCPT", "BDAT"],
    scenario: {},
    work: Array.from({ length: 4 }, (): Work => ({ ...MESSAGE, survivesRejection: true })),
  },
  {
    states: ["RSET", "MAIL", "RCPT", "DATA", "message, whole"],
    scenario: {},
    work: Array.from({ length: 4 }, (): Work => ({ ...MESSAGE, survivesRejection: true, mayUseBdat: false })),
  },
  { states: ["AUTH", "response of AUTH"], scenario: { login: LOGIN }, work: [MESSAGE] },
  { states: ["AUTH", "response of AUTH"], scenario: { login: TOKEN_LOGIN }, work: [MESSAGE] },
];
const VISITS = [0, 1, 2];
const INCIDENT_PERCENT = 35;

/** A friendly server with a chain of incidents. */
export function chain(chosen: Scenario, choices: Choices): Scenario {
  const { states, scenario, work } = choices.pick(CHAINS);
  const security = choices.pick<Security>(["implicit", "starttls", "none"]);
  const places = VISITS.flatMap((nth) => states.map((state) => ({ state, nth })));
  const incidents = places
    .filter(() => choices.chance(INCIDENT_PERCENT))
    .map((place) => ({ ...place, replyClass: choices.pick<ReplyClass>(["5xx", "lost", "4xx", ...CLASSES]) }));
  return { ...chosen, ...FRIENDLY, security, ...scenario, work, incidents };
}
