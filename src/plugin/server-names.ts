import * as v from "valibot";

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
