import { pageOf, respond, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import { CHANNELS } from "./channels.ts";
import { createTokens, type TokensDeps } from "./manage.ts";
import {
  enrolledDetail,
  initParams,
  listParams,
  namedParams,
  serialParams,
  tokenPage,
  toTokenView,
} from "./schema.ts";

const TAG = { name: "Tokens", description: "Second factors of users" };

/** Creates the routes with which admins manage tokens. */
export function tokenRoutes(deps: TokensDeps) {
  const tokens = createTokens(deps);
  return tagged(TAG, [
    route(
      {
        method: "POST",
        path: "/token/init",
        parameters: { body: initParams },
        right: {
          of: ({ body: { type } }) => CHANNELS[type].right,
          among: Object.values(CHANNELS).map(({ right }) => right),
        },
        isProvedByRead: true,
        response: v.boolean(),
        detail: enrolledDetail,
        summary: "Enroll a token",
        description: "`detail` has the serial of the token.",
        operationId: "initToken",
        errors: [409],
      },
      async (c, { body }) => respond(true, { detail: { serial: await tokens.init(c, body) } }),
    ),
    route(
      {
        method: "GET",
        path: "/token/",
        right: "tokenlist",
        parameters: { query: listParams },
        response: tokenPage,
        summary: "List tokens",
      },
      async (c, { query }) => {
        const { rows, total } = await tokens.page(c, query);
        return {
          ...pageOf({ page: query.page, pageSize: query.pagesize }, total),
          tokens: rows.map(toTokenView),
        };
      },
    ),
    route(
      {
        method: "POST",
        path: "/token/reset",
        right: "reset",
        parameters: { body: namedParams },
        response: v.number(),
        summary: "Clear fail counters",
        description: "Of one token, or of all tokens of a user. The value is the number of tokens.",
        operationId: "resetToken",
        errors: [404],
      },
      (c, { body }) => tokens.reset(c, body),
    ),
    route(
      {
        method: "DELETE",
        path: "/token/:serial",
        right: "delete",
        parameters: { path: serialParams },
        response: v.number(),
        summary: "Delete a token",
        description: "Its codes are deleted as well. The value is 1.",
        errors: [404],
      },
      (c, { path: { serial } }) => tokens.remove(c, serial),
    ),
  ]);
}
