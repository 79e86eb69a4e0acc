import type { Context } from "hono";
import { SealpostError } from "sealpost";
import {
  type Env,
  invalidParameter,
  type NewUser,
  type PluginContext,
  route,
  tagged,
  type UserName,
} from "sealpost/plugin";
import * as v from "valibot";
import { createUser, eventData } from "./directory.ts";
import {
  type ChangedUserParams,
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
import type { UserChanges, UserRow, UserStore } from "./store.ts";

const TAG = { name: "Users", description: "Users in Sealpost's own database" };
/** Fields of a new user. The audit log has the names of those that were given. */
const FIELDS = ["email", "phone", "givenname", "surname", "certificate", "password"] as const;

/** The columns of these fields. */
const CHANGED: Readonly<Record<(typeof FIELDS)[number], keyof UserChanges>> = {
  email: "email",
  phone: "phone",
  givenname: "givenname",
  surname: "surname",
  certificate: "certificate",
  password: "passwordHash",
};

interface UserRouteDeps extends Pick<PluginContext, "store" | "audit" | "secrets" | "random" | "mail"> {
  readonly users: UserStore;
  readonly defaultRealm: string;
}

/** Creates the routes with which admins manage users. */
export function userRoutes(deps: UserRouteDeps) {
  const { store, audit, users, defaultRealm } = deps;

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
        summary: "Change a user",
        description:
          "Fields that are absent stay as they are. The value is `false` if there is no such user.",
      },
      (c, { body }) => changeUser(c, deps, body),
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

/** Sets what the event and the audit row say about the user. */
function setTarget(c: Context<Env>, name: UserName) {
  const { user, realm } = eventData(name);
  const target = { identifier: `${user}@${realm}`, recipient: "" };
  c.set("eventData", { user, realm });
  c.set("auditTarget", target);
  return target;
}

async function changeUser(c: Context<Env>, deps: UserRouteDeps, body: ChangedUserParams): Promise<boolean> {
  const { store, audit, users, defaultRealm } = deps;
  const name = nameOf(body, defaultRealm);
  const target = setTarget(c, name);
  const stored = await users.find(name);
  if (!stored) {
    await audit.write(c, { success: false, info: "there was none", ...target });
    return false;
  }
  const changes = await toChanges(c, deps, body, stored);
  const fields = FIELDS.filter((field) => CHANGED[field] in changes).join(",");
  if (fields === "") return true;
  const row = audit.row(c, { success: true, fields, ...target }, "ifChanged");
  const [updated] = await store.commit([users.update(stored.id, changes), row]);
  return updated.rowsAffected > 0;
}

/** Returns the values that a change stores. A kept certificate has to name a new address, too. */
async function toChanges(
  c: Context<Env>,
  deps: Pick<PluginContext, "mail" | "secrets">,
  given: ChangedUserParams,
  stored: UserRow,
): Promise<UserChanges> {
  const { email, givenname, surname, certificate, password } = given;
  const phone = phoneOf(given);
  const next = { email: email ?? stored.email, certificate: certificate ?? stored.certificate };
  if (email !== undefined || certificate !== undefined) await assertCertificate(deps, next);
  return {
    ...(email !== undefined && { email }),
    ...(phone !== undefined && { phone }),
    ...(givenname !== undefined && { givenname }),
    ...(surname !== undefined && { surname }),
    ...(certificate !== undefined && { certificate }),
    ...(password && { passwordHash: await newHash(c, deps, stored, password) }),
  };
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
  given: Omit<NewUserParams, "user" | "resolver" | "mobile"> & UserName,
): Promise<NewUser> {
  const { username, realm, email = "", phone = "", password = "", givenname, surname, certificate } = given;
  const passwordHash = password === "" ? "" : await newHash(c, { secrets }, given, password);
  return { id: random.id(), username, realm, email, phone, givenname, surname, certificate, passwordHash };
}

/** @throws {SealpostError} `invalid_parameter` for a password that is not allowed; `busy`. */
async function newHash(
  c: Context<Env>,
  { secrets }: Pick<PluginContext, "secrets">,
  { username }: Pick<UserName, "username">,
  password: string,
): Promise<string> {
  await secrets.password.assertAllowed(password, { username });
  return secrets.password.hash(password, { request: c });
}

function nameTaken(): SealpostError {
  return new SealpostError("user_refused", "ERR904: A user with this name exists in this realm", {
    parameter: "username",
  });
}
