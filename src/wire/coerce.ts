import type * as v from "valibot";

/** The entries of an object schema, by parameter name. */
export type Entries = Readonly<Record<string, v.GenericSchema>>;

const TRUE = ["true", "1"];
const FALSE = ["false", "0"];

/**
 * Converts a parameter to the type that its schema expects, because forms and queries have only text. Digits become a
 * number; `true`, `1`, `false` and `0` become a boolean. A value that does not fit stays, and the schema rejects it.
 * @returns `undefined` for `null` and for an empty text, so that the default applies. An optional text without a default
 * keeps the empty text, which then differs from an absent one. A `nullish` schema gets `null`, which resets a value that
 * stays when the parameter is absent.
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

/** The type of a schema inside `optional` or at the start of a `pipe`. */
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
