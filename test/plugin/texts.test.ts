import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Hono } from "hono";
import { checkTemplate, language, render, templateText } from "sealpost/plugin";
import * as v from "valibot";

describe("render()", () => {
  test.each<[template: string, expected: string]>([
    ["Your code is {otp}", "Your code is 12<34"],
    ["{otp}{otp}", "12<3412<34"],
    ["{{otp}} {{ }}", "{otp} { }"],
    ["{{{otp}}}", "{12<34}"],
    ["", ""],
  ])("renders %j as %j", (template, expected) => {
    expect(checkTemplate(template, ["otp"])).toBeNull();
    expect(render(template, { otp: "12<34" })).toBe(expected);
  });

  test("escapes values for HTML, but not the template", () => {
    const html = render('<p title="{a}">{a}</p>', { a: `<&>"'` }, { html: true });
    expect(html).toBe('<p title="&lt;&amp;&gt;&quot;&#39;">&lt;&amp;&gt;&quot;&#39;</p>');
  });

  test("never expands tags in a value", () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(render("{a}|{b}", { a: value, b: "{a}" })).toBe(`${value}|{a}`);
      }),
    );
    expect(render("{a}", { a: "$& $1 {{b}}" })).toBe("$& $1 {{b}}");
  });

  test("renders one line with `line`, as a subject needs", () => {
    const values = { a: "Ann\r\nBcc: eve@example.org\u2028x" };
    expect(render("\tFor {a}\n", values, { line: true })).toBe("For Ann Bcc: eve@example.org x");
  });

  test("throws for a tag without a value, even for a name that every object has", () => {
    expect(() => render("{constructor}", {})).toThrow("{constructor}");
  });
});

test.each([
  ["Hello {name}", "there is no tag {name}; expected {otp}, {user}"],
  ["a { b", "a single { is written {{"],
  ["a } b", "a single } is written }}"],
  ["{otp.length}", "a single { is written {{"],
])("checkTemplate() rejects %j", (template, problem) => {
  expect(checkTemplate(template, ["otp", "user"])).toBe(problem);
  const result = v.safeParse(templateText(["otp", "user"]), template);
  expect(result.issues?.[0]?.message).toBe(problem);
});

test.each([
  ["de-AT,de;q=0.9,en;q=0.8", "de"],
  ["fr, en-GB;q=0.5, de;q=0.4", "en"],
  ["en;q=0.1, DE;q=0.2", "de"],
  ["de;q=0", "en"],
  ["de;q=x", "en"],
  ["*", "en"],
  ["", "en"],
])("language() of %j is %s", async (header, expected) => {
  const app = new Hono().get("/", (c) => c.text(language(c, ["en", "de"])));
  const response = await app.request("/", { headers: { "accept-language": header } });
  expect(await response.text()).toBe(expected);
});
