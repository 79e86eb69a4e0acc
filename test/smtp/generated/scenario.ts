import type { AuthMechanism, Pipelining } from "../../../src/domain/definition-fields.ts";
import type { Checkpoint } from "../../../src/domain/delivery.ts";
import type { OAuthMechanism } from "../../../src/domain/oauth.ts";
import type { Security } from "../../../src/domain/smtp-server.ts";
import type { Choices } from "./choices.ts";
import type { ReplyClass, State } from "./coverage.ts";

export interface Login {
  readonly kind: "password" | "oauth2";
  readonly username: string;
  readonly secret: string;
  readonly mechanism: AuthMechanism | OAuthMechanism;
  readonly host: string;
  readonly port: number;
}

/** One message, or a check of addresses. */
export type Work =
  | {
      readonly kind: "message";
      readonly from: string;
      readonly recipient: string;
      readonly bytes: Uint8Array;
      readonly utf8Headers: boolean;
      readonly pipelining: Pipelining;
      readonly mayUseBdat: boolean;
      readonly survivesRejection: boolean;
    }
  | { readonly kind: "check"; readonly from: string; readonly recipient: string | null };

/** Handling of a chunk without an accepted recipient. Each occurs in some server. */
export type ChunkHandling = "discard" | "keep-sender" | "execute" | "accept";

/** Everything that is decided before the first byte. */
export interface Scenario {
  readonly security: Security;
  readonly login: Login | null;
  readonly until: Checkpoint | undefined;
  /** Keywords of the replies to EHLO, before TLS and under it. */
  readonly clear: readonly string[];
  readonly tls: readonly string[];
  readonly chunks: ChunkHandling;
  /** How often the server does not reply properly, in percent. */
  readonly trouble: number;
  /** How often the bytes of the server are split, in percent. */
  readonly splits: number;
  readonly work: readonly Work[];
  /** Incidents that occur in any case. */
  readonly incidents: readonly Incident[];
}

/** An input for the `nth` time that the conversation waits in a state, counted from 0. */
export interface Incident {
  readonly state: State;
  readonly nth: number;
  readonly replyClass: ReplyClass;
}

const BODIES: readonly [string, ...string[]] = [
  "Subject: Hello\r\n\r\nHello\r\n",
  ".\r\n..\r\n.dots\r\n. \r\n",
  // Content for a server that runs a rejected chunk as commands.
  "NOOP\r\nRSET\r\nHELP\r\nQUIT\r\n",
  "\r\n",
  "Gr\u00fc\u00dfe\r\n",
];
const LINE = `${"x".repeat(76)}\r\n`;
/** Longer than the last piece of DATA, longer than two pieces, and at the bound of BDAT. */
const LONG_BODIES: readonly [string, ...string[]] = [
  LINE.repeat(300),
  LINE.repeat(1_100),
  `${LINE.repeat(840)}${"y".repeat(14)}\r\n`,
];
const TROUBLE = [4, 0, 15, 40] as const;
const PASSWORD = "a password";
/** Base64 of it makes AUTH PLAIN longer than 512 octets. */
const LONG_PASSWORD = "p".repeat(400);
/** The last two cannot be sent: a response of RFC 4954 4 has at most 12,288 octets, and \x01 ends a field. */
const TOKENS = ["a.token", "t".repeat(400), "", "t".repeat(9_200), "a\x01token"] as const;

export function chooseScenario(choices: Choices): Scenario {
  const security = choices.pick<Security>(["starttls", "none", "implicit"]);
  const hasLogin = choices.chance(40);
  return {
    security,
    login: hasLogin ? chooseLogin(choices) : null,
    until: choices.chance(5) ? choices.pick<Checkpoint>(["connect", "tls", "auth"]) : undefined,
    clear: [...chooseKeywords(choices), ...(choices.chance(8) ? [] : ["STARTTLS"])],
    tls: chooseKeywords(choices),
    chunks: choices.pick<ChunkHandling>(["discard", "keep-sender", "execute", "accept"]),
    trouble: choices.pick(TROUBLE),
    splits: choices.pick([0, 30, 95]),
    work: Array.from({ length: choices.below(5) }, (_, index) => chooseWork(choices, index)),
    incidents: [],
  };
}

function chooseLogin(choices: Choices): Login {
  const target = { username: choices.pick(["us\u00e9r", "a=b,c"]), host: "mx.test", port: 587 };
  if (choices.chance(40)) {
    const secret = choices.chance(40) ? choices.pick(TOKENS) : TOKENS[0];
    const mechanism = choices.pick<OAuthMechanism>(["auto", "auto", "xoauth2", "oauthbearer"]);
    return { kind: "oauth2", ...target, secret, mechanism };
  }
  const secret = choices.pick([PASSWORD, PASSWORD, PASSWORD, LONG_PASSWORD, ""]);
  const mechanism = choices.pick<AuthMechanism>([
    "auto",
    "auto",
    "auto",
    "auto",
    "plain",
    "login",
    "cram-md5",
  ]);
  return { kind: "password", ...target, secret, mechanism };
}

function chooseKeywords(choices: Choices): readonly string[] {
  const mechanisms = choices.some(["LOGIN", "PLAIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"], 75).join(" ");
  const size = choices.pick(["SIZE 1000000", "size", "SIZE 20MB", "SIZE 40"]);
  const others = [
    "PIPELINING",
    "CHUNKING",
    "8BITMIME",
    "smtputf8",
    size,
    "X-MAX-SIZE 10",
    "ENHANCEDSTATUSCODES",
  ];
  const auth = choices.pick([`AUTH ${mechanisms}`, `AUTH=${mechanisms}`, `auth ${mechanisms.toLowerCase()}`]);
  return [...choices.some(others, 85), ...(choices.chance(8) ? [] : [auth])];
}

function chooseWork(choices: Choices, index: number): Work {
  const from = choices.pick([`a${index}@example.org`, "", '"a b"@example.org', `\u00e4${index}@example.org`]);
  const recipient = choices.chance(5) ? `\u00e4${index}@example.net` : `b${index}@example.net`;
  if (choices.chance(8)) return { kind: "check", from, recipient: choices.chance(25) ? null : recipient };
  const text = choices.pick(choices.chance(10) ? LONG_BODIES : BODIES);
  return {
    kind: "message",
    from,
    recipient,
    bytes: new TextEncoder().encode(text),
    utf8Headers: /[^\0-\x7f]/.test(text) && choices.chance(30),
    pipelining: choices.chance(20) ? "off" : "auto",
    mayUseBdat: !choices.chance(30),
    survivesRejection: choices.chance(50),
  };
}
