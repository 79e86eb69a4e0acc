import { IDEMPOTENCY_HEADER, language, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import { createFindAccount } from "./accounts.ts";
import type { Options, RecoveryContext } from "./config.ts";
import { PAGE_PATH } from "./message.ts";
import { resetPage } from "./page.ts";
import { createRequestCode } from "./request.ts";
import { createResetPassword } from "./reset.ts";
import { recoverParams, resetParams } from "./schema.ts";
import type { CodeStore } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

const TAG = { name: "Recovery", description: "Users set a new password by a link in a message" };
/** All routes are open: a user who needs them has no password. */
const OPEN = { open: true, errors: [403, 429], headers: IDEMPOTENCY_HEADER } as const;

/** Creates the routes with which users recover passwords. */
export function recoveryRoutes(
  deps: RecoveryContext &
    Pick<Options, "leastPasswordCharacters" | "leastAnswerMs"> & { readonly codes: CodeStore },
) {
  const { capabilities, idempotent, leastPasswordCharacters } = deps;
  const directory = capabilities.use("directory");
  const findAccount = createFindAccount({ ...deps, directory });
  const requestCode = createRequestCode({ ...deps, directory, findAccount });
  const resetPassword = createResetPassword({ ...deps, directory, findAccount });
  const realmOf = (realm: string) => realm || directory.defaultRealm;

  return tagged(TAG, [
    route(
      {
        ...OPEN,
        method: "POST",
        path: "/recover",
        parameters: { body: recoverParams },
        response: v.literal(true),
        summary: "Request a recovery link",
        description: "The value is `true` whether or not a message is sent.",
        operationId: "recover",
      },
      async (c, { body }) => {
        c.set("eventData", { user: body.user, realm: realmOf(body.realm) });
        return idempotent(c, body, () => requestCode(c, body));
      },
    ),
    route(
      {
        ...OPEN,
        method: "POST",
        path: PAGE_PATH,
        parameters: { body: resetParams },
        response: v.boolean(),
        summary: "Reset a password",
        description: "Needs the code in the message. The value is `false` if the code is not valid.",
      },
      async (c, { body }) => {
        c.set("eventData", { user: body.user, realm: realmOf(body.realm) });
        return idempotent(c, body, () => resetPassword(c, body));
      },
    ),
    route(
      {
        method: "GET",
        path: PAGE_PATH,
        open: true,
        response: v.string(),
        media: "text/html",
        summary: "Show the recovery page",
        description: "The page that the link leads to. It does not use up the code.",
        operationId: "resetPage",
      },
      async (c) => {
        const { html, headers } = await resetPage(language(c, LANGUAGES), leastPasswordCharacters);
        return c.html(html, 200, headers);
      },
    ),
  ]);
}
