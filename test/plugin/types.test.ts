import { expect, test } from "bun:test";
import { configKey, definePlugin, serverNames } from "sealpost";
import * as v from "valibot";

const typed = definePlugin({
  name: "typed",
  options: v.object({ server: v.optional(serverNames, []), seconds: v.optional(v.number(), 120) }),
  actions: { typed_read: "Read" },
  config: (options) => ({
    "typed.server": configKey(serverNames, options.server, {
      description: "SMTP servers",
      namesServer: true,
    }),
    "typed.seconds": configKey(v.number(), options.seconds, { description: "Seconds" }),
  }),
  requires: ["directory"],
  setup(ctx, options) {
    const seconds: number = options.seconds;
    const read = async (): Promise<number> => seconds + (await ctx.config.get("typed.seconds"));
    // @ts-expect-error there is no such key
    const wrong = () => ctx.config.get("typed.secods");
    const found = () => ctx.use("directory").find({ username: "ann" });
    return { on: { "*": async () => void [read, wrong, found] } };
  },
});

test("definePlugin() takes the options of the schema only", () => {
  expect(typed().check().problems).toEqual([]);
  expect(typed({ server: "main", seconds: 3 }).check().problems).toEqual([]);
  // @ts-expect-error a text is no number
  expect(typed({ seconds: "3" }).check().problems).toHaveLength(1);
  // @ts-expect-error misspelt
  expect(typed({ secods: 3 }).check().problems).toEqual(["secods: there is no such option"]);
});

test("definePlugin() wants options where the schema does", () => {
  const strict = definePlugin({
    name: "strict",
    options: v.object({ url: v.string("expected a URL") }),
    setup: () => ({}),
  });
  expect(strict({ url: "x" }).check().problems).toEqual([]);
  // @ts-expect-error url is missing
  expect(strict().check().problems).toHaveLength(1);
});
