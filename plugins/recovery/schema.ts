import { described, mailAddress, newPassword } from "sealpost/plugin";
import * as v from "valibot";

const MAX_NAME_CHARACTERS = 255;
/** Longer than any code. */
const MAX_CODE_CHARACTERS = 64;

/** Any name that a directory may use. */
const name = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_NAME_CHARACTERS, `expected at most ${MAX_NAME_CHARACTERS} characters`),
  v.check((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text), "expected one line without control characters"),
);
const realm = v.optional(described(name, "Default: that of the directory"), "");

/** Parameters of a request for a link. */
export const recoverParams = v.object({
  user: name,
  realm,
  email: described(mailAddress, "The user's address in the directory, in any letter case"),
});
export type RecoverParams = v.InferOutput<typeof recoverParams>;

/** Parameters of a new password. */
export const resetParams = v.object({
  user: name,
  realm,
  recoverycode: v.pipe(
    v.string("expected a text"),
    v.maxLength(MAX_CODE_CHARACTERS, `expected at most ${MAX_CODE_CHARACTERS} characters`),
  ),
  password: newPassword,
});
export type ResetParams = v.InferOutput<typeof resetParams>;
