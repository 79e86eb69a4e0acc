import type { Choices } from "./choices.ts";
import { CLASSES, type ReplyClass } from "./coverage.ts";
import type { ModelStep } from "./knowledge.ts";

/** The server's behavior for one command. */
export interface Behavior {
  /** The bytes of the reply, or those sent instead, in latin1. */
  readonly text: string;
  /** The code that decides the server's own state. `null`: it changes nothing. */
  readonly code: number | null;
  /** Whether it closes the connection afterwards. */
  readonly isGone?: boolean;
  /** Whether it replies other than once: from then on its replies do not match the commands. */
  readonly isOutOfOrder?: boolean;
}

type Kind = (proper: string, choices: Choices) => Behavior;

const TEMPORARY = [
  "451 4.3.0 Later",
  "450",
  "452-4.2.2 Full\r\n452 4.2.2 Really",
  "454 4.7.0 Not now",
  "473\tNot now",
] as const;
const PERMANENT = [
  "550 5.7.1 No",
  "500 5.5.2 What",
  "502 No",
  "503 5.5.1 No",
  "503",
  "504 No",
  "530",
  "534 No",
  "535 5.7.8 No",
  "571 No",
] as const;
const POSITIVE = ["250 Ok", "250\tOk", "251 Forwarded", "220 Hello", "235 Welcome", "221 Bye"] as const;
const INTERMEDIATE = ["354 Go on", "334 ", "334", "334 PDE4OTZAbXg+"] as const;
const CLOSING = ["421 4.3.2 Shutting down", "421"] as const;
const SURPLUS = [...POSITIVE, ...PERMANENT, ...TEMPORARY, ...INTERMEDIATE] as const;
const UNASKED = [...PERMANENT, ...TEMPORARY, ...POSITIVE, ...INTERMEDIATE] as const;
/** A reply without a last line, which the next reply ends. */
const ENDLESS = "250-on\r\n".repeat(9_000);
const NONSENSE = [
  "HTTP/1.1 400 Bad Request\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "199 Hm\r\n",
  "250_Ok\r\n",
  "2500 Ok\r\n",
  " 250 Ok\r\n",
  "\r\n",
  "250-one\r\n251 two\r\n",
  `250 ${"x".repeat(70_000)}`,
  ENDLESS,
] as const;

const of = (line: string): Behavior => ({ text: `${line}\r\n`, code: codeOf(line) });

/** The behaviors of each class. */
const BY_CLASS: Readonly<Record<ReplyClass, readonly [Kind, ...Kind[]]>> = {
  "2xx": [(_proper, choices) => of(choices.pick(POSITIVE))],
  "3xx": [(_proper, choices) => of(choices.pick(INTERMEDIATE))],
  "4xx": [(_proper, choices) => of(choices.pick(TEMPORARY))],
  "5xx": [(_proper, choices) => of(choices.pick(PERMANENT))],
  "421": [(_proper, choices) => ({ ...of(choices.pick(CLOSING)), isGone: true })],
  "early 421": [
    (proper, choices) => ({
      text: `${proper}\r\n${choices.pick(CLOSING)}\r\n`,
      code: codeOf(proper),
      isGone: true,
    }),
  ],
  unexpected: [
    (proper, choices) => ({
      text: `${proper}\r\n${choices.pick(SURPLUS)}\r\n`,
      code: codeOf(proper),
      isOutOfOrder: true,
    }),
  ],
  nonsense: [
    (proper, choices) => {
      const text = choices.pick(NONSENSE);
      return { text, code: codeOf(proper), isOutOfOrder: text === ENDLESS };
    },
  ],
  lost: [
    (proper) => ({ text: "", code: codeOf(proper), isGone: true }),
    (proper) => ({ text: proper.slice(0, 5), code: codeOf(proper), isGone: true }),
    (_proper) => ({ text: "", code: null, isGone: true }),
  ],
};

/** All behaviors of a server, the proper reply first. */
const KINDS: readonly [Kind, ...Kind[]] = [
  of,
  // RFC 5321 4.2: several lines, no text, and lines that end in LF alone, as real servers send them.
  (proper) => ({ text: `${proper.slice(0, 3)}-One\r\n${proper}\r\n`, code: codeOf(proper) }),
  (proper) => ({ text: `${proper.slice(0, 3)}\r\n`, code: codeOf(proper) }),
  (proper) => ({ text: `${proper}\n`.replaceAll("\r\n", "\n"), code: codeOf(proper) }),
  ...CLASSES.map(
    (replyClass): Kind =>
      (proper, choices) =>
        behaviorOf(replyClass, proper, choices),
  ),
  // A missing reply, a doubled one, and an extra one before it.
  (proper) => ({ text: "", code: codeOf(proper), isOutOfOrder: true }),
  (proper) => ({ text: `${proper}\r\n${proper}\r\n`, code: codeOf(proper), isOutOfOrder: true }),
  (proper, choices) => ({
    text: `${choices.pick(SURPLUS)}\r\n${proper}\r\n`,
    code: codeOf(proper),
    isOutOfOrder: true,
  }),
];

export function behaviorOf(replyClass: ReplyClass, proper: string, choices: Choices): Behavior {
  return choices.pick(BY_CLASS[replyClass])(proper, choices);
}

/** @param trouble how often the reply is not the proper one, in percent. */
export function chooseBehavior(step: ModelStep, proper: string, trouble: number, choices: Choices): Behavior {
  if (!choices.chance(trouble)) return of(proper);
  // Without the extensions of a proper reply to EHLO, most states cannot be reached.
  if (step === "ehlo" && choices.chance(70)) return of(proper);
  return choices.pick(KINDS)(proper, choices);
}

/** Classes of what a server sends without a command. */
export const UNASKED_CLASSES = ["unexpected", "early 421", "nonsense"] as const satisfies ReplyClass[];
export type UnaskedClass = (typeof UNASKED_CLASSES)[number];

/** Replies that a server sends without a command. */
export function chooseUnasked(choices: Choices, unaskedClass: UnaskedClass): Behavior {
  const text = {
    unexpected: () => `${choices.pick(UNASKED)}\r\n`,
    "early 421": () => `${choices.pick(CLOSING)}\r\n`,
    nonsense: () => choices.pick([...NONSENSE, "25"]),
  }[unaskedClass]();
  const isGone = choices.chance(50);
  // A server that rejects early and closes has sent its last reply.
  return { text, code: null, isGone, isOutOfOrder: !(isGone && /^[45]/.test(text)) };
}

function codeOf(line: string): number {
  return Number(/(?:^|\n)(\d{3})(?:[ \t][^\n]*)?$/.exec(line)?.[1]);
}
