import { createHmac } from "node:crypto";
import type { AuthMechanism } from "../domain/definition-fields.ts";
import type { OAuthMechanism } from "../domain/oauth.ts";

/** Credentials of AUTH, and the mechanism of the definition. */
export interface Login {
  /** `oauth2`: the secret is an access token, which no mechanism for passwords ever sends. */
  readonly kind: "password" | "oauth2";
  readonly username: string;
  readonly secret: string;
  readonly mechanism: AuthMechanism | OAuthMechanism;
  /** The server as it was dialed, which OAUTHBEARER names to it. */
  readonly host: string;
  readonly port: number;
}

interface Script {
  /** The initial response (RFC 4954 4). Absent if the server sends the first challenge. */
  readonly initial?: string;
  readonly responses: readonly ((challenge: Buffer) => string)[];
}

const SCRIPTS = {
  // RFC 4616 2.
  PLAIN: ({ username, secret }) => ({ initial: `\0${username}\0${secret}`, responses: [] }),
  LOGIN: ({ username, secret }) => ({ responses: [() => username, () => secret] }),
  // RFC 2195 2.
  "CRAM-MD5": ({ username, secret }) => ({
    responses: [(challenge) => `${username} ${createHmac("md5", secret).update(challenge).digest("hex")}`],
  }),
  // Google, "OAuth 2.0 Mechanism". A challenge reports that the token was rejected; the response to it is empty.
  XOAUTH2: ({ username, secret }) => ({
    initial: `user=${username}\x01auth=Bearer ${secret}\x01\x01`,
    responses: [() => ""],
  }),
  // RFC 7628 3.1. The response to a challenge is one separator (3.2.3).
  OAUTHBEARER: ({ username, secret, host, port }) => ({
    initial: `n,a=${saslName(username)},\x01host=${host}\x01port=${port}\x01auth=Bearer ${secret}\x01\x01`,
    responses: [() => "\x01"],
  }),
} as const satisfies Readonly<Record<string, (login: Login) => Script>>;
export type Mechanism = keyof typeof SCRIPTS;

/** Mechanisms in order of preference. Without TLS, the one that does not reveal the password comes first. */
const PREFERENCE = {
  tls: ["PLAIN", "LOGIN", "CRAM-MD5"],
  clear: ["CRAM-MD5", "PLAIN", "LOGIN"],
  oauth2: ["XOAUTH2", "OAUTHBEARER"],
} as const satisfies Record<string, readonly Mechanism[]>;

/** RFC 4954 4: an AUTH line has at most 512 octets, CRLF included, and every server takes a response of 12,288. */
const MAX_LINE_OCTETS = 512;
const MAX_RESPONSE_OCTETS = 12_288;
const CRLF_OCTETS = 2;

/** Replies that reject the mechanism, so that another one may succeed (RFC 4954 4 and 6). */
const MECHANISM_REPLIES: readonly number[] = [500, 502, 504, 534];

/** Bounds of a rejection that is kept. Honest ones have three members. */
const MAX_REJECTION_CHARACTERS = 4096;
const MAX_MEMBERS = 10;

/** Whether a reply to AUTH rejects the mechanism instead of the credentials. */
export function rejectsMechanism(code: number): boolean {
  return MECHANISM_REPLIES.includes(code);
}

/** Returns the mechanisms to use, in order. Empty if the server offers none that is supported and wanted. */
export function mechanismsFor(
  offered: readonly string[],
  isTls: boolean,
  { kind, mechanism: wanted }: Pick<Login, "kind" | "mechanism">,
): readonly Mechanism[] {
  const preference = kind === "oauth2" ? PREFERENCE.oauth2 : PREFERENCE[isTls ? "tls" : "clear"];
  return preference.filter(
    (mechanism) => offered.includes(mechanism) && (wanted === "auto" || wanted.toUpperCase() === mechanism),
  );
}

/**
 * Whether a server can accept the credentials at all. A control character would end a field or a line of the exchange, and
 * an access token has none (RFC 6749 A.12).
 */
export function isAcceptable(login: Login): boolean {
  const { kind, username, secret } = login;
  if (kind === "password" || secret === "") return secret !== "";
  const longest = base64(SCRIPTS.OAUTHBEARER(login).initial);
  const isSafe = /^[ -~]+$/.test(secret) && !/\p{Cc}/u.test(username);
  return isSafe && longest.length + CRLF_OCTETS <= MAX_RESPONSE_OCTETS;
}

/** The client's side of one AUTH exchange (RFC 4954 4). Encodes credentials in UTF-8. */
export class SaslExchange {
  /** The AUTH command, without CRLF. */
  readonly command: string;
  readonly #responses: ((challenge: Buffer) => string)[];
  readonly #isToken: boolean;
  #rejection: string | null = null;

  constructor(mechanism: Mechanism, login: Login) {
    const { initial, responses }: Script = SCRIPTS[mechanism](login);
    const whole = initial === undefined ? `AUTH ${mechanism}` : `AUTH ${mechanism} ${base64(initial)}`;
    const isTooLong = whole.length + CRLF_OCTETS > MAX_LINE_OCTETS;
    this.command = isTooLong ? `AUTH ${mechanism}` : whole;
    this.#isToken = login.kind === "oauth2";
    this.#responses = [...responses];
    if (isTooLong && initial !== undefined) this.#responses.unshift(() => initial);
  }

  /** The challenge by which the server rejected the access token: JSON, or any other text. `null` before it. */
  get rejection(): string | null {
    return this.#rejection;
  }

  /** @returns the response to a challenge, in base64 without CRLF, or `null` if the mechanism has no further one. */
  respond(challenge: string): string | null {
    const octets = Buffer.from(challenge, "base64");
    const next = this.#responses.shift();
    // The last response of a token exchange is the one to a rejection.
    if (this.#isToken && this.#responses.length === 0) this.#rejection ??= octets.toString("utf8");
    return next === undefined ? null : base64(next(octets));
  }
}

/**
 * Reads the JSON of a rejected access token (RFC 7628 3.2.2).
 * @param present makes a text safe to show.
 * @returns its members that are texts or numbers. `null` if it has none.
 */
export function readRejection(
  rejection: string,
  present: (text: string) => string,
): Readonly<Record<string, string>> | null {
  if (rejection.length > MAX_REJECTION_CHARACTERS) return null;
  const members = Object.entries(parseObject(rejection))
    .filter(([name, value]) => /^[\w.-]{1,64}$/.test(name) && /^(string|number)$/.test(typeof value))
    .map(([name, value]) => [name, present(String(value))] as const);
  return members.length === 0 ? null : Object.fromEntries(members.slice(0, MAX_MEMBERS));
}

function parseObject(json: string): object {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Escapes a name (RFC 5801 4). */
function saslName(name: string): string {
  return name.replaceAll("=", "=3D").replaceAll(",", "=2C");
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
