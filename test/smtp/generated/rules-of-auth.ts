import { createHmac } from "node:crypto";
import type { Context } from "./context.ts";
import type { Login } from "./scenario.ts";

/** The order under TLS, and in clear text, where the password should not be revealed. */
const ORDER = { tls: ["PLAIN", "LOGIN", "CRAM-MD5"], clear: ["CRAM-MD5", "PLAIN", "LOGIN"] } as const;
/** RFC 4954 4 and 6: the mechanism was rejected, not the credentials. */
const NEXT_MECHANISM: readonly number[] = [500, 502, 504, 534];
const MAX_AUTH_OCTETS = 512;

export function ofAuth(line: string, { scenario, known }: Context): string | null {
  const { login, authMechanism } = scenario;
  if (login === null || known.isLoggedIn || !known.isIntroduced)
    return "AUTH that is not wanted (RFC 4954 4)";
  const earlier = known.entries.filter(({ step }) => step === "auth");
  const end = known.entries.findLast(({ step }) => step === "auth" || step === "response")?.reply?.code;
  if (earlier.length > 0 && !NEXT_MECHANISM.includes(end ?? 0)) return "AUTH again after a rejected login";
  const used = earlier.map((entry) => mechanismOf(entry.line));
  const [next] = ORDER[known.isTls ? "tls" : "clear"].filter(
    (mechanism) =>
      known.mechanisms.includes(mechanism) &&
      !used.includes(mechanism) &&
      (authMechanism === "auto" || authMechanism === mechanism.toLowerCase()),
  );
  if (mechanismOf(line) !== next) return `another mechanism than ${next}`;
  const whole = `AUTH PLAIN ${plain(login)}`;
  const expected = next === "PLAIN" && whole.length + 2 <= MAX_AUTH_OCTETS ? whole : `AUTH ${next}`;
  return line === expected ? null : "AUTH with other arguments";
}

export function ofResponse(line: string, { scenario: { login }, known }: Context): string | null {
  const start = known.entries.findLastIndex(({ step }) => step === "auth");
  const exchange = known.entries.slice(start);
  const mechanism = mechanismOf(exchange[0]?.line ?? "");
  if (login === null) return "a response without a login";
  const challenge = known.last?.reply?.lines[0] ?? "";
  const expected = responsesOf(mechanism, login, challenge)[exchange.length - 1];
  return line === expected ? null : `not response ${exchange.length} of ${mechanism}`;
}

function responsesOf(mechanism: string, login: Login, challenge: string): readonly string[] {
  if (mechanism === "PLAIN") return [plain(login)];
  if (mechanism === "LOGIN") return [base64(login.username), base64(login.password)];
  const hmac = createHmac("md5", login.password).update(Buffer.from(challenge, "base64"));
  return [base64(`${login.username} ${hmac.digest("hex")}`)];
}

export function mechanismOf(line: string): string {
  return line.split(" ")[1] ?? "";
}

function plain({ username, password }: Login): string {
  return base64(`\0${username}\0${password}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
