import {
  described,
  mailAddress,
  newPassword,
  personName,
  phoneNumber,
  userName,
  wholeNumber,
} from "sealpost/plugin";
import * as v from "valibot";

const MOST_PATTERN_CHARACTERS = 255;
/** More of them make no search better, and the database slow. */
const MOST_STARS = 3;
const MOST_PAGE = 1_000_000;
const MOST_PAGE_SIZE = 1_000;

/** Of a user that is to be made. */
export const newUserParams = (defaultRealm: string) =>
  v.object({
    username: described(userName, "Unique in the realm; letter case does not count"),
    realm: v.optional(userName, defaultRealm),
    email: v.optional(mailAddress),
    phone: v.optional(phoneNumber),
    givenname: v.optional(personName, ""),
    surname: v.optional(personName, ""),
    password: v.optional(described(newPassword, "None: the user has no password until one is set")),
  });
export type NewUserParams = v.InferOutput<ReturnType<typeof newUserParams>>;

const pattern = v.pipe(
  v.string("expected a text"),
  v.maxLength(MOST_PATTERN_CHARACTERS, `expected at most ${MOST_PATTERN_CHARACTERS} characters`),
  v.check((text) => text.split("*").length - 1 <= MOST_STARS, `expected at most ${MOST_STARS} *`),
  v.description("Users whose value is this; * stands for any characters"),
);

/** Which users to list. */
export const searchParams = v.object({
  username: v.optional(pattern),
  realm: v.optional(pattern),
  userid: v.optional(pattern),
  email: v.optional(pattern),
  phone: v.optional(pattern),
  givenname: v.optional(pattern),
  surname: v.optional(pattern),
  page: v.optional(wholeNumber(1, MOST_PAGE), 1),
  page_size: v.optional(wholeNumber(1, MOST_PAGE_SIZE), MOST_PAGE_SIZE),
});

/** A name in a path: whatever it is, there is a user of that name or there is not. */
export const pathNames = v.object({
  realm: v.pipe(v.string(), v.maxLength(MOST_PATTERN_CHARACTERS)),
  username: v.pipe(v.string(), v.maxLength(MOST_PATTERN_CHARACTERS)),
});

/** A user as clients see it; `resolver` is the realm: what the path of DELETE begins with. */
export const userView = v.object({
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
});
