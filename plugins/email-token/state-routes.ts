import { route } from "sealpost/plugin";
import * as v from "valibot";
import type { TokensDeps } from "./manage.ts";
import { assignParams, namedParams, serialParams } from "./schema.ts";
import { createTokenStates } from "./states.ts";

/** The changes that count tokens, by their rights, which are also the names of their routes. */
const COUNTED = [
  { right: "enable", verb: "Enable", description: "A revoked token stays as it is." },
  { right: "disable", verb: "Disable", description: "Their codes are void." },
  { right: "revoke", verb: "Revoke", description: "Their codes are void, and they cannot be enabled again." },
  { right: "unassign", verb: "Unassign", description: "Their codes are void. The PIN stays with the user." },
] as const;

/** Creates the routes that change the state or the owner of tokens. A serial in the path is the same as in the body. */
export function stateRoutes(deps: TokensDeps) {
  const states = createTokenStates(deps);
  const path = serialParams;
  const assign = {
    method: "POST",
    right: "assign",
    response: v.literal(true),
    description: "The token gets the PIN of the user. Its codes are void.",
    errors: [404, 409, 429],
  } as const;
  return [
    ...COUNTED.flatMap(({ right, verb, description }) => {
      const shared = {
        method: "POST",
        right,
        response: v.number(),
        description: `One token, or all tokens of a user. The value is the number that changed. ${description}`,
        errors: [404],
      } as const;
      return [
        route(
          {
            ...shared,
            path: `/token/${right}`,
            parameters: { body: namedParams },
            summary: `${verb} tokens`,
          },
          (c, { body }) => states[right](c, body),
        ),
        route(
          {
            ...shared,
            path: `/token/${right}/:serial`,
            parameters: { path, body: namedParams },
            summary: `${verb} one token`,
          },
          (c, { body, path }) => states[right](c, { ...body, ...path }),
        ),
      ];
    }),
    route(
      { ...assign, path: "/token/assign", parameters: { body: assignParams }, summary: "Assign a token" },
      (c, { body }) => states.assign(c, body),
    ),
    route(
      {
        ...assign,
        path: "/token/assign/:serial",
        parameters: { path, body: assignParams },
        summary: "Assign one token",
      },
      (c, { body, path }) => states.assign(c, { ...body, ...path }),
    ),
  ];
}
