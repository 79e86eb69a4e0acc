import { Hono } from "hono";
import { bodyParams, type Env, language, operation, success } from "sealpost/plugin";
import * as v from "valibot";
import { createConfirm } from "./confirm.ts";
import { createRegister, type RegistrationParts } from "./register.ts";
import { confirmedView, confirmParams, pendingView, registerParams } from "./schema.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const tag = "Registration";
const IDEMPOTENCY = {
  "Idempotency-Key": "A second call with the same key gets the answer of the first, for 24 hours",
};

/** Registration over HTTP, for everybody. */
export function registrationRoutes(parts: RegistrationParts) {
  const { ctx } = parts;
  const register = createRegister(parts);
  const confirm = createConfirm(parts);
  return new Hono<Env>()
    .get(
      "/register",
      operation({
        summary: "Whether people may register",
        operationId: "canRegister",
        tag,
        answer: v.boolean(),
        open: true,
      }),
      async (c) => c.json(success(await ctx.settings.get("register.enabled"), ctx.time.now())),
    )
    .post(
      "/register",
      operation({
        summary: "Register: a code is mailed, with which the account is made",
        operationId: "register",
        tag,
        answer: v.boolean(),
        detail: pendingView,
        body: registerParams,
        refusals: [409, 429],
        headers: IDEMPOTENCY,
        open: true,
      }),
      bodyParams(registerParams),
      async (c) => {
        const { id, expiresAt } = await register(c, c.req.valid("json"));
        return c.json(success(true, ctx.time.now(), { transaction_id: id, valid_until: expiresAt }));
      },
    )
    .post(
      "/register/confirm",
      operation({
        summary: "Make the account; false if the code is wrong or does not hold any more",
        operationId: "confirmRegistration",
        tag,
        answer: v.boolean(),
        detail: confirmedView,
        body: confirmParams,
        refusals: [429],
        open: true,
      }),
      bodyParams(confirmParams),
      async (c) => {
        const { transaction_id: id, code } = c.req.valid("json");
        const user = await confirm(c, id, code);
        if (user) return c.json(success(true, ctx.time.now(), user));
        return c.json(success(false, ctx.time.now(), { message: TEXTS[language(c, LANGUAGES)].wrongCode }));
      },
    );
}
