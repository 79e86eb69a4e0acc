import * as v from "valibot";
import { parseAddress } from "../domain/mailbox.ts";

const MOST_NAME_CHARACTERS = 128;
const MOST_PERSON_CHARACTERS = 100;
/** E.164 has 15 digits; people write signs between them. */
const MOST_PHONE_CHARACTERS = 40;
/** As much as is hashed. */
const MOST_PASSWORD_BYTES = 1_024;

/** Letters, marks, digits and the signs that are not used to part names in URLs, lists, patterns and `user@realm`. */
const NAME = /^[\p{L}\p{Nd}_][\p{L}\p{M}\p{Nd}._+'-]*$/u;
/** Scripts whose letters look alike; a name that mixes them looks like another. */
const ALIKE = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u];
const PHONE = /^\+?[\d ()/.-]+$/;
const DIGIT = /\d/;
// Control characters, line separators, and signs that change how the text around them is read.
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** Name of a user or of a realm: NFC, fit for URLs and headers, and not to be taken for another. */
export const userName = v.pipe(
  v.string("expected a name"),
  v.transform((text) => text.normalize("NFC")),
  v.maxLength(MOST_NAME_CHARACTERS, `expected at most ${MOST_NAME_CHARACTERS} characters`),
  v.check(
    (text) => NAME.test(text) && ALIKE.filter((script) => script.test(text)).length <= 1,
    "expected letters of one script, digits and . _ + - ', beginning with a letter, a digit or _",
  ),
);

/** A given name or surname: any text of one line, NFC. May be empty. */
export const personName = v.pipe(
  v.string("expected a text"),
  v.transform((text) => text.trim().normalize("NFC")),
  v.maxLength(MOST_PERSON_CHARACTERS, `expected at most ${MOST_PERSON_CHARACTERS} characters`),
  v.check((text) => !UNSAFE.test(text), "expected one line without control characters"),
);

/** A bare mail address, as `parseAddress` reads it. */
export const mailAddress = v.pipe(
  v.string("expected an address"),
  v.check((text) => parseAddress(text) !== null, "expected one address, such as ann@example.org"),
  v.transform((text) => parseAddress(text) ?? ""),
);

/** A phone number as people write it; the signs between its digits stay. */
export const phoneNumber = v.pipe(
  v.string("expected a phone number"),
  v.transform((text) => text.trim()),
  v.maxLength(MOST_PHONE_CHARACTERS, `expected at most ${MOST_PHONE_CHARACTERS} characters`),
  v.check((text) => PHONE.test(text) && DIGIT.test(text), "expected a phone number, such as +49 170 1234567"),
);

/** A password that is to be set; its length in characters is for the plugin to say. */
export const newPassword = v.pipe(
  v.string("expected a text"),
  v.check(
    (text) => new TextEncoder().encode(text).length <= MOST_PASSWORD_BYTES,
    `expected at most ${MOST_PASSWORD_BYTES} bytes`,
  ),
);

/**
 * What two names have in common that nobody tells apart: letter case, width and composition (NFKC). Names are unique
 * and looked up by it.
 */
export function nameKey(name: string): string {
  return name.normalize("NFKC").toUpperCase().toLowerCase().normalize("NFKC");
}

/** What the spellings of one address have in common: letter case, international domains and needless quotes. */
export function addressKey(address: string): string {
  return (parseAddress(address) ?? address).normalize("NFC").toLowerCase();
}

const MOST_SERVERS = 16;

/**
 * Schema of an option or config key that names SMTP servers: one, or several, of which the next is used when the first
 * is down; as a list, or a text with commas. Empty: the plugin's default.
 */
export const serverNames = v.pipe(
  v.union([v.string(), v.array(v.string())], "expected the name of an SMTP server, or a list of names"),
  v.transform((value) => (typeof value === "string" ? value.split(",") : value)),
  v.transform((names) => names.map((name) => name.trim()).filter((name) => name !== "")),
  v.maxLength(MOST_SERVERS, `expected at most ${MOST_SERVERS} names`),
  v.readonly(),
);
