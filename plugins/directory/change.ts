import type { Context } from "hono";
import {
  addressKey,
  type Env,
  invalidParameter,
  language,
  missingParameter,
  respond,
  type Success,
  type UserName,
} from "sealpost/plugin";
import { type AddressDeps, createAddresses } from "./address.ts";
import type { DirectoryContext } from "./config.ts";
import { eventData } from "./directory.ts";
import { type ChangedDetail, type ChangedUserParams, type NewUserParams, nameOf, phoneOf } from "./schema.ts";
import type { UserChanges, UserRow } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

/** Fields of a user. The audit log has the names of those that were given. */
export const FIELDS = ["email", "phone", "givenname", "surname", "certificate", "password"] as const;

/** The columns of these fields. */
const CHANGED: Readonly<Record<(typeof FIELDS)[number], keyof UserChanges>> = {
  email: "email",
  phone: "phone",
  givenname: "givenname",
  surname: "surname",
  certificate: "certificate",
  password: "passwordHash",
};
/** Fields that a code does not change. */
const NOT_WITH_CODE = ["phone", "mobile", "givenname", "surname", "certificate", "password"] as const;

export interface ChangeDeps extends AddressDeps {
  readonly defaultRealm: string;
}

/**
 * Changes a user. `false`: there is none, the code was wrong, or it could not be sent; then nothing is changed.
 * @throws {SealpostError} `missing_parameter`, `invalid_parameter` or `too_many_tries`.
 */
type ChangeUser = (
  c: Context<Env>,
  body: ChangedUserParams,
) => Promise<boolean | Success<boolean, ChangedDetail>>;

export function createChangeUser(deps: ChangeDeps): ChangeUser {
  const { audit, users, defaultRealm } = deps;
  const addresses = createAddresses(deps);

  /** Sends the code first: if that fails, nothing is changed. A certificate waits with the address that it names. */
  async function hold(c: Context<Env>, body: ChangedUserParams, stored: UserRow, email: string) {
    const { certificate = null } = body;
    await assertCertificate(deps, { email, certificate: certificate ?? stored.certificate });
    const changes = await toChanges(c, deps, { ...body, email: undefined, certificate: undefined }, stored);
    const held = await addresses.hold(c, stored, { email, certificate });
    if ("code" in held) {
      return respond(false, { detail: { message: textsFor(c).notSent, failures: [held] } });
    }
    const isStored = await store(deps, c, stored, changes, {
      held: certificate === null ? "email" : "email,certificate",
    });
    await addresses.notify(c, stored, "requested");
    return respond(isStored, { detail: { valid_until: held.expiresAt.toISOString() } });
  }

  async function confirm(c: Context<Env>, body: ChangedUserParams, stored: UserRow, code: string) {
    const other = NOT_WITH_CODE.find((name) => body[name]);
    if (other) throw invalidParameter(other, "send it without confirm");
    if (!(await addresses.confirm(c, stored, { code, email: body.email }))) {
      return respond(false, { detail: { message: textsFor(c).wrongCode } });
    }
    await addresses.notify(c, stored, "changed");
    return true;
  }

  return async (c, body) => {
    const name = nameOf(body, defaultRealm);
    const { email, confirm: code = "" } = body;
    const target = setTarget(c, name);
    if (code === "" && body.confirm_email && !email) throw missingParameter("email");
    const stored = await users.find(name);
    if (!stored) {
      await audit.write(c, { success: false, info: "there was none", ...target });
      return false;
    }
    if (code !== "") return confirm(c, body, stored, code);
    const isOther = email !== undefined && addressKey(email) !== addressKey(stored.email);
    if (isOther && body.confirm_email) return hold(c, body, stored, email);
    const changes = await toChanges(c, deps, body, stored);
    if (Object.keys(changes).length === 0) return true;
    const isStored = await store(deps, c, stored, changes);
    if (isStored && isOther) await addresses.notify(c, stored, "changed");
    return isStored;
  };
}

/**
 * Stores what changes, with its audit row.
 * @param options.held the fields that wait for the code of a new address.
 * @returns false if there is no such user any more.
 */
async function store(
  { store: { commit }, audit, users, emailChanges }: ChangeDeps,
  c: Context<Env>,
  stored: UserRow,
  changes: UserChanges,
  { held = "" } = {},
): Promise<boolean> {
  const fields = FIELDS.filter((field) => CHANGED[field] in changes).join(",");
  const info = held && `${held} waits for its code`;
  const entry = { success: true, fields, info, ...c.get("auditTarget") };
  if (fields === "") {
    await audit.write(c, entry);
    return true;
  }
  // An address that waits must not replace a newer one, or one that a newer certificate does not name.
  const { email, certificate } = { ...stored, ...changes };
  const isSuperseded =
    held === "" && (addressKey(email) !== addressKey(stored.email) || certificate !== stored.certificate);
  const [updated] = await commit([
    users.update(stored.id, changes),
    audit.row(c, entry, "ifChanged"),
    ...(isSuperseded ? [emailChanges.discard(stored.id)] : []),
  ]);
  return updated.rowsAffected > 0;
}

/** Sets what the event and the audit row say about the user. */
export function setTarget(c: Context<Env>, name: UserName) {
  const { user, realm } = eventData(name);
  const target = { identifier: `${user}@${realm}`, recipient: "" };
  c.set("eventData", { user, realm });
  c.set("auditTarget", target);
  return target;
}

/** Returns the values that a change stores. A kept certificate has to name a new address, too. */
async function toChanges(
  c: Context<Env>,
  deps: Pick<DirectoryContext, "mail" | "secrets">,
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
export async function assertCertificate(
  { mail }: Pick<DirectoryContext, "mail">,
  { email = "", certificate }: Pick<NewUserParams, "email" | "certificate">,
): Promise<void> {
  if (certificate === "") return;
  if (email === "") throw invalidParameter("certificate", "expected together with email, which it names");
  await mail.assertCertificate(email, certificate);
}

/** @throws {SealpostError} `invalid_parameter` for a password that is not allowed; `busy`. */
export async function newHash(
  c: Context<Env>,
  { secrets }: Pick<DirectoryContext, "secrets">,
  { username }: Pick<UserName, "username">,
  password: string,
): Promise<string> {
  await secrets.password.assertAllowed(password, { username });
  return secrets.password.hash(password, { request: c });
}

function textsFor(c: Context<Env>) {
  return TEXTS[language(c, LANGUAGES)];
}
