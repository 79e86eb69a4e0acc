import { Hono } from "hono";
import { bodyParams, type Directory, type Env, language, operation, success } from "sealpost/plugin";
import * as v from "valibot";
import type { Context, Options } from "./config.ts";
import { PAGE_PATH } from "./message.ts";
import { resetPage } from "./page.ts";
import { createAsk } from "./request.ts";
import { createReset } from "./reset.ts";
import { recoverParams, resetParams } from "./schema.ts";
import type { Codes } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

const tag = "Recovery";
const headers = {
  "Idempotency-Key": "A second call with the same key gets the answer of the first, for 24 hours",
};

/** All open: who uses them has no password. */
export function recoveryRoutes(parts: {
  readonly ctx: Context;
  readonly codes: Codes;
  readonly directory: () => Directory;
  readonly options: Options;
}) {
  const { ctx, codes, directory, options } = parts;
  const { leastPasswordCharacters, leastAnswerMs } = options;
  const ask = createAsk(ctx, codes, leastAnswerMs);
  const reset = createReset(ctx, codes, options);
  const realmOf = (realm: string) => realm || directory().defaultRealm;

  return new Hono<Env>()
    .post(
      "/recover",
      operation({
        summary: "Ask for a mail with a link to set a new password; true whether or not anybody gets it",
        operationId: "recover",
        tag,
        answer: v.literal(true),
        body: recoverParams,
        open: true,
        refusals: [403, 429],
        headers,
      }),
      bodyParams(recoverParams),
      async (c) => {
        const given = c.req.valid("json");
        c.set("eventData", { user: given.user, realm: realmOf(given.realm) });
        const value = await ctx.idempotent(c, given, () => ask(c, directory(), given));
        return c.json(success(value, ctx.time.now()));
      },
    )
    .post(
      PAGE_PATH,
      operation({
        summary: "Set a new password by the code in the mail; false if the code is not valid",
        operationId: "resetPassword",
        tag,
        answer: v.boolean(),
        body: resetParams,
        open: true,
        refusals: [403, 429],
        headers,
      }),
      bodyParams(resetParams),
      async (c) => {
        const given = c.req.valid("json");
        c.set("eventData", { user: given.user, realm: realmOf(given.realm) });
        const value = await ctx.idempotent(c, given, () => reset(c, directory(), given));
        return c.json(success(value, ctx.time.now()));
      },
    )
    .get(
      PAGE_PATH,
      operation({
        summary: "The page that the link leads to; it uses no code up",
        operationId: "resetPage",
        tag,
        answer: v.string(),
        media: "text/html",
        open: true,
      }),
      async (c) => {
        const { html, headers: fields } = await resetPage(language(c, LANGUAGES), leastPasswordCharacters);
        return c.html(html, 200, fields);
      },
    );
}
