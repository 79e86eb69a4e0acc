import type { Context, MiddlewareHandler } from "hono";
import { resolver, uniqueSymbol } from "hono-openapi";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { ParameterSchemas, Parameters } from "../contracts/route.ts";
import { invalidParameter, missingParameter } from "../errors.ts";
import { coerce, type Entries, isOptional } from "./coerce.ts";
import { collectParameters, type RawParameters } from "./read-parameters.ts";
import { unknownParameters } from "./unknown-parameters.ts";

type ParamsSchema = v.GenericSchema & { readonly entries: Entries };
type Target = "json" | "query" | "param";
/** A query and a path are text; what the schema makes of it is in the output. */
type Sent<S extends v.GenericSchema, T extends Target> = T extends "json"
  ? v.InferInput<S>
  : { [K in keyof v.InferInput<S>]: string | (undefined extends v.InferInput<S>[K] ? undefined : never) };
type Checked<S extends v.GenericSchema, T extends Target> = MiddlewareHandler<
  Env,
  string,
  { in: { [K in T]: Sent<S, T> }; out: { [K in T]: v.InferOutput<S> } }
>;

/**
 * Checks the parameters of a request that changes or does something; `c.req.valid("json")` has them, and
 * `c.get("notices")` names those that are not known.
 */
export function bodyParams<const S extends ParamsSchema>(schema: S): Checked<S, "json"> {
  return checked(schema, "json", async (c) => {
    const raw = await collectParameters(c);
    // Clients of privacyIDEA repeat in the body what stands in the path.
    const known = [...Object.keys(schema.entries), ...Object.keys(c.req.param())];
    c.set("notices", unknownParameters(raw.keys(), known));
    return raw;
  });
}

/** Checks the parameters of a request that reads; `c.req.valid("query")` has them. */
export function queryParams<const S extends ParamsSchema>(schema: S): Checked<S, "query"> {
  return checked(schema, "query", collectParameters);
}

/** Checks the variable parts of the path; `c.req.valid("param")` has them. */
export function pathParams<const S extends ParamsSchema>(schema: S): Checked<S, "param"> {
  return checked(schema, "param", async (c) => new Map(Object.entries(c.req.param())));
}

/**
 * Reads and checks the parameters of a request. `c.get("notices")` names those of a body that are unknown.
 * @param checkNames gets the names of a body before it is validated.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first that is wrong.
 */
export async function validateRequest(
  c: Context<Env>,
  { path, query, body }: ParameterSchemas,
  checkNames?: (names: readonly string[]) => void,
): Promise<Parameters> {
  const inPath = c.req.param();
  const checkedPath = path && check(path, new Map(Object.entries(inPath)));
  const checkedQuery = query && check(query, await collectParameters(c));
  if (body === undefined) return { path: checkedPath, query: checkedQuery };
  const raw = await collectParameters(c);
  // Clients of privacyIDEA repeat parameters of the path in the body.
  if (isObject(body)) {
    const known = [...Object.keys(body.entries), ...Object.keys(inPath)];
    c.set("notices", unknownParameters(raw.keys(), known));
  }
  if (checkNames) {
    for (const [name, value] of raw) refuseUnstorable(name, value);
    checkNames([...raw.keys()]);
  }
  return { path: checkedPath, query: checkedQuery, body: check(body, raw) };
}

/** A record takes parameters whose names are not known beforehand. */
function check(schema: v.GenericSchema, raw: RawParameters): unknown {
  if (isObject(schema)) return validate(schema, raw);
  for (const [name, value] of raw) refuseUnstorable(name, value);
  return Object.fromEntries(raw);
}

const isObject = (schema: v.GenericSchema): schema is ParamsSchema => "entries" in schema;

const anyNames = v.record(v.string(), v.unknown());

/** For parameters whose names are not known beforehand, such as `option.<key>`; `c.req.valid("json")` has them all. */
export function allParams(): Checked<typeof anyNames, "json"> {
  const middleware: Checked<typeof anyNames, "json"> = async (c, next) => {
    const raw = await collectParameters(c);
    for (const [name, value] of raw) refuseUnstorable(name, value);
    c.req.addValidatedData("json", Object.fromEntries(raw));
    await next();
  };
  return Object.assign(middleware, { [uniqueSymbol]: { target: "json", ...resolver(anyNames) } });
}

/**
 * hono-openapi's own validator looks at one source at a time; ours merges them first, so it is tagged the way
 * hono-openapi tags its own.
 */
function checked<const S extends ParamsSchema, T extends Target>(
  schema: S,
  target: T,
  collect: (c: Context<Env>) => Promise<RawParameters>,
): Checked<S, T> {
  const middleware: Checked<S, T> = async (c, next) => {
    const output = validate(schema, await collect(c));
    c.req.addValidatedData(target, output as object);
    await next();
  };
  return Object.assign(middleware, { [uniqueSymbol]: { target, ...resolver(schema) } });
}

/**
 * Coerces and validates parameters; unknown ones are ignored.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first that is wrong.
 */
export function validate<S extends ParamsSchema>(schema: S, raw: RawParameters): v.InferOutput<S> {
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(schema.entries)) {
    const value = coerce(entry, raw.get(name));
    if (!isOptional(entry) && (value === undefined || value === "")) throw missingParameter(name);
    refuseUnstorable(name, value);
    if (value !== undefined) values[name] = value;
  }
  const result = v.safeParse(schema, values, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalidParameter(String(issue.path?.[0]?.key ?? "body"), issue.message);
}

/**
 * No field of ours, database or protocol carries NUL or half a character. Lists and objects are looked into as deep
 * as any schema allows them: one level.
 */
function refuseUnstorable(name: string, value: unknown): void {
  const texts = typeof value === "object" && value !== null ? Object.entries(value).flat() : [value];
  for (const text of texts) {
    if (typeof text !== "string" || (text.isWellFormed() && !text.includes("\0"))) continue;
    throw invalidParameter(name, "expected Unicode text without NUL");
  }
}
