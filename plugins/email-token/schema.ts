import {
  described,
  mailAddress,
  named,
  pageParams,
  pageView,
  phoneNumber,
  serverName,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";
import { MAX_FAILURES, TOKEN_TYPES, type TokenRow } from "./store.ts";
import type { FailedChallenge, SentChallenge, TriggerResult } from "./trigger.ts";

const MAX_CHARACTERS = 255;
const MAX_PAGE_SIZE = 1_000;
/** PINs and passwords are hashed up to 1,024 bytes, and a character takes at most four. */
const MAX_PASS_CHARACTERS = 256;
const OTP_DIGITS = { min: 6, max: 8 } as const;

const text = (max = MAX_CHARACTERS) =>
  v.pipe(v.string("expected a text"), v.maxLength(max, `expected at most ${max} characters`));
const tokenType = v.picklist(TOKEN_TYPES, `expected ${TOKEN_TYPES.join(" or ")}`);
const flag = v.boolean("expected true or false");
const serial = v.pipe(
  v.string("expected a text"),
  v.regex(/^[A-Za-z0-9_-]{0,40}$/, "expected at most 40 letters, digits, _ and -"),
);

/** More wildcards do not improve a search, and slow down the database. */
const MAX_STARS = 3;
const pattern = v.pipe(
  text(),
  v.check((value) => value.split("*").length - 1 <= MAX_STARS, `expected at most ${MAX_STARS} *`),
);

const OWNER_NAME = "Name of the owner, or user@realm if realm is empty";
const owner = {
  user: v.optional(described(text(), OWNER_NAME), ""),
  realm: v.optional(described(text(), "Default: that of the directory"), ""),
};

/** Parameters of POST /token/init. */
export const initParams = v.object({
  type: tokenType,
  ...owner,
  email: v.optional(described(mailAddress, "Address that codes are sent to")),
  dynamic_email: v.optional(
    described(flag, "Send codes to the address in the directory at that time"),
    false,
  ),
  phone: v.optional(described(phoneNumber, "Phone number that codes are sent to")),
  dynamic_phone: v.optional(flag, false),
  pin: v.optional(
    described(
      text(MAX_PASS_CHARACTERS),
      "Triggers a code at POST /validate/check. All tokens of a user share it. If empty, the PIN of the user's other tokens is used, or none",
    ),
    "",
  ),
  otplen: v.optional(
    described(wholeNumber(OTP_DIGITS.min, OTP_DIGITS.max), "Digits of a code"),
    OTP_DIGITS.min,
  ),
  description: v.optional(text(), ""),
  serial: v.optional(described(serial, "Default: a new serial")),
  "email.identifier": v.optional(
    described(serverName, "Server definition for codes of this token. Default: the setting"),
    "",
  ),
  "sms.identifier": v.optional(
    described(serverName, "SMS gateway for codes of this token. Default: the setting"),
    "",
  ),
  verify: v.optional(
    described(text(), "Code that was sent to the token with this serial; ends its enrollment"),
    "",
  ),
});
export type InitParams = v.InferOutput<typeof initParams>;

export const listParams = v.object({
  ...owner,
  tokenrealm: v.optional(described(pattern, "Realm of the owner; * stands for any characters")),
  serial: v.optional(described(pattern, "* stands for any characters")),
  type: v.optional(described(pattern, "email or sms; there are no tokens of other types")),
  page: pageParams.page,
  pagesize: v.optional(
    described(wholeNumber(0, MAX_PAGE_SIZE), "Tokens on a page; with 0, only their number is returned"),
    pageParams.page_size.default,
  ),
});

export type ListParams = v.InferOutput<typeof listParams>;

const failures = v.array(
  v.object({
    serial: v.string(),
    type: v.string(),
    code: v.string(),
    retry_after: v.nullable(v.number()),
    delivery: v.nullable(v.unknown()),
  }),
);

/** `detail` of an enrollment. */
export const enrolledDetail = v.object({
  serial: v.string(),
  rollout_state: v.optional(v.picklist(["verify", "enrolled"])),
  verify: v.optional(
    described(v.object({ message: v.string(), valid_until: v.string() }), "The code that was sent"),
  ),
  failures: v.optional(described(failures, "Why no code was sent")),
});

export const serialParams = v.object({ serial: text() });

/** Parameters that select tokens by serial or by owner. */
export const namedParams = v.object({ ...owner, serial: v.optional(serial, "") });

export type NamedParams = v.InferOutput<typeof namedParams>;

/** Parameters of POST /token/assign. */
export const assignParams = v.object({
  ...namedParams.entries,
  pin: v.optional(described(text(MAX_PASS_CHARACTERS), "As at the enrollment"), ""),
});
export type AssignParams = v.InferOutput<typeof assignParams>;

/** Parameters of POST /token/description. */
export const describeParams = v.object({
  ...namedParams.entries,
  description: v.optional(described(text(), "Required; an empty text removes it")),
});

/** Parameters of POST /token/set. What is absent stays. */
export const setParams = v.object({
  ...namedParams.entries,
  description: v.optional(described(text(), "Required without a pin; an empty text removes it")),
  pin: v.optional(
    described(text(MAX_PASS_CHARACTERS), "As otppin at POST /token/setpin; needs the right setpin as well"),
  ),
});
export type SetParams = v.InferOutput<typeof setParams>;

/** Parameters of POST /token/setpin. */
export const pinParams = v.object({
  ...namedParams.entries,
  otppin: v.optional(
    described(text(MAX_PASS_CHARACTERS), "The new PIN of the user, for all tokens; an empty text removes it"),
  ),
});
export type PinParams = v.InferOutput<typeof pinParams>;

export const triggerParams = v.object({
  ...namedParams.entries,
  type: v.optional(described(tokenType, "Only tokens of this type")),
});

/** Any text that a person types is a guess. One that is too long stays longer than every name, PIN and code. */
const typed = (max: number, cut: (text: string) => string) =>
  v.pipe(
    v.string("expected a text"),
    v.transform((text) => (text.length > max ? cut(text) : text)),
  );
/** No name has a slash, also no realm of a name that is cut behind its `@`. */
const typedName = typed(MAX_CHARACTERS, (text) => `${text.slice(0, MAX_CHARACTERS)}/`);
const typedPass = typed(MAX_PASS_CHARACTERS, (text) => text.slice(0, MAX_PASS_CHARACTERS + 1));

export const checkParams = v.object({
  ...namedParams.entries,
  user: v.optional(described(typedName, OWNER_NAME), ""),
  pass: v.optional(
    described(
      typedPass,
      "The PIN, or with transaction_id the code; required, and never right if it is empty",
    ),
  ),
  transaction_id: v.optional(described(text(), "Transaction of the code; state is an alias"), ""),
  state: v.optional(text(), ""),
});

export const pollParams = v.object({ transaction_id: text() });

/** `detail` of a poll. */
export const pollDetail = v.object({ challenge_status: v.literal("pending") });

/** One token as GET /token/ shows it. */
const tokenView = named(
  "Token",
  v.object({
    serial: v.string(),
    tokentype: tokenType,
    active: v.boolean(),
    revoked: v.boolean(),
    rollout_state: v.string(),
    locked: v.boolean(),
    failcount: v.number(),
    maxfail: v.number(),
    otplen: v.number(),
    description: v.string(),
    username: v.string(),
    user_realm: v.string(),
    realms: v.array(v.string()),
    has_pin: v.boolean(),
    info: v.record(v.string(), v.union([v.string(), v.boolean()])),
    created: v.string(),
  }),
);
export function toTokenView(row: TokenRow): v.InferOutput<typeof tokenView> {
  const { serial, type, address, description, username, realm, active, revoked, rolloutState, identifier } =
    row;
  const name = type === "email" ? "email" : "phone";
  return {
    serial,
    tokentype: type,
    active,
    revoked,
    rollout_state: rolloutState,
    locked: row.failCount >= MAX_FAILURES,
    failcount: row.failCount,
    maxfail: MAX_FAILURES,
    otplen: row.otpLength,
    description,
    username,
    user_realm: realm,
    realms: realm === "" ? [] : [realm],
    has_pin: row.pinHash !== "",
    info: {
      ...(address === "" ? { [`dynamic_${name}`]: true } : { [name]: address }),
      ...(identifier === "" ? {} : { [`${type}.identifier`]: identifier }),
    },
    created: row.createdAt.toISOString(),
  };
}

/** `GET /token/`. */
export const tokenPage = v.object({ ...pageView, tokens: v.array(tokenView) });

const attributes = v.object({ state: v.string(), valid_until: v.string() });
const about = {
  serial: v.optional(v.string()),
  type: v.optional(v.string()),
  client_mode: v.optional(v.literal("interactive")),
  message: v.string(),
  attributes: v.optional(attributes),
};

/** `detail` of responses that authenticate. */
export const validateDetail = v.object({
  ...about,
  transaction_id: v.optional(v.string()),
  transaction_ids: v.optional(v.array(v.string())),
  messages: v.optional(v.array(v.string())),
  multi_challenge: v.optional(v.array(v.object({ ...about, transaction_id: v.string() }))),
  preferred_client_mode: v.optional(v.literal("interactive")),
  resend_after: v.optional(
    described(v.number(), "Seconds until another code can be sent, if one is already on its way"),
  ),
  failures: v.optional(
    described(failures, "Why no code was sent. Only for admins with the right triggerchallenge"),
  ),
});

/** Returns `detail` after codes were sent. */
export function toChallengeDetail(issued: readonly [SentChallenge, ...SentChallenge[]]) {
  const [first] = issued;
  const messages = [...new Set(issued.map(({ message }) => message))];
  const waits = issued.flatMap(({ resendAfter }) => resendAfter ?? []);
  return {
    ...toChallenge(first),
    message: messages.join(", "),
    messages,
    transaction_ids: [...new Set(issued.map(({ transactionId }) => transactionId))],
    multi_challenge: issued.map(toChallenge),
    preferred_client_mode: "interactive" as const,
    ...(waits.length === 0 ? {} : { resend_after: Math.min(...waits) }),
  };
}

/** The client's next step, in privacyIDEA's format. */
function toChallenge({ serial, type, transactionId, validUntil, message }: SentChallenge) {
  return {
    transaction_id: transactionId,
    serial,
    type,
    message,
    client_mode: "interactive" as const,
    attributes: { state: transactionId, valid_until: validUntil },
  };
}

/** Returns why codes were not sent, for admins. */
export function toFailures(unsent: readonly FailedChallenge[]) {
  return unsent.map(({ retryAfter, ...why }) => ({ ...why, retry_after: retryAfter }));
}

export function isSent(
  issued: TriggerResult["issued"],
): issued is readonly [SentChallenge, ...SentChallenge[]] {
  return issued.length > 0;
}
