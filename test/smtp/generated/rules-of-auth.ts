import { createHmac } from "node:crypto";
import type { Context } from "./context.ts";
import type { Login } from "./scenario.ts";

/** The order under TLS, in clear text, where the password should not be revealed, and for access tokens. */
const ORDER = {
  tls: ["PLAIN", "LOGIN", "CRAM-MD5"],
  clear: ["CRAM-MD5", "PLAIN", "LOGIN"],
  oauth2: ["XOAUTH2", "OAUTHBEARER"],
} as const;
/** RFC 4954 4 and 6: the mechanism was rejected, not the credentials. */
const NEXT_MECHANISM: readonly number[] = [500, 502, 504, 534];
const MAX_AUTH_OCTETS = 512;
/** The response that asks for the final reply, after a token was rejected by a challenge (RFC 7628 3.2.3). */
const AFTER_REJECTION: Readonly<Record<string, string>> = { XOAUTH2: "", OAUTHBEARER: "AQ==" };

export function ofAuth(line: string, { scenario: { login }, known }: Context): string | null {
  if (login === null || known.isLoggedIn || !known.isIntroduced)
    return "AUTH that is not wanted (RFC 4954 4)";
  const isToken = login.kind === "oauth2";
  if (isToken && !known.isTls) return "an access token in clear text (RFC 7628 4)";
  if (!/^[ -~]+$/.test(login.secret)) return "AUTH with credentials that no server accepts";
  const earlier = known.entries.filter(({ step }) => step === "auth");
  const last = known.entries.findLast(({ step }) => step === "auth" || step === "response");
  const wasRejected =
    last?.step === "response" && last.line === AFTER_REJECTION[mechanismOf(earlier.at(-1)?.line)];
  if (earlier.length > 0 && (wasRejected || !NEXT_MECHANISM.includes(last?.reply?.code ?? 0)))
    return "AUTH again after a rejected login";
  const used = earlier.map((entry) => mechanismOf(entry.line));
  const [next] = ORDER[isToken ? "oauth2" : known.isTls ? "tls" : "clear"].filter(
    (mechanism) =>
      known.mechanisms.includes(mechanism) &&
      !used.includes(mechanism) &&
      (login.mechanism === "auto" || login.mechanism === mechanism.toLowerCase()),
  );
  if (next === undefined || mechanismOf(line) !== next) return `another mechanism than ${next}`;
  const initial = initialResponse(next, login);
  const whole = `AUTH ${next} ${initial}`;
  const expected = initial !== null && whole.length + 2 <= MAX_AUTH_OCTETS ? whole : `AUTH ${next}`;
  return line === expected ? null : "AUTH with other arguments";
}

export function ofResponse(line: string, { scenario: { login }, known }: Context): string | null {
  const start = known.entries.findLastIndex(({ step }) => step === "auth");
  const exchange = known.entries.slice(start);
  const mechanism = mechanismOf(exchange[0]?.line);
  if (login === null) return "a response without a login";
  const challenge = known.last?.reply?.lines[0] ?? "";
  const isTwoStep = exchange[0]?.line.split(" ").length === 2;
  const responses = responsesOf(mechanism, login, challenge);
  const expected = (isTwoStep ? responses : responses.slice(1))[exchange.length - 1];
  return line === expected ? null : `not response ${exchange.length} of ${mechanism}`;
}

/** Returns all responses of an exchange without an initial one. */
function responsesOf(mechanism: string, login: Login, challenge: string): readonly string[] {
  const initial = initialResponse(mechanism, login);
  const afterRejection = AFTER_REJECTION[mechanism];
  if (initial !== null) return afterRejection === undefined ? [initial] : [initial, afterRejection];
  if (mechanism === "LOGIN") return [base64(login.username), base64(login.secret)];
  const hmac = createHmac("md5", login.secret).update(Buffer.from(challenge, "base64"));
  return [base64(`${login.username} ${hmac.digest("hex")}`)];
}

/** `null`: the server sends the first challenge. */
function initialResponse(mechanism: string, { username, secret, host, port }: Login): string | null {
  if (mechanism === "PLAIN") return base64(`\0${username}\0${secret}`);
  const bearer = `auth=Bearer ${secret}\x01\x01`;
  if (mechanism === "XOAUTH2") return base64(`user=${username}\x01${bearer}`);
  const name = username.replace(/[=,]/g, (sign) => (sign === "=" ? "=3D" : "=2C"));
  if (mechanism !== "OAUTHBEARER") return null;
  return base64(`n,a=${name},\x01host=${host}\x01port=${port}\x01${bearer}`);
}

export function mechanismOf(line = ""): string {
  return line.split(" ")[1] ?? "";
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
