import { mailAddress, newPassword, personName, phoneNumber, spelledName } from "sealpost/plugin";
import * as v from "valibot";

const MAX_TEXT_CHARACTERS = 255;

const given = v.pipe(personName, v.nonEmpty("expected a name"));
const text = v.pipe(v.string("expected a text"), v.maxLength(MAX_TEXT_CHARACTERS));

/** In the order in which missing parameters are reported. */
export const registerParams = v.object({
  username: spelledName,
  surname: given,
  givenname: given,
  email: mailAddress,
  password: newPassword,
  phone: v.optional(phoneNumber),
  mobile: v.optional(v.pipe(phoneNumber, v.description("Used if phone is absent"))),
});
export type RegisterParams = v.InferOutput<typeof registerParams>;

export const confirmParams = v.object({
  transaction_id: v.pipe(text, v.description("From the detail of POST /register")),
  code: v.pipe(text, v.description("From the message; letter case, spaces and hyphens do not matter")),
});

export const pendingView = v.object({
  transaction_id: v.string(),
  valid_until: v.pipe(v.string(), v.description("ISO 8601, UTC")),
});
export const confirmedView = v.object({
  message: v.optional(v.string()),
  username: v.optional(v.string()),
  realm: v.optional(v.string()),
});
