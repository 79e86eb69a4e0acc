import type * as v from "valibot";

/** The entries of an object schema, by parameter name. */
export type Entries = Readonly<Record<string, v.GenericSchema>>;

const TRUE = ["true", "1"];
const FALSE = ["false", "0"];

/**
 * Brings a parameter to the kind that its schema expects, as forms and queries know only texts: digits become a
 * number, `true`, `1`, `false`, `0` a boolean. What does not fit stays as it is, for the schema to refuse.
 * @returns undefined for null, and for an empty text: the default holds. An optional text without a default is the
 * exception: there, empty says something else than absent. A `nullish` schema gets null: there, null resets a value
 * that stays when the parameter is absent.
 */
export function coerce(schema: v.GenericSchema, value: unknown): unknown {
  const kind = kindOf(schema);
  if (value === null || (value === "" && (kind !== "string" || hasDefault(schema)))) {
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

/** The kind at the heart of a schema: behind `optional` and at the head of a `pipe`. */
function kindOf(schema: v.GenericSchema): string {
  if ("wrapped" in schema) return kindOf(schema.wrapped as v.GenericSchema);
  return schema.type;
}

function hasDefault(schema: v.GenericSchema): boolean {
  return "default" in schema && schema.default !== undefined;
}

/** Whether the parameter may be absent. */
export function isOptional(schema: v.GenericSchema): boolean {
  return schema.type === "optional" || schema.type === "nullish";
}
