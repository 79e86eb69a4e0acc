import { describe, expect, test } from "bun:test";
import * as v from "valibot";
import { validate } from "../../src/wire/validate.ts";

const schema = v.object({
  flag: v.optional(v.boolean("expected true or false"), false),
  whole: v.optional(v.pipe(v.number("expected a whole number"), v.integer("expected a whole number")), 25),
  text: v.optional(v.string("expected a text"), "default"),
  secret: v.optional(v.string("expected a text")),
  address: v.optional(v.pipe(v.string("expected a text"), v.includes("@", "expected an address"))),
  kept: v.nullish(v.pipe(v.number("expected a whole number"), v.integer("expected a whole number"))),
});
const parse = (values: Record<string, unknown>) => validate(schema, new Map(Object.entries(values)));
const refusal = (values: Record<string, unknown>) => {
  try {
    parse(values);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
};

describe("validate()", () => {
  test.each<[given: unknown, flag: boolean]>([
    [true, true],
    [false, false],
    [1, true],
    [0, false],
    ["1", true],
    ["0", false],
    ["true", true],
    ["True", true],
    ["TRUE", true],
    ["false", false],
    ["fAlSe", false],
    [null, false],
    ["", false],
  ])("converts %p to the boolean %p", (given, flag) => {
    expect(parse({ flag: given }).flag).toBe(flag);
  });

  test.each<[given: unknown]>([[2], [-1], ["yes"], ["on"], [" true"], ["truе"], [[]], [{}], [0.5], ["1.0"]])(
    "rejects %p as a boolean",
    (given) => {
      expect(refusal({ flag: given })).toBe("ERR905: Invalid parameter: flag: expected true or false");
    },
  );

  test.each<[given: unknown, whole: number]>([
    [587, 587],
    ["587", 587],
    ["0587", 587],
    ["-3", -3],
    [null, 25],
    ["", 25],
  ])("converts %p to the integer %p", (given, whole) => {
    expect(parse({ whole: given }).whole).toBe(whole);
  });

  test("an empty text of an optional parameter is kept if it is a value of it, and otherwise absent", () => {
    expect(parse({ secret: "", address: "" })).toEqual({ ...parse({}), secret: "" });
    expect(refusal({ address: " " })).toBe("ERR905: Invalid parameter: address: expected an address");
  });

  test.each<[given: unknown, kept: number | null | undefined]>([
    [undefined, undefined],
    [null, null],
    ["", null],
    ["5", 5],
  ])("converts %p to %p where null differs from absent", (given, kept) => {
    expect(parse({ kept: given }).kept).toBe(kept);
  });

  test.each<[given: unknown]>([
    ["2.5"],
    [2.5],
    ["1e3"],
    ["0x10"],
    [" 25"],
    ["25 "],
    [true],
    [[25]],
    ["٢٥"],
    ["99999999999999999"],
  ])("rejects %p as an integer", (given) => {
    expect(refusal({ whole: given })).toBe("ERR905: Invalid parameter: whole: expected a whole number");
  });

  test.each<[given: unknown]>([[1], [true], [["a"]], [{}]])("rejects %p as a text", (given) => {
    expect(refusal({ text: given })).toBe("ERR905: Invalid parameter: text: expected a text");
  });

  test("uses the default, if there is one, for null and for an empty text", () => {
    expect(parse({ text: null }).text).toBe("default");
    expect(parse({ text: "" }).text).toBe("default");
    expect(parse({ secret: null }).secret).toBeUndefined();
    expect(parse({ secret: "" }).secret).toBe("");
  });

  test("ignores unknown names, even those that every object has", () => {
    expect(parse({ constructor: 1, toString: "x", other: "y" })).toEqual(parse({}));
  });

  test.each([["a\0b"], ["\ud800"], ["x\udc00"]])("rejects the text %j, which cannot be stored", (text) => {
    expect(refusal({ text })).toBe("ERR905: Invalid parameter: text: expected Unicode text without NUL");
  });

  test("rejects such a text inside a list or an object", () => {
    const nested = v.object({
      list: v.optional(v.array(v.string())),
      map: v.optional(v.record(v.string(), v.string())),
    });
    const check = (values: Record<string, unknown>) => () =>
      validate(nested, new Map(Object.entries(values)));
    expect(check({ list: ["ok", "a\0b"] })).toThrow("list: expected Unicode text without NUL");
    expect(check({ map: { "a\0b": "ok" } })).toThrow("map: expected Unicode text without NUL");
    expect(check({ map: { ok: "\ud800" } })).toThrow("map: expected Unicode text without NUL");
  });
});
