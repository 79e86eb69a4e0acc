import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, invalidParameter, type NewUser, type PluginContext, route, tagged } from "sealpost/plugin";
import * as v from "valibot";
import { createUser, eventData } from "./directory.ts";
import {
  type NewUserParams,
  newUserParams,
  pathNames,
  searchParams,
  toUserView,
  userView,
} from "./schema.ts";
import type { UserStore } from "./store.ts";

const TAG = { name: "Users", description: "Users in Sealpost's own database" };
/** Fields of a new user. The audit log has the names of those that were given. */
const FIELDS = ["email", "phone", "givenname", "surname", "certificate", "password"] as const;

/** Creates the routes with which admins manage users. */
export function userRoutes(
  deps: Pick<PluginContext, "store" | "audit" | "secrets" | "random" | "mail"> & {
    readonly users: UserStore;
    readonly defaultRealm: string;
  },
) {
  const { store, audit, users, defaultRealm } = deps;
  /** Sets what the event and the audit row say about the user. */
  const setTarget = (c: Context<Env>, name: { readonly username: string; readonly realm: string }) => {
    const { user, realm } = eventData(name);
    const target = { identifier: `${user}@${realm}`, recipient: "" };
    c.set("eventData", { user, realm });
    c.set("auditTarget", target);
    return target;
  };

  return tagged(TAG, [
    route(
      {
        method: "POST",
        path: "/user/",
        right: "adduser",
        parameters: { body: newUserParams(defaultRealm) },
        response: v.string(),
        summary: "Add a user",
        description: "The value is the id of the user.",
      },
      async (c, { body }) => {
        const target = setTarget(c, body);
        await assertCertificate(deps, body);
        const user = await toNewUser(c, deps, body);
        const fields = FIELDS.filter((name) => body[name]).join(",");
        const row = audit.row(c, { success: true, fields, ...target }, "ifChanged");
        if ((await createUser(deps, user, [row])) !== "created") throw nameTaken();
        return user.id;
      },
    ),
    route(
      {
        method: "GET",
        path: "/user/",
        right: "userlist",
        parameters: { query: searchParams },
        response: v.array(userView),
        summary: "List users",
      },
      async (c, { query: { page, page_size: pageSize, ...filter } }) => {
        const found = await users.search(filter, { page, pageSize });
        // Personal data was read, so log it; the search terms are personal data themselves, so log only their names.
        const fields = Object.keys(filter).join(",");
        await audit.write(c, { success: true, fields, info: `${found.length} users` });
        return found.map(toUserView);
      },
    ),
    route(
      {
        method: "DELETE",
        path: "/user/:realm/:username",
        right: "deleteuser",
        parameters: { path: pathNames },
        response: v.boolean(),
        summary: "Delete a user",
        description: "The value is `false` if there was none.",
      },
      async (c, { path: name }) => {
        const row = audit.row(c, { success: true, ...setTarget(c, name) });
        const [removed] = await store.commit([users.remove(name), row]);
        return removed.rowsAffected > 0;
      },
    ),
  ]);
}

/** @throws {SealpostError} `invalid_parameter` for a certificate that mail for the user cannot be encrypted to. */
async function assertCertificate(
  { mail }: Pick<PluginContext, "mail">,
  { email = "", certificate }: Pick<NewUserParams, "email" | "certificate">,
): Promise<void> {
  if (certificate === "") return;
  if (email === "") throw invalidParameter("certificate", "expected together with email, which it names");
  await mail.assertCertificate(email, certificate);
}

async function toNewUser(
  c: Context<Env>,
  { secrets, random }: Pick<PluginContext, "secrets" | "random">,
  given: NewUserParams,
): Promise<NewUser> {
  const { email = "", phone = "", password = "", ...name } = given;
  const passwordHash = password === "" ? "" : await secrets.password.hash(password, { request: c });
  return { id: random.id(), ...name, email, phone, passwordHash };
}

function nameTaken(): SealpostError {
  return new SealpostError("user_refused", "ERR904: A user with this name exists in this realm", {
    parameter: "username",
  });
}
