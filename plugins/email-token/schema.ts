import { described, mailAddress, phoneNumber, wholeNumber } from "sealpost/plugin";
import * as v from "valibot";
import { TOKEN_TYPES } from "./store.ts";
import type { Issued, Trigger, Unsent } from "./trigger.ts";

const MOST_CHARACTERS = 255;
/** As much as is hashed, at four bytes a character. */
const MOST_PASS_CHARACTERS = 256;
const MOST_PAGE = 1_000_000;
const MOST_PAGE_SIZE = 1_000;
/** What the reference shows on one page. */
const PAGE_SIZE = 15;
const OTP_DIGITS = { min: 6, max: 8 } as const;

const text = (most = MOST_CHARACTERS) =>
  v.pipe(v.string("expected a text"), v.maxLength(most, `expected at most ${most} characters`));
const tokenType = v.picklist(TOKEN_TYPES, `expected ${TOKEN_TYPES.join(" or ")}`);
const flag = v.boolean("expected true or false");
const serial = v.pipe(
  v.string("expected a text"),
  v.regex(/^[A-Za-z0-9_-]{0,40}$/, "expected at most 40 letters, digits, _ and -"),
);

const whom = {
  user: v.optional(described(text(), "Name of the owner; user@realm, where no realm is said"), ""),
  realm: v.optional(described(text(), "Empty: the directory's default"), ""),
};

/** Parameters of POST /token/init. */
export const initParams = v.object({
  type: tokenType,
  ...whom,
  email: v.optional(described(mailAddress, "Where codes of this token go")),
  dynamic_email: v.optional(described(flag, "Codes go to the address that the directory has then"), false),
  phone: v.optional(described(phoneNumber, "The same for SMS")),
  dynamic_phone: v.optional(flag, false),
  pin: v.optional(
    described(
      text(MOST_PASS_CHARACTERS),
      "What triggers a code at POST /validate/check; one for all tokens of a user. Empty: theirs, or none",
    ),
    "",
  ),
  otplen: v.optional(
    described(wholeNumber(OTP_DIGITS.min, OTP_DIGITS.max), "Digits of a code"),
    OTP_DIGITS.min,
  ),
  description: v.optional(text(), ""),
  serial: v.optional(described(serial, "Default: a new one")),
});
export type InitParams = v.InferOutput<typeof initParams>;

export const listParams = v.object({
  ...whom,
  serial: v.optional(serial),
  type: v.optional(tokenType),
  page: v.optional(wholeNumber(1, MOST_PAGE), 1),
  pagesize: v.optional(wholeNumber(1, MOST_PAGE_SIZE), PAGE_SIZE),
});

export const serialParams = v.object({ serial: text() });

/** Tokens by name or by owner. */
export const namedParams = v.object({ ...whom, serial: v.optional(serial, "") });

export const triggerParams = v.object({
  ...namedParams.entries,
  type: v.optional(described(tokenType, "Only tokens of this type")),
});

export const checkParams = v.object({
  ...namedParams.entries,
  pass: described(text(MOST_PASS_CHARACTERS), "The PIN; or with transaction_id, the code"),
  transaction_id: v.optional(described(text(), "Of the code; state is another name for it"), ""),
  state: v.optional(text(), ""),
});

/** One token as GET /token/ shows it. */
export const tokenView = v.object({
  serial: v.string(),
  tokentype: tokenType,
  active: v.boolean(),
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
});
export const pageView = v.object({
  count: v.number(),
  current: v.number(),
  prev: v.nullable(v.number()),
  next: v.nullable(v.number()),
  tokens: v.array(tokenView),
});

const attributes = v.object({ state: v.string(), valid_until: v.string() });
const about = {
  serial: v.optional(v.string()),
  type: v.optional(v.string()),
  client_mode: v.optional(v.literal("interactive")),
  message: v.string(),
  attributes: v.optional(attributes),
};

/** `detail` of what authenticates. */
export const validateDetail = v.object({
  ...about,
  transaction_id: v.optional(v.string()),
  transaction_ids: v.optional(v.array(v.string())),
  messages: v.optional(v.array(v.string())),
  multi_challenge: v.optional(v.array(v.object({ ...about, transaction_id: v.string() }))),
  resend_after: v.optional(
    described(v.number(), "The code was sent already; seconds until there may be another"),
  ),
  failures: v.optional(
    described(
      v.array(
        v.object({
          serial: v.string(),
          type: v.string(),
          code: v.string(),
          retry_after: v.nullable(v.number()),
          delivery: v.nullable(v.unknown()),
        }),
      ),
      "Why no code was sent; for admins who may trigger",
    ),
  ),
});

/** `detail` after codes were sent. */
export function challengeDetail(issued: readonly [Issued, ...Issued[]]) {
  const [first] = issued;
  const messages = [...new Set(issued.map(({ message }) => message))];
  const waits = issued.flatMap(({ resendAfter }) => resendAfter ?? []);
  return {
    ...challengeOf(first),
    message: messages.join(", "),
    messages,
    transaction_ids: [...new Set(issued.map(({ transactionId }) => transactionId))],
    multi_challenge: issued.map(challengeOf),
    ...(waits.length === 0 ? {} : { resend_after: Math.min(...waits) }),
  };
}

/** The client's next step, as the reference puts it. */
function challengeOf({ serial, type, transactionId, validUntil, message }: Issued) {
  return {
    ...{ transaction_id: transactionId, serial, type, message },
    client_mode: "interactive" as const,
    attributes: { state: transactionId, valid_until: validUntil },
  };
}

/** Why codes were not sent, for admins. */
export function failuresOf(unsent: readonly Unsent[]) {
  return unsent.map(({ retryAfter, ...why }) => ({ ...why, retry_after: retryAfter }));
}

export function isIssued(issued: Trigger["issued"]): issued is readonly [Issued, ...Issued[]] {
  return issued.length > 0;
}
