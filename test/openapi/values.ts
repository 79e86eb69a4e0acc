import fc from "fast-check";
import type { Schema } from "./document.ts";

const MAX_LENGTH = 300;
const MAX_ITEMS = 4;

/** Values that a schema allows. */
export function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if ("const" in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf));
  switch (schema.type) {
    case "boolean":
      return fc.boolean();
    case "integer":
    case "number":
      return fc.integer({ min: schema.minimum ?? -MAX_LENGTH, max: schema.maximum ?? MAX_LENGTH });
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(valuesOf(schema.items ?? {}), { maxLength: MAX_ITEMS });
    case "object":
      return objectsOf(schema);
    case "string":
      return textsOf(schema);
    default:
      return fc.jsonValue();
  }
}

function objectsOf({ properties = {}, required = [], additionalProperties }: Schema) {
  const known = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, valuesOf(one)]));
  const further = fc.dictionary(fc.string(), valuesOf(additionalProperties ?? {}), { maxKeys: MAX_ITEMS });
  return fc
    .tuple(
      additionalProperties ? further : fc.constant({}),
      fc.record(known, { requiredKeys: [...required] }),
    )
    .map(([more, given]) => ({ ...more, ...given }));
}

function textsOf({ format, pattern, minLength = 0, maxLength = MAX_LENGTH }: Schema): fc.Arbitrary<string> {
  if (format === "uuid") return fc.uuid();
  if (pattern !== undefined) return fc.stringMatching(new RegExp(pattern));
  return fc.string({ unit: "grapheme", minLength, maxLength: Math.min(maxLength, MAX_LENGTH) });
}

const LONG = 70_000;
/** Texts and numbers that programs stumble over. */
const AWKWARD: readonly unknown[] = [
  ...[null, "", -1, 0, 0.5, 1e21, Number.MAX_SAFE_INTEGER, "1e3", "0x10", "true", "__CENSORED__", "*", "!*"],
  ...[
    "__proto__",
    "constructor",
    "toString",
    "\0",
    "\ud800",
    "\u2028",
    "\u202e",
    "%",
    "%00",
    "%zz",
    "+",
    "@",
  ],
  ...[
    "a@b@c",
    "../..",
    "'; --",
    "{{",
    "{otp}",
    "[::1",
    "\r\nBcc: a@example.net",
    "١٢",
    "ﬀ",
    "a".repeat(LONG),
  ],
  ...[[], {}, [[]], [null], { a: { b: [] } }, ["a", "a"]],
];

/** Values that no schema has in mind. */
export const WRONG_VALUES: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(...AWKWARD),
  fc.jsonValue(),
  fc.string({ unit: "binary", maxLength: MAX_LENGTH }),
);
