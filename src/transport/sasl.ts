import { createHmac } from "node:crypto";
import type { Mechanism } from "./capabilities.ts";

/** What a client says in one exchange (RFC 4954 4), without CRLF. */
export interface SaslExchange {
  /** The AUTH command. */
  readonly command: string;
  /** The answer to the next challenge, which is base64; null if the mechanism has none left. */
  answer(challenge: string): string | null;
}

type Script = (
  username: string,
  password: string,
) => { readonly initial?: string; readonly answers: readonly ((challenge: Buffer) => string)[] };

const SCRIPTS: Readonly<Record<Mechanism, Script>> = {
  // RFC 4616.
  PLAIN: (username, password) => ({ initial: `\0${username}\0${password}`, answers: [] }),
  LOGIN: (username, password) => ({ answers: [() => username, () => password] }),
  // RFC 2195.
  "CRAM-MD5": (username, password) => ({
    answers: [(challenge) => `${username} ${createHmac("md5", password).update(challenge).digest("hex")}`],
  }),
};

/** Begins to log in; the credentials go out in UTF-8. */
export function beginSasl(mechanism: Mechanism, username: string, password: string): SaslExchange {
  const { initial, answers } = SCRIPTS[mechanism](username, password);
  const left = [...answers];
  return {
    command: `AUTH ${mechanism}${initial === undefined ? "" : ` ${base64(initial)}`}`,
    answer(challenge) {
      const next = left.shift();
      return next === undefined ? null : base64(next(Buffer.from(challenge, "base64")));
    },
  };
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
