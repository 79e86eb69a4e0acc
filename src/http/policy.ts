import * as v from "valibot";
import type { Policies } from "../access/policies.ts";
import type { Policy, Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { route } from "../wire/route.ts";
import { policyNameParams, policyParams, policyView } from "./policy-schema.ts";

const tag = { name: "Policies", description: "What each admin may do, from where and when" };
const path = policyNameParams;
const numberOfPolicy = v.pipe(v.number(), v.description("Number of the policy"));
const EXAMPLE = { scope: "admin", action: "*", adminuser: "admin" };

/** Admin policies. */
export function policyRoutes(deps: {
  readonly policies: Policies;
  /** Every right that exists. */
  readonly actions: readonly Right[];
}) {
  const { policies, actions } = deps;
  return [
    route(
      {
        method: "GET",
        path: "/policy/",
        right: "policyread",
        response: v.array(policyView),
        summary: "List policies",
        operationId: "listPolicies",
        tag,
      },
      async () => (await policies.list()).map(toPolicyView),
    ),
    route(
      {
        method: "POST",
        path: "/policy/enable/:name",
        right: "policywrite",
        parameters: { path },
        response: numberOfPolicy,
        summary: "Enable a policy",
        operationId: "enablePolicy",
        tag,
        errors: [404, 409],
      },
      (c, { path: { name } }) => policies.setActive(name, true, c.get("actor")),
    ),
    route(
      {
        method: "POST",
        path: "/policy/disable/:name",
        right: "policywrite",
        parameters: { path },
        response: numberOfPolicy,
        summary: "Disable a policy",
        operationId: "disablePolicy",
        tag,
        errors: [404, 409],
      },
      (c, { path: { name } }) => policies.setActive(name, false, c.get("actor")),
    ),
    route(
      {
        method: "GET",
        path: "/policy/:name",
        right: "policyread",
        parameters: { path },
        response: v.array(policyView),
        summary: "Get a policy",
        description: "The value is a list with this one policy.",
        operationId: "getPolicy",
        tag,
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
        method: "POST",
        path: "/policy/:name",
        right: "policywrite",
        parameters: { path, body: policyParams(actions) },
        response: v.record(v.string(), v.number()),
        summary: "Create or replace a policy",
        description: "The value has the number of the policy under `setPolicy <name>`.",
        operationId: "savePolicy",
        tag,
        errors: [409],
        example: { body: EXAMPLE, value: { "setPolicy superuser": 1 } },
      },
      async (c, { path: { name }, body }) => {
        const id = await policies.save({ ...body, name }, c.get("actor"));
        return { [`setPolicy ${name}`]: id };
      },
    ),
    route(
      {
        method: "DELETE",
        path: "/policy/:name",
        right: "policydelete",
        parameters: { path },
        response: numberOfPolicy,
        summary: "Delete a policy",
        operationId: "deletePolicy",
        tag,
        errors: [404, 409],
      },
      (c, { path: { name } }) => policies.remove(name, c.get("actor")),
    ),
  ];
}

function toPolicyView(policy: Policy): v.InferOutput<typeof policyView> {
  return {
    ...policy,
    action: { ...policy.action },
    adminuser: [...policy.adminuser],
    adminrealm: [...policy.adminrealm],
    client: [...policy.client],
  };
}
