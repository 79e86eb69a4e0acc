import type { Context } from "hono";
import * as v from "valibot";
import type { Admins } from "../access/admins.ts";
import type { Env } from "../contracts/env.ts";
import { displayName } from "../domain/names.ts";
import { Secret } from "../domain/secret.ts";
import { invalidParameter } from "../errors.ts";
import { readCreateOnly } from "../wire/request.ts";
import { route, tagged } from "../wire/route.ts";
import {
  adminChanges,
  adminParams,
  adminPathParams,
  adminView,
  EXAMPLE,
  realmParams,
} from "./admin-schema.ts";

const TAG = { name: "Admins", description: "Who may log in" };
const WRITE = { right: "adminwrite", response: v.literal(true) } as const;
const SAVE = {
  ...WRITE,
  method: "POST",
  errors: [412],
  headers: { "If-Match": "`*`: change only", "If-None-Match": "`*`: create only" },
  description:
    "Parameters that are absent stay. A new password, or a change of `enabled`, voids earlier tokens.",
} as const;

/** Admins. */
export function adminRoutes({ admins }: { readonly admins: Pick<Admins, "list" | "save" | "remove"> }) {
  async function save(
    c: Context<Env>,
    { username, realm, password, enabled }: v.InferOutput<typeof adminParams>,
  ) {
    const name = setTarget(c, { username, realm });
    const changes = { enabled, password: password === undefined ? undefined : new Secret(password) };
    await admins.save(name, changes, c.get("actor"), {
      createOnly: readCreateOnly(c.req.header("if-none-match")),
      changeOnly: readChangeOnly(c.req.header("if-match")),
    });
    return true as const;
  }

  return tagged(TAG, [
    route(
      {
        method: "GET",
        path: "/admin/",
        right: "adminread",
        isProvedByRead: true,
        response: v.array(adminView),
        summary: "List admins",
      },
      async () => (await admins.list()).map(({ username, realm, enabled }) => ({ username, realm, enabled })),
    ),
    route(
      {
        ...SAVE,
        path: "/admin/",
        parameters: { body: adminParams },
        summary: "Create or change an admin",
        operationId: "addAdmin",
        example: EXAMPLE,
      },
      (c, { body }) => save(c, body),
    ),
    route(
      {
        ...SAVE,
        path: "/admin/:username",
        parameters: { path: adminPathParams, body: adminChanges },
        summary: "Create or change a named admin",
        operationId: "saveAdmin",
      },
      (c, { path, body }) => save(c, { ...body, ...path }),
    ),
    route(
      {
        ...WRITE,
        method: "DELETE",
        path: "/admin/:username",
        parameters: { path: adminPathParams, query: realmParams },
        summary: "Delete an admin",
        description: "The admin's tokens are void at once.",
        errors: [404],
      },
      async (c, { path: { username }, query: { realm } }) => {
        await admins.remove(setTarget(c, { username, realm }), c.get("actor"));
        return true as const;
      },
    ),
  ]);
}

/** Admins have no versions. @throws {SealpostError} `invalid_parameter` for anything but `*`. */
function readChangeOnly(header: string | undefined): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  throw invalidParameter("If-Match", "expected *");
}

/** Sets what the audit rows of failures, and events, say about the admin. */
function setTarget<N extends Parameters<typeof displayName>[0]>(c: Context<Env>, name: N): N {
  c.set("auditTarget", { identifier: displayName(name), recipient: "" });
  return name;
}
