import {
  described,
  mailAddress,
  named,
  newPassword,
  pageParams,
  personName,
  phoneNumber,
  userName,
} from "sealpost/plugin";
import * as v from "valibot";
import type { UserRow } from "./store.ts";

/** Also the largest page. */
const DEFAULT_PAGE_SIZE = 1_000;
const MAX_PATTERN_CHARACTERS = 255;
/** For a certificate and its chain. */
const MAX_CERTIFICATE_CHARACTERS = 65_535;
/** More wildcards do not improve a search, and slow down the database. */
const MAX_STARS = 3;

const certificate = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CERTIFICATE_CHARACTERS, `expected at most ${MAX_CERTIFICATE_CHARACTERS} characters`),
);

const CERTIFICATE =
  "Certificate to which mail for email is encrypted, as PEM text, chain included in any order";

/** Parameters of a new user. */
export const newUserParams = (defaultRealm: string) =>
  v.object({
    username: described(userName, "Unique in the realm, regardless of letter case"),
    realm: v.optional(userName, defaultRealm),
    email: v.optional(mailAddress),
    phone: v.optional(phoneNumber),
    givenname: v.optional(personName, ""),
    surname: v.optional(personName, ""),
    certificate: v.optional(described(certificate, CERTIFICATE), ""),
    password: v.optional(described(newPassword, "If absent, the user has no password until one is set")),
  });
export type NewUserParams = v.InferOutput<ReturnType<typeof newUserParams>>;

/** Parameters of a change. Fields that are absent stay. */
export const changedUserParams = v.object({
  user: v.optional(described(userName, "Name of the user; required, also as username")),
  username: v.optional(userName),
  realm: v.optional(described(userName, "Default: the realm of the plugin's options")),
  resolver: v.optional(described(userName, "The same as realm")),
  email: v.optional(mailAddress),
  phone: v.optional(phoneNumber),
  mobile: v.optional(described(phoneNumber, "The same as phone")),
  givenname: v.optional(personName),
  surname: v.optional(personName),
  certificate: v.optional(described(certificate, `${CERTIFICATE}; an empty text removes it`)),
  password: v.optional(newPassword),
});
export type ChangedUserParams = v.InferOutput<typeof changedUserParams>;

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
