import * as v from "valibot";

/** A parameter or setting that is a whole number within bounds. */
export const wholeNumber = (lowest: number, highest: number) => {
  const expected = `expected a whole number from ${lowest} to ${highest}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(lowest, expected),
    v.maxValue(highest, expected),
  );
};

/** A schema with what the document of the interface says of it. */
export const described = <S extends v.GenericSchema>(schema: S, description: string) =>
  v.pipe(schema, v.description(description));

/** A schema that is a component of the OpenAPI document, by this name. */
export const named = <S extends v.GenericSchema>(name: string, schema: S) =>
  v.pipe(schema, v.metadata({ ref: name }));
