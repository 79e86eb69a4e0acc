import type { Context } from "hono";
import { type Env, invalidParameter, language, missingParameter } from "sealpost/plugin";
import type { CheckCode } from "./check.ts";
import { notFound, setTarget } from "./manage.ts";
import type { InitParams } from "./schema.ts";
import type { TokenStore } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/**
 * Ends the enrollment of a token with the code that was sent to it. Wrong codes count as those of a login do.
 * @returns the serial.
 * @throws {SealpostError} `invalid_parameter` for a wrong code, or a token that does not wait for one;
 * `missing_parameter` or `resource_not_found`.
 */
export type VerifyEnrollment = (
  c: Context<Env>,
  params: Pick<InitParams, "serial" | "type" | "verify">,
) => Promise<string>;

/** Creates `verifyEnrollment`. @param checkCode for tokens that wait. */
export function createVerifyEnrollment({
  tokens,
  checkCode,
}: {
  readonly tokens: Pick<TokenStore, "find">;
  readonly checkCode: CheckCode;
}): VerifyEnrollment {
  return async (c, { serial, type, verify }) => {
    if (!serial) throw missingParameter("serial");
    const token = await tokens.find(serial);
    if (token?.type !== type) throw notFound();
    setTarget(c, token);
    if (token.rolloutState !== "verify")
      throw invalidParameter("verify", "the token does not wait for a code");
    const attempt = { transactionId: token.transactionId, code: verify.trim(), limits: [] };
    if ((await checkCode(c, [{ token, owner: null }], attempt)).accepted) return serial;
    throw invalidParameter("verify", TEXTS[language(c, LANGUAGES)].wrongVerification);
  };
}
