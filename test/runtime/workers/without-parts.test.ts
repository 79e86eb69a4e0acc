import { describe, expect, test } from "bun:test";
import { withoutParts } from "../../../tools/workers/without-parts.ts";

const THROWING = 'throw Error("Left out of the Worker");';

describe("a script without a part", () => {
  test.each([
    ["A.b", "class A { a() {} b() {} }", "class A { a() {}  }"],
    ["A.b", "class A { a() {} static b = 1; }", "class A { a() {}  }"],
    ["A.#b", "const A = class { a() {} #b() { return 1; } }", "const A = class { a() {}  }"],
    ["A.b()", "class A { b() { return 1; } }", `class A { b() { ${THROWING} } }`],
    ["a()", "function a() { return 1; } const b = 1;", `function a() { ${THROWING} } const b = 1;`],
    ["a()", "const a = () => 1;", `const a = () => { ${THROWING} };`],
    ["void A.b()", "class A { b() { return 1; } }", "class A { b() {} }"],
    ["void a()", "function a() { return 1; } const b = 1;", "function a() {} const b = 1;"],
    ["void a()", "const a = () => 1;", "const a = () => {};"],
    ["A.prototype.b", "A.prototype.b = function () {}; A.prototype.c = 1;", " A.prototype.c = 1;"],
    ["if (a.b)", "if (a.b) c(); d();", `if (a.b) ${THROWING} d();`],
    ["if (a)", "if (a) { b(); } else c();", `if (a) ${THROWING} else c();`],
    ["void if (a.b)", "if (a.b) c(); d();", "{} d();"],
    ["void if (a)", "if (a) b(); else if (c) d();", "if (c) d();"],
    ["void if (c)", "if (a) b(); else if (c) d();", "if (a) b(); else {}"],
    ['case "a" of a', 'switch (a) { case "a": b(); break; default: c(); }', "switch (a) {  default: c(); }"],
    [
      "default of a",
      'switch (a) { case "a": b(); break; default: c(); }',
      'switch (a) { case "a": b(); break;  }',
    ],
  ])("%s has the others", (name, text, rest) => {
    expect(withoutParts(text, [name])).toBe(rest);
  });

  test("loses a part inside another with it", () => {
    expect(withoutParts("class A { b() { if (c) d(); } }", ["A.b", "if (c)"])).toBe("class A {  }");
  });

  test("loses a part as often as it is expected", () => {
    const text = "if (a) b(); if (a) c();";
    expect(withoutParts(text, [{ part: "void if (a)", count: 2 }])).toBe("{} {}");
    expect(() => withoutParts(text, ["void if (a)"])).toThrow(
      "Cannot leave out: void if (a) (2 found, 1 expected)",
    );
  });

  test("cannot be made if it has no such part", () => {
    expect(() => withoutParts("class A { b() {} }", ["A.b", "A.c", "d()"])).toThrow(
      "Cannot leave out: A.c (0 found, 1 expected), d() (0 found, 1 expected)",
    );
  });
});
