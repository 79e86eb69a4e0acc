import { type Directory, lookAlikeKeys, type PluginContext } from "sealpost/plugin";
import * as v from "valibot";

/** The mailboxes of RFC 2142, sections 3 to 5. */
const ROLES =
  "info marketing sales support abuse noc security postmaster hostmaster usenet news webmaster www uucp ftp";
/** Names that people take for those of operators. */
const RESERVED = ["administrator", "root", ...ROLES.split(" ")];
/** Scripts that languages write together (UTS 39 5.1, Table 1a). */
const WRITTEN_TOGETHER = [
  ["Han", "Hiragana", "Katakana"],
  ["Han", "Hangul"],
  ["Han", "Bopomofo"],
];
const MAX_SCRIPTS = 32;
const SCRIPT_NAME = /^[A-Z][A-Za-z_]{2,30}$/;
/** Pseudo-scripts of digits, signs and marks, which belong to any script. */
const ANY_SCRIPT = ["Common", "Inherited", "Zyyy", "Zinh", "Qaai"];

/** Schema of a list of scripts by their Unicode names, such as `Latin, Greek`. */
export const scriptNames = v.pipe(
  v.union([v.string(), v.array(v.string())], "expected the name of a script, or a list of names"),
  v.transform((value) => (typeof value === "string" ? value.split(",") : value)),
  v.transform((names) => names.map((name) => name.trim()).filter((name) => name !== "")),
  v.minLength(1, "expected at least one script, such as Latin"),
  v.maxLength(MAX_SCRIPTS, `expected at most ${MAX_SCRIPTS} scripts`),
  v.check((names) => names.every(isScript), "expected names of Unicode scripts, such as Latin or Greek"),
  v.readonly(),
);

/** A name as the directory compares it with others. */
interface RequestedName {
  readonly realm: string;
  /** Keys of what the name looks like. */
  readonly keys: readonly string[];
  /** Whether the name counts as taken, whatever users there are. */
  readonly isReserved: boolean;
}

/** Reads a name. The result takes as long for every name. */
export async function readName(
  { guard }: Pick<PluginContext, "guard">,
  name: { readonly username: string; readonly realm: string },
  scripts: readonly string[],
): Promise<RequestedName> {
  const keys = await lookAlikeKeys(name.username);
  const others = await Promise.all([...RESERVED, ...(await guard.adminNames())].map(lookAlikeKeys));
  const isImitation = others.some(([other]) => keys.includes(other));
  const isForeign = !isOfOneScript(name.username, scripts);
  return { realm: name.realm, keys, isReserved: isImitation || isForeign };
}

/** Whether another user has a name that looks the same, as an expression; `null` for a directory that cannot tell. */
export function imitation(directory: Directory, { realm, keys }: RequestedName, except?: string) {
  return directory.lookup?.lookAlikes?.exists(realm, keys, except) ?? null;
}

/** Whether a name is written in one of the scripts. */
function isOfOneScript(name: string, scripts: readonly string[]): boolean {
  const together = WRITTEN_TOGETHER.map((group) => group.filter((script) => scripts.includes(script)));
  return [...scripts.map((script) => [script]), ...together].some((group) => consistsOf(name, group));
}

function consistsOf(name: string, scripts: readonly string[]): boolean {
  const classes = [...scripts, "Common", "Inherited"].map((script) => `\\p{Script_Extensions=${script}}`);
  return new RegExp(`^[${classes.join("")}]*$`, "u").test(name);
}

function isScript(name: string): boolean {
  if (!SCRIPT_NAME.test(name) || ANY_SCRIPT.includes(name)) return false;
  try {
    return new RegExp(`\\p{Script=${name}}`, "u").test("") === false;
  } catch {
    return false;
  }
}
