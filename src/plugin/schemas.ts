import * as v from "valibot";
import { parseAddress } from "../domain/mailbox.ts";
import { isSafeUrl } from "../domain/network.ts";
import { duplicateKey } from "../wire/read-parameters.ts";

const MAX_NAME_CHARACTERS = 128;
const MAX_PERSON_CHARACTERS = 100;
/** E.164 allows 15 digits; people write separators between them. */
const MAX_PHONE_CHARACTERS = 40;
/** Longer passwords are not hashed. */
const MAX_PASSWORD_BYTES = 1_024;

/** Letters, marks, digits, and characters that separate nothing in URLs, lists, patterns and `user@realm`. */
const NAME = /^[\p{L}\p{Nd}_][\p{L}\p{M}\p{Nd}._+'-]*$/u;
/** Scripts with letters that look alike: a name that mixes them can imitate another. */
const SIMILAR_SCRIPTS = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u];
const PHONE = /^\+?[\d ()/.-]+$/;
const DIGIT = /\d/;
// Control characters, line separators, and characters that change the direction of the text around them.
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** A name of letters of any scripts, digits and a few signs: NFC, safe in URLs and headers. */
export const spelledName = v.pipe(
  v.string("expected a name"),
  v.transform((text) => text.normalize("NFC")),
  v.maxLength(MAX_NAME_CHARACTERS, `expected at most ${MAX_NAME_CHARACTERS} characters`),
  v.check(
    (text) => NAME.test(text),
    "expected letters, digits and . _ + - ', starting with a letter, a digit or _",
  ),
);

/** Name of a realm: a {@link spelledName} that does not mix scripts to imitate another. */
export const userName = v.pipe(
  spelledName,
  v.check(
    (text) => SIMILAR_SCRIPTS.filter((script) => script.test(text)).length <= 1,
    "expected letters of one script, digits and . _ + - ', starting with a letter, a digit or _",
  ),
);

const MAX_ACCOUNT_CHARACTERS = 255;
/** Separates names in paths and patterns, or cannot be seen. A URL cannot end in one or two dots. */
const UNUSABLE = /[/*\u200b\u2060\ufeff]|^\.\.?$/;

/** Name of a user that an admin creates, as other systems have it, such as `ann@example.org` or `DOM\\ann`: NFC. */
export const accountName = v.pipe(
  v.string("expected a name"),
  v.transform((text) => text.normalize("NFC")),
  v.maxLength(MAX_ACCOUNT_CHARACTERS, `expected at most ${MAX_ACCOUNT_CHARACTERS} characters`),
  v.check(
    (text) => text !== "" && text === text.trim() && !UNUSABLE.test(text) && !UNSAFE.test(text),
    "expected one line without / and *, and without blanks at the ends",
  ),
);

/** A given name or surname: one line of any text, NFC. May be empty. */
export const personName = v.pipe(
  v.string("expected a text"),
  v.transform((text) => text.trim().normalize("NFC")),
  v.maxLength(MAX_PERSON_CHARACTERS, `expected at most ${MAX_PERSON_CHARACTERS} characters`),
  v.check((text) => !UNSAFE.test(text), "expected one line without control characters"),
);

/** An email address without a name, normalized by `parseAddress`. */
export const mailAddress = v.pipe(
  v.string("expected an address"),
  v.check((text) => parseAddress(text) !== null, "expected one address, such as ann@example.org"),
  v.transform((text) => parseAddress(text) ?? ""),
);

/** A phone number as people write it; separators are kept. */
export const phoneNumber = v.pipe(
  v.string("expected a phone number"),
  v.transform((text) => text.trim()),
  v.maxLength(MAX_PHONE_CHARACTERS, `expected at most ${MAX_PHONE_CHARACTERS} characters`),
  v.check((text) => PHONE.test(text) && DIGIT.test(text), "expected a phone number, such as +49 170 1234567"),
);

/** A new password. `secrets.password.assertAllowed` has the rule for it. */
export const newPassword = v.pipe(
  v.string("expected a text"),
  v.check(
    (text) => new TextEncoder().encode(text).length <= MAX_PASSWORD_BYTES,
    `expected at most ${MAX_PASSWORD_BYTES} bytes`,
  ),
);

const MAX_SERVERS = 16;
const MAX_SERVER_CHARACTERS = 255;

/** Name of an SMTP server or an SMS gateway, in NFC, as it is stored. May be empty. */
export const serverName = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_SERVER_CHARACTERS, `expected at most ${MAX_SERVER_CHARACTERS} characters`),
  v.transform((name) => name.normalize("NFC")),
);

/**
 * Schema of an option or setting that names one SMTP server, or several for failover, as a list or a comma-separated text.
 * If empty, the default of the plugin is used.
 */
export const serverNames = v.pipe(
  v.union([v.string(), v.array(v.string())], "expected the name of an SMTP server, or a list of names"),
  v.transform((value) => (typeof value === "string" ? value.split(",") : value)),
  v.transform((names) => names.map((name) => name.trim().normalize("NFC")).filter((name) => name !== "")),
  v.maxLength(MAX_SERVERS, `expected at most ${MAX_SERVERS} names`),
  v.readonly(),
);

/** Origins to which an operator lets codes lead, such as `https://id.example.org`: https, or http on a loopback address. */
export const webOrigins = v.array(
  v.pipe(
    v.string("expected a URL"),
    v.check(
      (text) => isSafeUrl(text) && /^[^/]+\/\/[^/?]+\/?$/.test(text),
      "expected an origin such as https://id.example.org",
    ),
    v.transform((text) => new URL(text).origin),
  ),
  "expected a list of origins",
);

/** A parameter that is an object, or the JSON of one in a text, as forms have it. A key that occurs twice is an error there, too. */
export const jsonObject = v.pipe(
  v.union([v.string(), v.record(v.string(), v.unknown())], "expected a JSON object"),
  v.rawTransform(({ dataset: { value }, addIssue, NEVER }): object => {
    const given = typeof value === "string" ? parsedJson(value) : value;
    const isObject = typeof given === "object" && given !== null && !Array.isArray(given);
    const repeated = isObject && typeof value === "string" ? duplicateKey(value) : null;
    if (isObject && repeated === null) return given;
    addIssue({ message: isObject ? `${repeated} is given more than once` : "expected a JSON object" });
    return NEVER;
  }),
);

/** Returns `null` for a text that is not JSON. An error of the parser would quote it. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
