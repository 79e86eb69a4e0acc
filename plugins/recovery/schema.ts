import { described, mailAddress, newPassword } from "sealpost/plugin";
import * as v from "valibot";

const MOST_NAME_CHARACTERS = 255;
/** A code is shorter; what is longer is none. */
const MOST_CODE_CHARACTERS = 64;

/** Whatever a directory calls its users. */
const name = v.pipe(
  v.string("expected a text"),
  v.maxLength(MOST_NAME_CHARACTERS, `expected at most ${MOST_NAME_CHARACTERS} characters`),
  v.check((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), "expected one line without control characters"),
);
const realm = v.optional(described(name, "Default: that of the directory"), "");

/** Of who has forgotten a password. */
export const recoverParams = v.object({
  user: name,
  realm,
  email: described(mailAddress, "The one that the directory knows, in any letter case"),
});
export type RecoverParams = v.InferOutput<typeof recoverParams>;

/** Of who has got a code. */
export const resetParams = v.object({
  user: name,
  realm,
  recoverycode: v.pipe(
    v.string("expected a text"),
    v.maxLength(MOST_CODE_CHARACTERS, `expected at most ${MOST_CODE_CHARACTERS} characters`),
  ),
  password: newPassword,
});
export type ResetParams = v.InferOutput<typeof resetParams>;
