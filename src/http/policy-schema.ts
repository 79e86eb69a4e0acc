import * as v from "valibot";
import { parseTimeWindows } from "../access/time-windows.ts";
import { suggestion } from "../domain/nearest.ts";
import { parseCidr } from "../domain/network.ts";
import type { Right } from "../domain/policy.ts";
import { described, entries, named, text } from "../wire/schemas.ts";

const MAX_NAME_CHARACTERS = 64;

/** Signs of a regular expression. Entries are names with `*` and `?`. */
const REGEX_SIGNS = /[\^$()[\]{}|+\\]|\.\*/;

export const policyNameParams = v.object({
  name: v.pipe(
    v.string(),
    v.maxLength(MAX_NAME_CHARACTERS, `expected at most ${MAX_NAME_CHARACTERS} characters`),
    v.regex(/^[\w.-]+$/, 'expected letters, digits, ".", "_" or "-"'),
    v.description("Unique name of the policy"),
  ),
});

const names = (description: string) =>
  v.optional(
    described(
      entries((entry) => !REGEX_SIGNS.test(entry), "expected names with * and ?, no regular expressions"),
      `${description}: names with \`*\` and \`?\`. \`!name\` excludes one. Empty for all`,
    ),
    [],
  );

const clients = v.optional(
  described(
    entries(
      (entry) => parseCidr(entry.replace(/^[!-]/, "").trim()) !== null,
      "expected IP addresses or CIDR blocks, ! or - before one that is excluded",
    ),
    "IP addresses or CIDR blocks of clients. `!` or `-` excludes one. Empty for all",
  ),
  [],
);

/** `{"smtpserver_read": true}`, `["smtpserver_read"]` or `"smtpserver_read, auditlog"`. */
const action = v.pipe(
  v.union(
    [text, v.array(text), v.record(text, v.union([v.boolean(), text]))],
    "expected a text, a list or an object",
  ),
  v.transform(toActions),
  v.check(
    (actions) => Object.values(actions).every((value) => String(value).toLowerCase() !== "false"),
    "leave out the actions that are false: naming one grants it, !name excludes it",
  ),
  v.description("Rights that the policy grants. `*` for all, `!name` excludes one"),
);

function toActions(value: string | string[] | Record<string, boolean | string>) {
  if (typeof value === "object" && !Array.isArray(value)) return value;
  const list = typeof value === "string" ? value.split(",") : value;
  const pairs = list
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "")
    .map((entry): [string, boolean | string] => {
      const at = entry.indexOf("=");
      return at < 0 ? [entry, true] : [entry.slice(0, at).trim(), entry.slice(at + 1).trim()];
    });
  return Object.fromEntries(pairs);
}

/** Parameters of `POST /policy/<name>`. @param known every right that exists */
export function policyParams(known: readonly Right[]) {
  const isKnown = (name: string) => name === "*" || known.includes(name.replace(/^!/, ""));
  const expectedRights = (actions: Readonly<Record<string, unknown>>) => {
    const wrong = Object.keys(actions).find((name) => !isKnown(name)) ?? "";
    return `expected ${known.join(", ")} or *${suggestion(wrong.replace(/^!/, ""), known)}`;
  };
  return v.object({
    scope: v.pipe(v.picklist(["admin"], "expected admin"), v.description("Always admin")),
    action: v.pipe(
      action,
      v.check((actions) => Object.keys(actions).length > 0, "expected at least one action"),
      v.check(
        (actions) => Object.keys(actions).every(isKnown),
        ({ input }) => expectedRights(input),
      ),
    ),
    adminuser: names("Admins"),
    adminrealm: names("Realms of admins"),
    client: clients,
    time: v.optional(
      v.pipe(
        text,
        v.check(
          (value) => parseTimeWindows(value) !== null,
          "expected such as Mon-Fri: 8:00-18:00, Sat: 9-12 (UTC)",
        ),
        v.transform((value) => value.trim()),
        v.description("When it applies, in UTC, such as Mon-Fri: 8:00-18:00. Empty for always"),
      ),
      "",
    ),
    active: v.optional(v.boolean("expected true or false"), true),
    priority: v.optional(
      v.pipe(
        v.number("expected a whole number from 1"),
        v.integer("expected a whole number from 1"),
        v.minValue(1, "expected a whole number from 1"),
        v.maxValue(1_000_000, "expected at most 1000000"),
        v.description("1 is the highest"),
      ),
      1,
    ),
    description: v.optional(text, ""),
  });
}

/** A policy as `GET` shows it. */
export const policyView = named(
  "Policy",
  v.object({
    id: v.number(),
    name: v.string(),
    scope: v.literal("admin"),
    action: v.record(v.string(), v.union([v.boolean(), v.string()])),
    adminuser: v.array(v.string()),
    adminrealm: v.array(v.string()),
    client: v.array(v.string()),
    time: v.string(),
    active: v.boolean(),
    priority: v.number(),
    description: v.string(),
  }),
);

export const policyIdView = v.pipe(v.number(), v.description("Number of the policy"));

/** `POST /policy/<name>`: the number of the policy under `setPolicy <name>`. */
export const savedView = v.record(v.string(), v.number());

/** A policy as a client saves it, and the response. */
export const EXAMPLE = {
  body: { scope: "admin", action: "*", adminuser: "admin" },
  value: { "setPolicy superuser": 1 },
};
