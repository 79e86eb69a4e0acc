import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, type NewUser, type PluginContext, route, tagged, type UserName } from "sealpost/plugin";
import * as v from "valibot";
import {
  assertCertificate,
  type ChangeDeps,
  createChangeUser,
  FIELDS,
  newHash,
  setTarget,
} from "./change.ts";
import { createUser } from "./directory.ts";
import {
  changedDetail,
  changedUserParams,
  type NewUserParams,
  nameOf,
  newUserParams,
  pathNames,
  phoneOf,
  searchParams,
  toUserView,
  userView,
} from "./schema.ts";

const TAG = { name: "Users", description: "Users in Sealpost's own database" };

/** Creates the routes with which admins manage users. */
export function userRoutes(deps: ChangeDeps) {
  const { store, audit, users, defaultRealm } = deps;
  const changeUser = createChangeUser(deps);

  return tagged(TAG, [
    route(
      {
        method: "POST",
        path: "/user/",
        right: "adduser",
        parameters: { body: newUserParams },
        response: v.string(),
        summary: "Add a user",
        description: "The value is the id of the user.",
      },
      async (c, { body: { mobile, ...body } }) => {
        const name = nameOf(body, defaultRealm);
        const given = { ...body, ...name, phone: phoneOf({ ...body, mobile }) };
        const target = setTarget(c, name);
        await assertCertificate(deps, given);
        const user = await toNewUser(c, deps, given);
        const fields = FIELDS.filter((field) => given[field]).join(",");
        const row = audit.row(c, { success: true, fields, ...target }, "ifChanged");
        if ((await createUser(deps, user, [row])) !== "created") throw nameTaken();
        return user.id;
      },
    ),
    route(
      {
        method: "PUT",
        path: "/user/",
        right: "updateuser",
        parameters: { body: changedUserParams },
        response: v.boolean(),
        detail: changedDetail,
        summary: "Change a user",
        description:
          "Fields that are absent stay as they are. With `confirm_email`, a new address waits until the code sent to it is given as `confirm`. The value is `false` if there is no such user, the code is wrong, or it could not be sent.",
        errors: [429],
      },
      (c, { body }) => changeUser(c, body),
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
        const fields = Object.entries(filter)
          .flatMap(([name, pattern]) => (pattern ? name : []))
          .join(",");
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
        const [, removed] = await store.commit([...users.remove(name), row]);
        return removed.rowsAffected > 0;
      },
    ),
  ]);
}

async function toNewUser(
  c: Context<Env>,
  { secrets, random }: Pick<PluginContext, "secrets" | "random">,
  given: Omit<NewUserParams, "user" | "resolver" | "mobile"> & UserName,
): Promise<NewUser> {
  const { username, realm, email = "", phone = "", password = "", givenname, surname, certificate } = given;
  const passwordHash = password === "" ? "" : await newHash(c, { secrets }, given, password);
  return { id: random.id(), username, realm, email, phone, givenname, surname, certificate, passwordHash };
}

function nameTaken(): SealpostError {
  return new SealpostError("user_refused", "ERR904: A user with this name exists in this realm", {
    parameter: "username",
  });
}
