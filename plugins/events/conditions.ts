import { matchesName, parseCidr } from "sealpost/plugin";
import { eventField, type HandlerContext, identifierOf } from "./context.ts";

/** A condition on an event. */
interface Condition {
  /** privacyIDEA's types of values. */
  readonly type: "str" | "bool";
  readonly description: string;
  /** The allowed values. Absent if any text is allowed. */
  readonly values?: readonly string[];
  /** Returns the problem with a text, or `null`. */
  readonly problem?: (value: string) => string | null;
  /** False if the event does not have the information. */
  readonly holds: (value: string, context: HandlerContext) => boolean;
}

const BOOLEANS = ["True", "False"];
const NAMES = "a comma-separated list, in which * and ? are wildcards, ! excludes and \\, is a comma";

/** Conditions by privacyIDEA's names; those from `plugin` on are Sealpost's own. */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  realm: names("Realm of the user", ({ event }) => eventField(event, "realm")),
  tokenrealm: names("Realm of the token, which is that of its user", ({ event }) =>
    eventField(event, "realm"),
  ),
  username: names("Name of the user", ({ event }) => eventField(event, "user")),
  serial: names("Serial of the token", ({ event }) => eventField(event, "serial")),
  tokentype: names("Type of the token", ({ event }) => eventField(event, "tokentype")),
  token_has_owner: yesOrNo(
    "Whether the event is about a user",
    ({ event }) => eventField(event, "user") !== "",
  ),
  logged_in_user: {
    type: "str",
    description: "Whether an admin was logged in",
    values: ["admin", "user"],
    holds: (value, { event }) => (value === "admin") === (event.actor !== null),
  },
  result_status: yesOrNo("Whether the request succeeded", ({ event }) => event.success),
  result_authentication: {
    type: "str",
    description: "Outcome of an authentication",
    values: ["ACCEPT", "REJECT", "CHALLENGE"],
    holds: (value, { event }) => eventField(event, "authentication") === value,
  },
  client_ip: {
    type: "str",
    description: "IP addresses or CIDR blocks of the client, comma-separated; ! or - excludes",
    problem: (value) =>
      blocksOf(value).every(({ block }) => block !== null) ? null : "expected IP addresses or CIDR blocks",
    holds: (value, { event }) => event.client !== null && isWithin(value, event.client),
  },
  plugin: names("The plugin that emitted the event or owns the route", ({ event }) => event.plugin),
  admin: names("Name of the admin who was logged in", ({ event }) => event.actor?.username ?? ""),
  adminrealm: names("Realm of the admin who was logged in", ({ event }) => event.actor?.realm ?? ""),
  identifier: names("Name of the definition, policy or other resource", ({ event }) => identifierOf(event)),
  reason: names("Failure code of a message or an opened circuit, such as timeout", ({ event }) =>
    eventField(event, "code"),
  ),
};

/** Whether all conditions hold. An unknown one, as after a downgrade, does not. */
export function allHold(conditions: Readonly<Record<string, string>>, context: HandlerContext): boolean {
  return Object.entries(conditions).every(
    ([name, value]) => CONDITIONS[name]?.holds(value, context) ?? false,
  );
}

/** Returns the problem with a value, or `null`. */
export function conditionProblem({ values, problem }: Condition, value: string): string | null {
  if (values && !values.includes(value)) return `expected ${values.join(" or ")}`;
  return problem?.(value) ?? null;
}

function names(description: string, read: (context: HandlerContext) => string): Condition {
  return {
    type: "str",
    description: `${description}: ${NAMES}`,
    holds(value, context) {
      const known = read(context).toLowerCase();
      return known !== "" && matchesName(listOf(value.toLowerCase()), known);
    },
  };
}

function yesOrNo(description: string, read: (context: HandlerContext) => boolean): Condition {
  const holds = (value: string, context: HandlerContext) => read(context) === (value === "True");
  return { type: "bool", description, values: BOOLEANS, holds };
}

function isWithin(value: string, client: string): boolean {
  const hits = blocksOf(value).filter(({ block }) => block?.contains(client));
  return hits.length > 0 && hits.every(({ negated }) => !negated);
}

function blocksOf(value: string) {
  return listOf(value).map((entry) => {
    const negated = /^[!-]/.test(entry);
    return { negated, block: parseCidr(negated ? entry.slice(1).trim() : entry) };
  });
}

const SEPARATOR = /(?<!\\),/;

/** Returns the entries of a comma-separated text. A comma inside an entry is written as `\,`. */
export function listOf(value: string): string[] {
  return value
    .split(SEPARATOR)
    .map((entry) => entry.replaceAll("\\,", ",").trim())
    .filter((entry) => entry !== "");
}

/** Returns the text of which {@link listOf} returns these entries. A blank separates a `\` at the end of one from the comma. */
export function listText(entries: readonly unknown[]): string {
  return entries.map((entry) => String(entry).replaceAll(",", "\\,").replace(/\\$/, "\\ ")).join(",");
}
