import { IDEMPOTENCY_HEADER, language, respond, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import type { RegistrationContext } from "./config.ts";
import { createConfirm } from "./confirm.ts";
import { createRegister } from "./register.ts";
import { confirmedView, confirmParams, pendingView, registerParams } from "./schema.ts";
import type { PendingStore } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const TAG = { name: "Registration", description: "Users create their own accounts" };
const OPEN = { open: true, response: v.boolean() } as const;

/** Creates the routes with which anyone can register. */
export function registrationRoutes(deps: RegistrationContext & { readonly pending: PendingStore }) {
  const register = createRegister(deps);
  const confirm = createConfirm(deps);
  return tagged(TAG, [
    route(
      {
        ...OPEN,
        method: "GET",
        path: "/register",
        summary: "Check whether registration is enabled",
        operationId: "canRegister",
      },
      () => deps.settings.get("register.enabled"),
    ),
    route(
      {
        ...OPEN,
        method: "POST",
        path: "/register",
        parameters: { body: registerParams },
        detail: pendingView,
        summary: "Register",
        description: "Sends a message with a code. `POST /register/confirm` creates the account with it.",
        errors: [409, 429],
        headers: IDEMPOTENCY_HEADER,
      },
      async (c, { body }) => {
        const { id, expiresAt } = await register(c, body);
        return respond(true, { detail: { transaction_id: id, valid_until: expiresAt } });
      },
    ),
    route(
      {
        ...OPEN,
        method: "POST",
        path: "/register/confirm",
        parameters: { body: confirmParams },
        detail: confirmedView,
        summary: "Create the account",
        description: "The value is `false` if the code is wrong or has expired.",
        operationId: "confirmRegistration",
        errors: [429],
      },
      async (c, { body: { transaction_id: id, code } }) => {
        const user = await confirm(c, id, code);
        if (user) return respond(true, { detail: user });
        return respond(false, { detail: { message: TEXTS[language(c, LANGUAGES)].wrongCode } });
      },
    ),
  ]);
}
