import * as v from "valibot";
import type { Policies } from "../access/policies.ts";
import type { Policy, Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { route } from "../wire/route.ts";
import { policyNameParams, policyParams, policyView } from "./policy-schema.ts";

const tag = { name: "Policies", description: "What each admin may do, from where and when" };
const parameters = { path: policyNameParams };
const response = v.pipe(v.number(), v.description("Number of the policy"));
const READ = { method: "GET", right: "policyread", response: v.array(policyView), tag } as const;
const WRITE = { method: "POST", right: "policywrite", tag } as const;
const CHANGE = { parameters, response, errors: [404, 409] } as const;
const EXAMPLE = { scope: "admin", action: "*", adminuser: "admin" };

/** Admin policies. */
export function policyRoutes(deps: {
  readonly policies: Policies;
  /** Every right that exists. */
  readonly rights: readonly Right[];
}) {
  const { policies, rights } = deps;
  return [
    route({ ...READ, path: "/policy/", summary: "List policies", operationId: "listPolicies" }, async () =>
      (await policies.list()).map(toPolicyView),
    ),
    route(
      {
        ...WRITE,
        ...CHANGE,
        path: "/policy/enable/:name",
        summary: "Enable a policy",
        operationId: "enablePolicy",
      },
      (c, { path: { name } }) => policies.setActive(name, true, c.get("actor")),
    ),
    route(
      {
        ...WRITE,
        ...CHANGE,
        path: "/policy/disable/:name",
        summary: "Disable a policy",
        operationId: "disablePolicy",
      },
      (c, { path: { name } }) => policies.setActive(name, false, c.get("actor")),
    ),
    route(
      {
        ...READ,
        path: "/policy/:name",
        parameters,
        summary: "Get a policy",
        description: "The value is a list with this one policy.",
        operationId: "getPolicy",
        errors: [404],
      },
      async (_, { path: { name } }) => {
        const found = (await policies.list()).filter((policy) => policy.name === name);
        if (found.length > 0) return found.map(toPolicyView);
        throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
      },
    ),
    route(
      {
        ...WRITE,
        path: "/policy/:name",
        parameters: { ...parameters, body: policyParams(rights) },
        response: v.record(v.string(), v.number()),
        summary: "Create or replace a policy",
        description: "The value has the number of the policy under `setPolicy <name>`.",
        operationId: "savePolicy",
        errors: [409],
        example: { body: EXAMPLE, value: { "setPolicy superuser": 1 } },
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
        operationId: "deletePolicy",
        tag,
      },
      (c, { path: { name } }) => policies.remove(name, c.get("actor")),
    ),
  ];
}

function toPolicyView(policy: Policy): v.InferOutput<typeof policyView> {
  const { action, adminuser, adminrealm, client } = policy;
  return {
    ...policy,
    action: { ...action },
    adminuser: [...adminuser],
    adminrealm: [...adminrealm],
    client: [...client],
  };
}
