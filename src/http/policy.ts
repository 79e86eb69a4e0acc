import * as v from "valibot";
import type { Policies } from "../access/policies.ts";
import type { Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { route, tagged } from "../wire/route.ts";
import {
  EXAMPLE,
  policyIdView,
  policyNameParams,
  policyParams,
  policyView,
  savedView,
} from "./policy-schema.ts";

const TAG = { name: "Policies", description: "What each admin may do, from where and when" };
const parameters = { path: policyNameParams };
const READ = { method: "GET", right: "policyread", response: v.array(policyView) } as const;
const WRITE = { method: "POST", right: "policywrite" } as const;
const CHANGE = { parameters, response: policyIdView, errors: [404, 409] } as const;

/** Admin policies. @param deps.rights every right that exists */
export function policyRoutes({
  policies,
  rights,
}: {
  readonly policies: Policies;
  readonly rights: readonly Right[];
}) {
  return tagged(TAG, [
    route({ ...READ, path: "/policy/", summary: "List policies" }, () => policies.list()),
    route(
      { ...WRITE, ...CHANGE, path: "/policy/enable/:name", summary: "Enable a policy" },
      (c, { path: { name } }) => policies.setActive(name, true, c.get("actor")),
    ),
    route(
      { ...WRITE, ...CHANGE, path: "/policy/disable/:name", summary: "Disable a policy" },
      (c, { path: { name } }) => policies.setActive(name, false, c.get("actor")),
    ),
    route(
      {
        ...READ,
        path: "/policy/:name",
        parameters,
        summary: "Get a policy",
        description: "The value is a list with this one policy.",
        errors: [404],
      },
      async (_, { path: { name } }) => {
        const found = (await policies.list()).filter((policy) => policy.name === name);
        if (found.length > 0) return found;
        throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
      },
    ),
    route(
      {
        ...WRITE,
        path: "/policy/:name",
        parameters: { ...parameters, body: policyParams(rights) },
        response: savedView,
        summary: "Create or replace a policy",
        description: "The value has the number of the policy under `setPolicy <name>`.",
        operationId: "savePolicy",
        errors: [409],
        example: EXAMPLE,
      },
      async (c, { path: { name }, body }) => ({
        [`setPolicy ${name}`]: await policies.save({ ...body, name }, c.get("actor")),
      }),
    ),
    route(
      {
        ...CHANGE,
        method: "DELETE",
        path: "/policy/:name",
        right: "policydelete",
        summary: "Delete a policy",
      },
      (c, { path: { name } }) => policies.remove(name, c.get("actor")),
    ),
  ]);
}
