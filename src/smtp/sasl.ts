import { createHmac } from "node:crypto";
import type { AuthMechanism } from "../domain/definition-fields.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

interface Script {
  /** The initial response (RFC 4954 4). Absent if the server sends the first challenge. */
  readonly initial?: string;
  readonly responses: readonly ((challenge: Buffer) => string)[];
}

const SCRIPTS = {
  // RFC 4616 2.
  PLAIN: ({ username, password }) => ({ initial: `\0${username}\0${password}`, responses: [] }),
  LOGIN: ({ username, password }) => ({ responses: [() => username, () => password] }),
  // RFC 2195 2.
  "CRAM-MD5": ({ username, password }) => ({
    responses: [(challenge) => `${username} ${createHmac("md5", password).update(challenge).digest("hex")}`],
  }),
} as const satisfies Readonly<Record<string, (credentials: Credentials) => Script>>;
export type Mechanism = keyof typeof SCRIPTS;

/** Mechanisms in order of preference. Without TLS, the one that does not reveal the password comes first. */
const PREFERENCE = {
  tls: ["PLAIN", "LOGIN", "CRAM-MD5"],
  clear: ["CRAM-MD5", "PLAIN", "LOGIN"],
} as const satisfies Record<string, readonly Mechanism[]>;

/** RFC 4954 4: an AUTH line has at most 512 octets, CRLF included. */
const MAX_LINE_OCTETS = 512;
const CRLF_OCTETS = 2;

/** Replies that reject the mechanism, so that another one may succeed (RFC 4954 4 and 6). */
const MECHANISM_REPLIES: readonly number[] = [500, 502, 504, 534];

/** Whether a reply to AUTH rejects the mechanism instead of the credentials. */
export function rejectsMechanism(code: number): boolean {
  return MECHANISM_REPLIES.includes(code);
}

/** Returns the mechanisms to use, in order. Empty if the server offers none that is supported and wanted. */
export function mechanismsFor(
  offered: readonly string[],
  isTls: boolean,
  wanted: AuthMechanism,
): readonly Mechanism[] {
  return PREFERENCE[isTls ? "tls" : "clear"].filter(
    (mechanism) => offered.includes(mechanism) && (wanted === "auto" || wanted.toUpperCase() === mechanism),
  );
}

/** The client's side of one AUTH exchange (RFC 4954 4). Encodes credentials in UTF-8. */
export class SaslExchange {
  /** The AUTH command, without CRLF. */
  readonly command: string;
  readonly #responses: ((challenge: Buffer) => string)[];

  constructor(mechanism: Mechanism, credentials: Credentials) {
    const script: Script = SCRIPTS[mechanism](credentials);
    const whole =
      script.initial === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${base64(script.initial)}`;
    const { initial } = script;
    const isTooLong = whole.length + CRLF_OCTETS > MAX_LINE_OCTETS;
    this.command = isTooLong ? `AUTH ${mechanism}` : whole;
    this.#responses = [...script.responses];
    if (isTooLong && initial !== undefined) this.#responses.unshift(() => initial);
  }

  /** @returns the response to a challenge, in base64 without CRLF, or `null` if the mechanism has no further one. */
  respond(challenge: string): string | null {
    const next = this.#responses.shift();
    return next === undefined ? null : base64(next(Buffer.from(challenge, "base64")));
  }
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
