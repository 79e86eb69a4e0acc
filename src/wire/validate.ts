import type { Context } from "hono";
import * as v from "valibot";
import { withDeadline } from "../async/abort.ts";
import type { Env } from "../contracts/env.ts";
import type { ParameterSchemas, Parameters } from "../contracts/route.ts";
import { nearestTo } from "../domain/nearest.ts";
import { type Notice, notice } from "../domain/notices.ts";
import { invalidParameter, missingParameter } from "../errors.ts";
import { type RawParameters, readParameters } from "./read-parameters.ts";
import { isReading } from "./request.ts";

type ObjectSchema = v.GenericSchema & { readonly entries: Entries };

/**
 * Reads and validates the parameters of a request. `c.get("notices")` then names the unknown ones.
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
  // Clients of privacyIDEA repeat parameters of the path in the body.
  const known = [...[query, body].flatMap(namesOf), ...Object.keys(inPath)];
  if (body === undefined) {
    c.set("notices", unknownParameters(await namesGiven(c), known));
    return { path: validPath, query: validQuery };
  }
  const raw = await readParameters(c);
  if (isObject(body)) c.set("notices", unknownParameters(raw.keys(), known));
  if (checkNames) {
    for (const [name, value] of raw) assertStorable(name, value);
    checkNames([...raw.keys()]);
  }
  return { path: validPath, query: validQuery, body: validateAny(body, raw) };
}

/** A body that takes longer is ignored. A client may declare one, and never send it. */
const UNDECLARED_BODY_MS = 1_000;

/** Returns the names of the parameters of a request whose route declares no body. Its handler may read the body itself. */
async function namesGiven(c: Context<Env>): Promise<readonly string[]> {
  const inQuery = () => Object.keys(c.req.query());
  // Only admins get notices. The body of a read is ignored.
  if (c.get("actor") === undefined || isReading(c) || c.req.raw.body === null) return inQuery();
  // The parameters of the query are read from both.
  const copy = c.req.raw.bodyUsed ? c.req.raw : (c.req.raw.clone() as Request);
  const read = withDeadline(readParameters(c), UNDECLARED_BODY_MS, () => new Error("too late"));
  // A body that cannot be read is ignored, such as the `[]` that PHP sends without parameters.
  const names = await read.then((raw) => [...raw.keys()], inQuery);
  c.req.raw = copy;
  return names;
}

/** A record accepts parameters of any name. */
function validateAny(schema: v.GenericSchema, raw: RawParameters): unknown {
  if (isObject(schema)) return validate(schema, raw);
  for (const [name, value] of raw) assertStorable(name, value);
  return Object.fromEntries(raw);
}

function namesOf(schema: v.GenericSchema | undefined): readonly string[] {
  return schema !== undefined && isObject(schema) ? Object.keys(schema.entries) : [];
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

/** Lists of objects with lists, as messages with recipients have. A deeper value fits no schema. */
const MAX_DEPTH = 6;

/** Rejects NUL and lone surrogates, which neither the database nor any protocol can carry, at any depth. */
function assertStorable(name: string, value: unknown, depth = 0): void {
  if (typeof value === "string" && (!value.isWellFormed() || value.includes("\0")))
    throw invalidParameter(name, "expected Unicode text without NUL");
  if (typeof value !== "object" || value === null) return;
  if (depth === MAX_DEPTH) throw invalidParameter(name, "expected less nesting");
  for (const one of Object.entries(value).flat()) assertStorable(name, one, depth + 1);
}

/** The entries of an object schema, by parameter name. */
type Entries = Readonly<Record<string, v.GenericSchema>>;

const TRUE = ["true", "1"];
const FALSE = ["false", "0"];

/**
 * Converts a parameter to the type that its schema expects, because forms and queries have only text. Digits become a
 * number; `true`, `1`, `false` and `0` become a boolean. A value that does not fit stays, and the schema rejects it.
 * @returns `undefined` for `null` and for an empty text, so that the default applies. An optional text without a default
 * keeps the empty text if its schema accepts it, as one that clears a value does. A `nullish` schema gets `null`, which
 * resets a value that stays when the parameter is absent.
 */
export function coerce(schema: v.GenericSchema, value: unknown): unknown {
  const kind = kindOf(schema);
  const isAbsent =
    value === "" && !takesEmpty(schema) && (kind !== "string" || hasDefault(schema) || !v.is(schema, ""));
  if (value === null || isAbsent) {
    return schema.type === "nullish" ? null : undefined;
  }
  if (kind === "boolean") return toBoolean(value);
  if (kind === "number" && typeof value === "string" && /^-?\d{1,15}$/.test(value)) return Number(value);
  return value;
}

function toBoolean(value: unknown): unknown {
  if (typeof value !== "string" && typeof value !== "number") return value;
  const text = String(value).toLowerCase();
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : value;
}

/** The type of a schema inside `optional` or at the start of a `pipe`. */
function kindOf(schema: v.GenericSchema): string {
  if ("wrapped" in schema) return kindOf(schema.wrapped as v.GenericSchema);
  return schema.type;
}

/** Whether the schema is a union that names the empty text as a value. */
function takesEmpty(schema: v.GenericSchema): boolean {
  if ("wrapped" in schema) return takesEmpty(schema.wrapped as v.GenericSchema);
  const options = "options" in schema && Array.isArray(schema.options) ? schema.options : [];
  return options.some((option) => option.literal === "");
}

function hasDefault(schema: v.GenericSchema): boolean {
  return "default" in schema && schema.default !== undefined;
}

/** Whether the parameter may be absent. */
function isOptional(schema: v.GenericSchema): boolean {
  return schema.type === "optional" || schema.type === "nullish";
}

/** Limits, because a client can send any number of names of any length. */
const MAX_NOTICES = 20;
const MAX_NAME_CHARACTERS = 64;
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu;

/** Returns a notice for each unknown name, with the known name that is closest to it. */
export function unknownParameters(names: Iterable<string>, known: readonly string[]): readonly Notice[] {
  const unknown = [...names].filter((name) => !known.includes(name)).slice(0, MAX_NOTICES);
  return unknown.map((given) => {
    const name = Array.from(given.replace(UNPRINTABLE, " ")).slice(0, MAX_NAME_CHARACTERS).join("");
    return notice("unknown_parameter", name, { name, nearest: nearestTo(name, known) || "none" });
  });
}
