import { type Context, Hono } from "hono";
import { SealpostError } from "sealpost";
import {
  bodyParams,
  type Env,
  type NewUser,
  operation,
  type PluginContext,
  pathParams,
  queryParams,
  success,
} from "sealpost/plugin";
import * as v from "valibot";
import { createUser, eventData } from "./directory.ts";
import { type NewUserParams, newUserParams, pathNames, searchParams, userView } from "./schema.ts";
import type { UserRepository, UserRow } from "./store.ts";

const tag = "Users";
/** What a parameter of a new user is stored for; their names are what the audit log tells. */
const FIELDS = ["email", "phone", "givenname", "surname", "password"] as const;

/** Users over HTTP, for admins. */
export function userRoutes(parts: {
  readonly ctx: PluginContext;
  readonly users: UserRepository;
  readonly defaultRealm: string;
}) {
  const { ctx, users, defaultRealm } = parts;
  const body = newUserParams(defaultRealm);
  const told = (name: { readonly username: string; readonly realm: string }) => {
    const { user, realm } = eventData(name);
    return { data: { user, realm }, target: { identifier: `${user}@${realm}`, recipient: "" } };
  };

  return new Hono<Env>()
    .post(
      "/user/",
      operation({
        summary: "Make a user; the value is its id",
        operationId: "addUser",
        tag,
        answer: v.string(),
        body,
      }),
      ctx.guard.requireRight("adduser"),
      bodyParams(body),
      async (c) => {
        const given = c.req.valid("json");
        const { data, target } = told(given);
        c.set("eventData", data);
        c.set("auditTarget", target);
        const user = await toNewUser(c, ctx, given);
        const fields = FIELDS.filter((name) => given[name]).join(",");
        const row = ctx.audit.row(c, { success: true, fields, ...target }, "ifChanged");
        if ((await createUser({ store: ctx.store, users }, user, [row])) !== "made") throw taken();
        return c.json(success(user.id, ctx.time.now()));
      },
    )
    .get(
      "/user/",
      operation({
        summary: "Users that the filters fit",
        operationId: "listUsers",
        tag,
        answer: v.array(userView),
      }),
      ctx.guard.requireRight("userlist"),
      queryParams(searchParams),
      async (c) => {
        const { page, page_size: pageSize, ...filter } = c.req.valid("query");
        const found = await users.search(filter, { page, pageSize });
        // Personal data was read; by what was searched is as personal.
        await ctx.audit.write(c, {
          success: true,
          fields: Object.keys(filter).join(","),
          info: `${found.length} users`,
        });
        return c.json(success(found.map(toView), ctx.time.now()));
      },
    )
    .delete(
      "/user/:realm/:username",
      operation({
        summary: "Delete a user; false if there was none",
        operationId: "deleteUser",
        tag,
        answer: v.boolean(),
      }),
      ctx.guard.requireRight("deleteuser"),
      pathParams(pathNames),
      async (c) => {
        const name = c.req.valid("param");
        const { data, target } = told(name);
        c.set("eventData", data);
        c.set("auditTarget", target);
        const removal = users.remove(name);
        const [removed] = await ctx.store.commit([removal, ctx.audit.row(c, { success: true, ...target })]);
        return c.json(success(removed.rowsAffected > 0, ctx.time.now()));
      },
    );
}

async function toNewUser(c: Context<Env>, ctx: PluginContext, given: NewUserParams): Promise<NewUser> {
  const { email = "", phone = "", password = "", ...name } = given;
  const passwordHash = password === "" ? "" : await ctx.secrets.password.hash(password, { request: c });
  return { id: ctx.random.id(), ...name, email, phone, passwordHash };
}

function taken(): SealpostError {
  return new SealpostError("user_refused", "ERR904: There is a user of this name in this realm already", {
    parameter: "username",
  });
}

function toView(row: UserRow): v.InferOutput<typeof userView> {
  const { id: userid, username, realm, email, phone, givenname, surname } = row;
  return {
    ...{ userid, username, realm, resolver: realm, editable: true },
    ...{ email, phone, mobile: phone, givenname, surname },
  };
}
