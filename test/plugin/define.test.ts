import { expect, test } from "bun:test";
import * as v from "valibot";
import { definePlugin } from "../../src/plugin/define.ts";

test("valid options are validated once for all instances with a plugin", () => {
  let validations = 0;
  const plugin = definePlugin({
    name: "counted",
    options: v.object({
      name: v.pipe(
        v.string(),
        v.check(() => ++validations > 0),
      ),
    }),
    setup: () => ({}),
  })({ name: "any" });
  const first = plugin.validate();
  expect(plugin.validate()).toBe(first);
  expect(first.problems).toEqual([]);
  expect(validations).toBe(1);
});

test("invalid options are reported to each instance", () => {
  const plugin = definePlugin({ name: "strict", options: v.object({ name: v.string() }), setup: () => ({}) });
  const invalid = plugin({ name: 1 } as never);
  const { problems } = invalid.validate();
  expect(problems).toHaveLength(1);
  expect(invalid.validate().problems).toEqual(problems);
});

test("an option that is missing is required, in the words of Sealpost", () => {
  const options = v.object({ owner: v.string(), nested: v.object({ server: v.string() }) });
  const strict = definePlugin({ name: "strict", options, setup: () => ({}) });
  expect(strict({ nested: {} } as never).validate().problems).toEqual([
    "owner: this option is required",
    "nested.server: this option is required",
  ]);
});
