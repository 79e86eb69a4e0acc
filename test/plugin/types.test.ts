import { expect, test } from "bun:test";
import { definePlugin, serverNames, setting } from "sealpost/plugin";
import * as v from "valibot";

const typed = definePlugin({
  name: "typed",
  options: v.object({ server: v.optional(serverNames, []), seconds: v.optional(v.number(), 120) }),
  rights: { typed_read: "Read" },
  settings: (options) => ({
    "typed.server": setting(serverNames, options.server, {
      description: "SMTP servers",
      namesServer: true,
    }),
    "typed.seconds": setting(v.number(), options.seconds, { description: "Seconds" }),
  }),
  requires: ["directory"],
  setup(ctx, options) {
    const seconds: number = options.seconds;
    const read = async (): Promise<number> => seconds + (await ctx.settings.get("typed.seconds"));
    // @ts-expect-error there is no such key
    const wrong = () => ctx.settings.get("typed.secods");
    const found = () => ctx.capabilities.use("directory").find({ username: "ann" });
    return { on: { "*": async () => void [read, wrong, found] } };
  },
});

test("definePlugin() accepts only the options of the schema", () => {
  expect(typed().validate().problems).toEqual([]);
  expect(typed({ server: "main", seconds: 3 }).validate().problems).toEqual([]);
  // @ts-expect-error a string is not a number
  expect(typed({ seconds: "3" }).validate().problems).toHaveLength(1);
  // @ts-expect-error misspelled
  expect(typed({ secods: 3 }).validate().problems).toEqual([
    "secods: there is no such option, did you mean seconds?",
  ]);
});

test("definePlugin() requires options if the schema does", () => {
  const strict = definePlugin({
    name: "strict",
    options: v.object({ url: v.string("expected a URL") }),
    setup: () => ({}),
  });
  expect(strict({ url: "x" }).validate().problems).toEqual([]);
  // @ts-expect-error url is missing
  expect(strict().validate().problems).toHaveLength(1);
});
