import * as v from "valibot";

/** A schema of whole numbers from `min` to `max`. */
export const wholeNumber = (min: number, max: number) => {
  const expected = `expected a whole number from ${min} to ${max}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
  );
};

/** A schema with its description in the OpenAPI document. */
export const described = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

/** A schema that is a component of the OpenAPI document, by this name. */
export const named = <S extends v.GenericSchema>(name: string, schema: S) =>
  v.pipe(schema, v.metadata({ ref: name }));

const MAX_ENTRIES = 256;
const MAX_CHARACTERS = 2_000;

export const text = v.pipe(
  v.string("expected a text"),
  v.maxLength(MAX_CHARACTERS, `expected at most ${MAX_CHARACTERS} characters`),
);

/**
 * A list, or a comma-separated text.
 * @param expected completes the error message for the first entry that fails the check
 */
export const entries = (check: (entry: string) => boolean, expected: string | ((wrong: string) => string)) =>
  v.pipe(
    v.union([text, v.array(text)], "expected a text or a list of texts"),
    v.transform((value) => (typeof value === "string" ? value.split(",") : value)),
    v.transform((list) => list.map((entry) => entry.trim()).filter((entry) => entry !== "")),
    v.maxLength(MAX_ENTRIES, `expected at most ${MAX_ENTRIES} entries`),
    v.check(
      (list) => list.every(check),
      ({ input }) =>
        typeof expected === "string" ? expected : expected(input.find((entry) => !check(entry)) ?? ""),
    ),
  );

const MAX_PAGE = 1_000_000;
const MAX_PAGE_SIZE = 1_000;
const DEFAULT_PAGE_SIZE = 15;

/** The parameters that select a page of a list. A plugin may need another default, or another name for the size. */
export const pageParams = {
  page: v.optional(wholeNumber(1, MAX_PAGE), 1),
  page_size: v.optional(wholeNumber(1, MAX_PAGE_SIZE), DEFAULT_PAGE_SIZE),
};

/** The fields of a page in addition to its rows. */
export const pageView = {
  count: v.number(),
  current: v.number(),
  prev: v.nullable(v.number()),
  next: v.nullable(v.number()),
};

/** Returns the fields of {@link pageView}. @param pageSize 0 for the count alone. */
export function pageOf(
  { page, pageSize }: { readonly page: number; readonly pageSize: number },
  total: number,
) {
  return {
    count: total,
    current: page,
    prev: page > 1 ? page - 1 : null,
    next: pageSize > 0 && page * pageSize < total ? page + 1 : null,
  };
}
