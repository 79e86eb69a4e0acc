import { getTableName, sql } from "drizzle-orm";
import type { Database } from "../contracts/database.ts";
import type { Plugin } from "../contracts/plugin/definition.ts";
import type { Settings } from "../contracts/plugin/settings.ts";
import type { Route } from "../contracts/route.ts";
import { actionOf, declaredPath } from "../wire/route.ts";
import type { TestSealpost } from "./test-sealpost.ts";

const UNKNOWN_OPTION = "no_such_option";
const VARIABLE = /<\w+>/g;
const UNAUTHORIZED = 401;

/** The name of a route in the audit log. */
export const nameOf = ({ declaration: { method, path } }: Route): string => actionOf(method, path);

/** Finds out whether an unknown option is accepted. */
export function optionProblems<O>(factory: (options: O) => Plugin, options: O): readonly string[] {
  const { problems } = factory(Object.assign({}, options, { [UNKNOWN_OPTION]: true })).validate();
  if (problems.some((problem) => problem.startsWith(UNKNOWN_OPTION))) return [];
  return ["Unknown options are accepted: options must be an object schema."];
}

/** Finds settings without a description. */
export function settingProblems(settings: Settings): readonly string[] {
  return Object.entries(settings)
    .filter(([, { description }]) => description.trim() === "")
    .map(([name]) => `The setting ${name} has no description.`);
}

/** Finds tables that the migrations do not create as the definition declares them, and tables that it does not declare. */
export async function tableProblems(
  { name, tables = {} }: Pick<Plugin, "name" | "tables">,
  { read }: Pick<Database, "read">,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const table of Object.values(tables)) {
    try {
      await read.select().from(table).limit(1);
    } catch {
      problems.push(
        `The table ${getTableName(table)} is not as declared: compare its columns and migrations.`,
      );
    }
  }
  const declared = Object.values(tables).map((table) => getTableName(table));
  const prefix = `${name.replaceAll("-", "_")}_`;
  const found = await read.all<{ readonly name: string }>(
    sql`SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`,
  );
  const others = found.filter((table) => table.name.startsWith(prefix) && !declared.includes(table.name));
  return [...problems, ...others.map((table) => `The table ${table.name} is not in tables.`)];
}

/** Finds rights without a description, and rights that no policy can name. */
export async function rightProblems(
  { rights = {} }: Pick<Plugin, "rights">,
  { request }: Pick<TestSealpost, "request">,
): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [right, description] of Object.entries(rights)) {
    if (description.trim() === "") problems.push(`The right ${right} has no description.`);
    const json = { scope: "admin", action: [right], active: false };
    const { ok } = await request("/policy/of-a-plugin", { json });
    if (!ok) problems.push(`No policy can name the right ${right}.`);
  }
  await request("/policy/of-a-plugin", { method: "DELETE" });
  return problems;
}

/** Finds routes that the OpenAPI document does not describe, and routes that answer without a token. */
export async function routeProblems(
  routes: readonly Route[],
  { app, request }: Pick<TestSealpost, "app" | "request">,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const { paths } = (await (await request("/openapi.json")).json()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  for (const route of routes) {
    const { method, path, open, response, media, summary, isHidden } = route.declaration;
    const name = nameOf(route);
    const isDescribed = paths[declaredPath(path).replaceAll(/<(\w+)>/g, "{$1}")]?.[method.toLowerCase()];
    if (!isHidden && !isDescribed) problems.push(`${name} is not in the OpenAPI document.`);
    if (response === undefined && media === undefined) problems.push(`${name} declares no response.`);
    if (summary === undefined && !isHidden) problems.push(`${name} has no summary.`);
    if (open) continue;
    const { status } = await app.request(declaredPath(path).replaceAll(VARIABLE, "x"), { method });
    if (status !== UNAUTHORIZED) problems.push(`${name} has status ${status} without a token, not 401.`);
  }
  return problems;
}
