import { pageOf, respond, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import { CHANNELS } from "./channels.ts";
import { unusedAddresses } from "./enroll.ts";
import { createTokens, type Tokens, type TokensDeps } from "./manage.ts";
import {
  describeParams,
  enrolledDetail,
  initParams,
  listParams,
  namedParams,
  pinParams,
  serialParams,
  setParams,
  toFailures,
  tokenPage,
  toTokenView,
} from "./schema.ts";
import { stateRoutes } from "./state-routes.ts";
import type { VerifyEnrollment } from "./verify.ts";

const TAG = { name: "Tokens", description: "Second factors of users" };

/** Creates the routes with which admins manage tokens. */
export function tokenRoutes(deps: TokensDeps & { readonly verifyEnrollment: VerifyEnrollment }) {
  const tokens = createTokens(deps);
  return tagged(TAG, [
    ...changeRoutes(tokens),
    ...stateRoutes(deps),
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
        description:
          "`detail` has the serial of the token. With `rollout_state` `verify`, the token counts after a second request with the serial and, as `verify`, the code that was sent. The value is `false` if that code was not sent.",
        operationId: "initToken",
        errors: [404, 409],
      },
      async (c, { body }) => {
        c.set("notices", [...c.get("notices"), ...unusedAddresses(body)]);
        if (body.verify === "") return respondToInit(await tokens.init(c, body));
        const serial = await deps.verifyEnrollment(c, body);
        return respond(true, { detail: { serial, rollout_state: "enrolled" as const } });
      },
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

function respondToInit({ serial, verification }: Awaited<ReturnType<Tokens["init"]>>) {
  if (verification === null) return respond(true, { detail: { serial } });
  const [sent] = verification.issued;
  const detail = { serial, rollout_state: "verify" as const };
  if (!sent) return respond(false, { detail: { ...detail, failures: toFailures(verification.unsent) } });
  const verify = { message: sent.message, valid_until: sent.validUntil };
  return respond(true, { detail: { ...detail, verify } });
}

/** Creates the routes that change tokens. A serial in the path is the same as in the body. */
function changeRoutes(tokens: Tokens) {
  const shared = { method: "POST", errors: [404] } as const;
  const set = {
    ...shared,
    right: "set",
    parameters: { body: setParams },
    response: v.number(),
    description:
      "The description of one token, or of all tokens of a user, and with `pin` the PIN of the user. The value is the number of tokens that changed.",
  } as const;
  const describe = {
    ...shared,
    right: "setdescription",
    parameters: { body: describeParams },
    response: v.boolean(),
    description: "Of one token, or of all tokens of a user. The value is `false` if there are none.",
  } as const;
  const setPin = {
    ...shared,
    right: "setpin",
    parameters: { body: pinParams },
    response: v.number(),
    description: "It applies to all tokens of the user. The value is their number.",
  } as const;
  const path = serialParams;
  return [
    route(
      { ...set, path: "/token/set", summary: "Set description or PIN", operationId: "setToken" },
      (c, { body }) => tokens.set(c, body),
    ),
    route(
      {
        ...set,
        path: "/token/set/:serial",
        parameters: { path, body: setParams },
        summary: "Set one token's description or PIN",
        operationId: "setOneToken",
      },
      (c, { body, path }) => tokens.set(c, { ...body, ...path }),
    ),
    route(
      { ...describe, path: "/token/description", summary: "Describe a token" },
      async (c, { body }) => (await tokens.set(c, body)) > 0,
    ),
    route(
      {
        ...describe,
        path: "/token/description/:serial",
        parameters: { path, body: describeParams },
        summary: "Describe one token",
      },
      async (c, { body, path }) => (await tokens.set(c, { ...body, ...path })) > 0,
    ),
    route({ ...setPin, path: "/token/setpin", summary: "Change a PIN" }, (c, { body }) =>
      tokens.setPin(c, body),
    ),
    route(
      {
        ...setPin,
        path: "/token/setpin/:serial",
        parameters: { path, body: pinParams },
        summary: "Change one token's PIN",
        operationId: "changeOnePin",
      },
      (c, { body, path }) => tokens.setPin(c, { ...body, ...path }),
    ),
  ];
}
