import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { duplicateKey } from "../../src/wire/read-parameters.ts";

describe("duplicateKey()", () => {
  test.each<[text: string, repeated: string | null]>([
    ["{}", null],
    ['{"a":1,"b":2}', null],
    ['{"a":1,"a":1}', "a"],
    ['{"a":1,"\\u0061":2}', "a"],
    ['{"a":{"b":1},"c":{"b":2}}', null],
    ['{"a":{"b":1,"b":2}}', "b"],
    ['{"a":[{"b":1},{"b":2}]}', null],
    ['{"a":["a","a"],"b":"a"}', null],
    ['{"a":"\\"a\\":","b":"{\\"a\\":1}"}', null],
    ['{"":1,"":2}', ""],
    ['{"__proto__":1,"__proto__":2}', "__proto__"],
    ['{"a":"\\\\","a":1}', "a"],
    ['{ "a" : 1 ,\n "a" : 2 }', "a"],
    ['{"toString":1}', null],
  ])("in %p: %p", (text, repeated) => {
    expect(duplicateKey(text)).toBe(repeated);
  });

  test("finds none in the output of JSON.stringify()", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(duplicateKey(JSON.stringify(JSON.parse(text)))).toBeNull();
      }),
    );
  });

  test("finds a duplicate key at any place in the text", () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 });
    fc.assert(
      fc.property(object, fc.nat(), (value, index) => {
        const keys = Object.keys(value);
        const key = keys[index % keys.length] ?? "";
        const whole = JSON.stringify(value);
        expect(duplicateKey(`${whole.slice(0, -1)},${JSON.stringify(key)}:null}`)).toBe(key);
      }),
    );
  });

  test("reads a text as long as a body may be", () => {
    const long = `{"a":"${"\\\\".repeat(130_000)}","a":1}`;
    expect(duplicateKey(long)).toBe("a");
    expect(duplicateKey(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`)).toBeNull();
  });
});
