import type { Context } from "hono";
import * as v from "valibot";
import type { Env } from "../contracts/env.ts";
import type { ParameterSchemas, Parameters } from "../contracts/route.ts";
import { invalidParameter, missingParameter } from "../errors.ts";
import { coerce, type Entries, isOptional } from "./coerce.ts";
import { type RawParameters, readParameters } from "./read-parameters.ts";
import { unknownParameters } from "./unknown-parameters.ts";

type ObjectSchema = v.GenericSchema & { readonly entries: Entries };

/**
 * Reads and validates the parameters of a request. `c.get("notices")` then names the unknown parameters of a body.
 * @param checkNames gets the names of the parameters before the body is validated.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first problem.
 */
export async function validateRequest(
  c: Context<Env>,
  { path, query, body }: ParameterSchemas,
  checkNames?: (names: readonly string[]) => void,
): Promise<Parameters> {
  const inPath = c.req.param();
  const validPath = path && validateAny(path, new Map(Object.entries(inPath)));
  const validQuery = query && validateAny(query, await readParameters(c));
  if (body === undefined) return { path: validPath, query: validQuery };
  const raw = await readParameters(c);
  if (isObject(body)) {
    // Clients of privacyIDEA repeat parameters of the path in the body.
    const known = [...Object.keys(body.entries), ...Object.keys(inPath)];
    c.set("notices", unknownParameters(raw.keys(), known));
  }
  if (checkNames) {
    for (const [name, value] of raw) assertStorable(name, value);
    checkNames([...raw.keys()]);
  }
  return { path: validPath, query: validQuery, body: validateAny(body, raw) };
}

/** A record accepts parameters of any name. */
function validateAny(schema: v.GenericSchema, raw: RawParameters): unknown {
  if (isObject(schema)) return validate(schema, raw);
  for (const [name, value] of raw) assertStorable(name, value);
  return Object.fromEntries(raw);
}

const isObject = (schema: v.GenericSchema): schema is ObjectSchema => "entries" in schema;

/**
 * Coerces and validates parameters. Unknown parameters are ignored.
 * @throws {SealpostError} `missing_parameter` or `invalid_parameter`, naming the first problem.
 */
export function validate<S extends ObjectSchema>(schema: S, raw: RawParameters): v.InferOutput<S> {
  const values: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(schema.entries)) {
    const value = coerce(entry, raw.get(name));
    if (!isOptional(entry) && (value === undefined || value === "")) throw missingParameter(name);
    assertStorable(name, value);
    if (value !== undefined) values[name] = value;
  }
  const result = v.safeParse(schema, values, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw invalidParameter(String(issue.path?.[0]?.key ?? "body"), issue.message);
}

/**
 * Rejects NUL and lone surrogates, which neither the database nor any protocol can carry. Checks one level of lists and
 * objects, because no schema accepts more.
 */
function assertStorable(name: string, value: unknown): void {
  const texts = typeof value === "object" && value !== null ? Object.entries(value).flat() : [value];
  for (const text of texts) {
    if (typeof text !== "string" || (text.isWellFormed() && !text.includes("\0"))) continue;
    throw invalidParameter(name, "expected Unicode text without NUL");
  }
}
