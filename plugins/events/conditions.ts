import { matchesName, parseCidr } from "sealpost/plugin";
import { identifierOf, type Scene, said } from "./context.ts";

/** One thing that can be asked of an event. */
export interface Condition {
  /** `str` or `bool`, as clients of the reference know them. */
  readonly type: "str" | "bool";
  readonly description: string;
  /** The values that there are; none: a text. */
  readonly values?: readonly string[];
  /** What a text has to be, if not any; null: it is good. */
  readonly problem?: (value: string) => string | null;
  /** What is not known is not fulfilled. */
  readonly holds: (value: string, scene: Scene) => boolean;
}

const BOOLEANS = ["True", "False"];
const NAMES = "a comma-separated list; * and ? stand for other characters, ! excludes";

/** By the names that clients of the reference know; those after `plugin` are Sealpost's own. */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  realm: names("Realm of the user whom it is about", ({ event }) => said(event, "realm")),
  tokenrealm: names("The same: a token is in the realm of its user", ({ event }) => said(event, "realm")),
  username: names("Name of the user whom it is about", ({ event }) => said(event, "user")),
  serial: names("Serial of the token", ({ event }) => said(event, "serial")),
  tokentype: names("Type of the token", ({ event }) => said(event, "tokentype")),
  token_has_owner: yesOrNo("Whether it is about a user", ({ event }) => said(event, "user") !== ""),
  logged_in_user: {
    type: "str",
    description: "Whether an admin was logged in",
    values: ["admin", "user"],
    holds: (value, { event }) => (value === "admin") === (event.actor !== null),
  },
  result_status: yesOrNo("Whether the request was answered without an error", ({ event }) => event.success),
  result_authentication: {
    type: "str",
    description: "Outcome of an authentication",
    values: ["ACCEPT", "REJECT", "CHALLENGE"],
    holds: (value, { event }) => said(event, "authentication") === value,
  },
  client_ip: {
    type: "str",
    description: "Addresses or networks of the client, comma-separated; ! or - excludes",
    problem: (value) =>
      blocksOf(value).every(({ block }) => block !== null) ? null : "expected IP addresses or CIDR blocks",
    holds: (value, { event }) => event.client !== null && isWithin(value, event.client),
  },
  plugin: names("The plugin that tells it, or whose route was asked", ({ event }) => event.plugin),
  admin: names("Name of the admin who was logged in", ({ event }) => event.actor?.username ?? ""),
  adminrealm: names("Realm of the admin who was logged in", ({ event }) => event.actor?.realm ?? ""),
  identifier: names("Name of the definition, policy or the like", ({ event }) => identifierOf(event)),
  reason: names("Why mail failed or a circuit opened, such as refused", ({ event }) => said(event, "code")),
};

/** Whether all of them hold. One that there is no more, as after a downgrade, does not. */
export function allHold(conditions: Readonly<Record<string, string>>, scene: Scene): boolean {
  return Object.entries(conditions).every(([name, value]) => CONDITIONS[name]?.holds(value, scene) ?? false);
}

/** What is wrong with a value; null: nothing. */
export function conditionProblem({ values, problem }: Condition, value: string): string | null {
  if (values && !values.includes(value)) return `expected ${values.join(" or ")}`;
  return problem?.(value) ?? null;
}

function names(description: string, read: (scene: Scene) => string): Condition {
  return {
    type: "str",
    description: `${description}: ${NAMES}`,
    holds(value, scene) {
      const known = read(scene).toLowerCase();
      return known !== "" && matchesName(listOf(value.toLowerCase()), known);
    },
  };
}

function yesOrNo(description: string, read: (scene: Scene) => boolean): Condition {
  const holds = (value: string, scene: Scene) => read(scene) === (value === "True");
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

export function listOf(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}
