import { Hono } from "hono";
import * as v from "valibot";
import type { Policies } from "../access/policies.ts";
import type { Env } from "../contracts/env.ts";
import type { Platform } from "../contracts/platform.ts";
import type { Policy, Right } from "../domain/policy.ts";
import { SealpostError } from "../errors.ts";
import { success } from "../wire/envelope.ts";
import type { RequireRight } from "../wire/guard.ts";
import { allowOnly } from "../wire/not-found.ts";
import { operation } from "../wire/openapi.ts";
import { bodyParams, pathParams } from "../wire/validate.ts";
import { policyNameParams, policyParams, policyView } from "./policy-schema.ts";

const tag = "Policies";
const numberOfPolicy = v.pipe(v.number(), v.description("Number of the policy"));

export interface PolicyParts {
  readonly policies: Policies;
  /** Every action there is. */
  readonly actions: readonly Right[];
  readonly requireRight: RequireRight;
  readonly platform: Pick<Platform, "now">;
}

/** All policies. */
export function policyCollection({ policies, requireRight, platform }: PolicyParts) {
  const list = operation({
    summary: "All policies",
    operationId: "listPolicies",
    tag,
    answer: v.array(policyView),
  });
  return new Hono<Env>()
    .get("/", list, requireRight("policyread", "GET /policy/"), async (c) => {
      return c.json(success((await policies.list()).map(toPolicyView), platform.now()));
    })
    .all("/", allowOnly("GET"));
}

/** One policy: what it allows to whom. */
export function policyRoutes({ policies, actions, requireRight, platform }: PolicyParts) {
  const params = policyParams(actions);
  const switching = (active: boolean) => {
    const verb = active ? "enable" : "disable";
    const doc = { summary: `Let a policy ${active ? "hold" : "rest"}`, operationId: `${verb}Policy`, tag };
    return operation({ ...doc, answer: numberOfPolicy, refusals: [404, 409] });
  };

  return new Hono<Env>()
    .post(
      "/enable/:name",
      switching(true),
      requireRight("policywrite", "POST /policy/enable/<name>"),
      pathParams(policyNameParams),
      async (c) => {
        const id = await policies.setActive(c.req.valid("param").name, true, c.get("actor"));
        return c.json(success(id, platform.now()));
      },
    )
    .post(
      "/disable/:name",
      switching(false),
      requireRight("policywrite", "POST /policy/disable/<name>"),
      pathParams(policyNameParams),
      async (c) => {
        const id = await policies.setActive(c.req.valid("param").name, false, c.get("actor"));
        return c.json(success(id, platform.now()));
      },
    )
    .get(
      "/:name",
      operation({
        summary: "One policy, as a list",
        operationId: "getPolicy",
        tag,
        answer: v.array(policyView),
        refusals: [404],
      }),
      requireRight("policyread", "GET /policy/<name>"),
      pathParams(policyNameParams),
      async (c) => {
        const { name } = c.req.valid("param");
        const found = (await policies.list()).filter((policy) => policy.name === name);
        if (found.length === 0) {
          throw new SealpostError("resource_not_found", "The requested Policy could not be found.");
        }
        return c.json(success(found.map(toPolicyView), platform.now()));
      },
    )
    .post(
      "/:name",
      operation({
        summary: "Create or replace a policy",
        operationId: "savePolicy",
        tag,
        answer: v.record(v.string(), v.number()),
        body: params,
        refusals: [409],
      }),
      requireRight("policywrite", "POST /policy/<name>"),
      pathParams(policyNameParams),
      bodyParams(params),
      async (c) => {
        const { name } = c.req.valid("param");
        const id = await policies.save({ ...c.req.valid("json"), name }, c.get("actor"));
        return c.json(success({ [`setPolicy ${name}`]: id }, platform.now()));
      },
    )
    .delete(
      "/:name",
      operation({
        summary: "Delete a policy",
        operationId: "deletePolicy",
        tag,
        answer: numberOfPolicy,
        refusals: [404, 409],
      }),
      requireRight("policydelete", "DELETE /policy/<name>"),
      pathParams(policyNameParams),
      async (c) => {
        const id = await policies.remove(c.req.valid("param").name, c.get("actor"));
        return c.json(success(id, platform.now()));
      },
    )
    .all("/:name", allowOnly("GET", "POST", "DELETE"))
    .all("/enable/:name", allowOnly("POST"))
    .all("/disable/:name", allowOnly("POST"));
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
