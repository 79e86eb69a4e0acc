import {
  accountName,
  described,
  invalidParameter,
  mailAddress,
  missingParameter,
  named,
  nameKey,
  newPassword,
  pageParams,
  personName,
  phoneNumber,
  type UserName,
  userName,
} from "sealpost/plugin";
import * as v from "valibot";
import type { UserRow } from "./store.ts";

/** Also the largest page. */
const DEFAULT_PAGE_SIZE = 1_000;
const MAX_PATTERN_CHARACTERS = 255;
/** For a certificate and its chain. */
const MAX_CERTIFICATE_CHARACTERS = 65_535;
/** Longer than any code. */
const MAX_CODE_CHARACTERS = 64;
/** More wildcards do not improve a search, and slow down the database. */
const MAX_STARS = 3;

const certificate = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CERTIFICATE_CHARACTERS, `expected at most ${MAX_CERTIFICATE_CHARACTERS} characters`),
);

const CERTIFICATE =
  "Certificate to which mail for email is encrypted, as PEM text, chain included in any order";

/** The name of a user. Each parameter has two names in use. */
const nameParams = {
  username: v.optional(
    described(accountName, "Unique in the realm, regardless of letter case; required, also as user"),
  ),
  user: v.optional(described(accountName, "The same as username")),
  realm: v.optional(described(userName, "Default: the realm of the plugin's options")),
  resolver: v.optional(described(userName, "The same as realm")),
};

/** Parameters of a new user. */
export const newUserParams = v.object({
  ...nameParams,
  email: v.optional(mailAddress),
  phone: v.optional(phoneNumber),
  mobile: v.optional(described(phoneNumber, "The same as phone")),
  givenname: v.optional(personName, ""),
  surname: v.optional(personName, ""),
  certificate: v.optional(described(certificate, CERTIFICATE), ""),
  password: v.optional(described(newPassword, "If absent, the user has no password until one is set")),
});
export type NewUserParams = v.InferOutput<typeof newUserParams>;

/** An empty text clears the value. */
const clearable = <S extends v.GenericSchema<string, string>>(schema: S, problem: string) =>
  v.optional(v.pipe(v.string("expected a text"), v.union([v.literal(""), schema], problem)));
const clearablePhone = clearable(phoneNumber, "expected a phone number, such as +49 170 1234567");

const code = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CODE_CHARACTERS, `expected at most ${MAX_CODE_CHARACTERS} characters`),
);

/** Parameters of a change. Fields that are absent stay. */
export const changedUserParams = v.object({
  ...nameParams,
  email: clearable(mailAddress, "expected one address, such as ann@example.org"),
  phone: clearablePhone,
  mobile: clearablePhone,
  givenname: v.optional(personName),
  surname: v.optional(personName),
  certificate: v.optional(described(certificate, `${CERTIFICATE}; an empty text removes it`)),
  password: v.optional(described(newPassword, "If empty, the password stays")),
  confirm_email: v.optional(
    described(
      v.boolean("expected true or false"),
      "Whether a new email waits until the code that is sent to it is given as confirm",
    ),
    false,
  ),
  confirm: v.optional(
    described(code, "Code that was sent to the new address, which then replaces the old one"),
    "",
  ),
});
export type ChangedUserParams = v.InferOutput<typeof changedUserParams>;

/** `detail` of a change whose new address needs a code. */
export const changedDetail = v.object({
  message: v.optional(described(v.string(), "Why the value is false")),
  valid_until: v.optional(described(v.string(), "End of the code; ISO 8601, UTC")),
  failures: v.optional(
    described(
      v.array(v.object({ code: v.string(), delivery: v.nullable(v.unknown()) })),
      "Why the code was not sent",
    ),
  ),
});
export type ChangedDetail = v.InferOutput<typeof changedDetail>;

const pattern = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_PATTERN_CHARACTERS, `expected at most ${MAX_PATTERN_CHARACTERS} characters`),
  v.check((text) => text.split("*").length - 1 <= MAX_STARS, `expected at most ${MAX_STARS} *`),
  v.description("Value to search for; * stands for any characters"),
);

/** Filters of the list of users. */
export const searchParams = v.object({
  username: v.optional(pattern),
  realm: v.optional(pattern),
  userid: v.optional(pattern),
  email: v.optional(pattern),
  phone: v.optional(pattern),
  givenname: v.optional(pattern),
  surname: v.optional(pattern),
  page: pageParams.page,
  page_size: v.optional(pageParams.page_size.wrapped, DEFAULT_PAGE_SIZE),
});

/** Names in a path. Any text is accepted: either a user has that name or not. */
export const pathNames = v.object({
  realm: v.pipe(v.string(), v.maxLength(MAX_PATTERN_CHARACTERS)),
  username: v.pipe(v.string(), v.maxLength(MAX_PATTERN_CHARACTERS)),
});

/** A user as clients see it. `resolver` is the realm, with which the path of DELETE starts. */
export const userView = named(
  "User",
  v.object({
    userid: v.string(),
    username: v.string(),
    realm: v.string(),
    resolver: v.string(),
    editable: v.boolean(),
    email: v.string(),
    phone: v.string(),
    mobile: described(v.string(), "The same as phone"),
    givenname: v.string(),
    surname: v.string(),
    certificate: described(v.string(), "PEM text; empty if there is none"),
  }),
);

export function toUserView(row: UserRow): v.InferOutput<typeof userView> {
  const { id: userid, username, realm, email, phone, givenname, surname, certificate } = row;
  const name = { userid, username, realm, resolver: realm, editable: true };
  return { ...name, email, phone, mobile: phone, givenname, surname, certificate };
}

type NameParams = Pick<NewUserParams, "username" | "user" | "realm" | "resolver">;

/** @throws {SealpostError} `missing_parameter`, or `invalid_parameter` if both names of a parameter differ. */
export function nameOf(given: NameParams, defaultRealm: string): UserName {
  const username = oneOf(given, "username", "user", nameKey);
  if (!username) throw missingParameter("username");
  return { username, realm: oneOf(given, "realm", "resolver", nameKey) ?? defaultRealm };
}

/** @throws {SealpostError} `invalid_parameter` if `phone` and `mobile` differ. */
export function phoneOf(given: Pick<NewUserParams, "phone" | "mobile">): string | undefined {
  return oneOf(given, "phone", "mobile", String);
}

/** Returns the value of a parameter with two names. */
function oneOf<N extends string>(
  given: { readonly [K in N]?: string | undefined },
  name: N,
  alias: N,
  fold: (text: string) => string,
): string | undefined {
  const [value, other] = [given[name], given[alias]];
  if (value !== undefined && other !== undefined && fold(value) !== fold(other))
    throw invalidParameter(alias, `differs from ${name}, which is the same`);
  return value ?? other;
}
