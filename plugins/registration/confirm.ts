import { sql } from "drizzle-orm";
import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, isConstraintError, language, type UserName } from "sealpost/plugin";
import type { RegistrationContext } from "./config.ts";
import { imitation, readName } from "./names.ts";
import type { PendingRow, PendingStore } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const PER_CLIENT = { key: "confirm", max: 60, windowSeconds: 3_600 };

/**
 * Turns a registration into a user, if the code is right.
 * @returns the new user; `null` if the code is wrong, used or expired.
 * @throws {SealpostError} `registration_refused` if another user has taken the name meanwhile; `too_many_tries`.
 */
type Confirm = (c: Context<Env>, id: string, code: string) => Promise<UserName | null>;

interface ConfirmDeps
  extends Pick<
    RegistrationContext,
    "store" | "settings" | "guard" | "audit" | "secrets" | "limits" | "capabilities" | "time" | "random"
  > {
  readonly pending: PendingStore;
}

export function createConfirm(deps: ConfirmDeps): Confirm {
  const { store, audit, secrets, limits, time, pending } = deps;
  return async (c, id, code) => {
    const asked = await limits.plan(...limits.perClient(c, PER_CLIENT));
    const codeMac = await secrets.mac(codeText(id, code));
    const attempt = pending.attempt({ id, codeMac, now: time.now(), isWithin: asked.isWithin });
    // One commit that also writes for an unknown registration, so that both take as long.
    const results: readonly unknown[] = await store.commit([...asked.consume, attempt]);
    limits.assertAllowed(asked.result(results.slice(0, asked.consume.length)));
    const [row] = results.at(-1) as readonly PendingRow[];
    if (row) c.set("eventData", { user: row.username, realm: row.realm });
    if (row?.codeMac === codeMac && (await createUser(deps, c, row))) {
      return { username: row.username, realm: row.realm };
    }
    const identifier = row ? nameOf(row) : "";
    await audit.write(c, { success: false, info: row ? "wrong_code" : "no_such_registration", identifier });
    return null;
  };
}

/**
 * Creates the user, ends the registration and writes the audit row, all or nothing.
 * @returns false if another request did so.
 */
async function createUser(deps: ConfirmDeps, c: Context<Env>, row: PendingRow): Promise<boolean> {
  const { store, settings, audit, capabilities, random, pending } = deps;
  const { id, userId, username, realm, email, phone, givenname, surname, passwordHash } = row;
  const user = { id: userId, username, realm, email, phone, givenname, surname, passwordHash };
  const target = { identifier: nameOf(row), recipient: email };
  const request = random.id();
  const confirmed = pending.confirmedBy(id, request);
  const directory = capabilities.use("directory");
  const name = await readName(deps, row, await settings.get("register.scripts"));
  const isImitation = imitation(directory, name, userId);
  try {
    const confirm = pending.confirm(id, request);
    const row = audit.row(c, { success: true, ...target }, "ifChanged");
    // Two registrations of names that look alike may wait at the same time.
    const distinct = isImitation ? [pending.rejectIf(isImitation)] : [];
    const isFree = !name.isReserved && (await directory.create(user, [...distinct, confirm, row]));
    if (isFree) return (await confirmed(store.read)).length > 0;
  } catch (error) {
    if ((await store.readAfter(error, confirmed)).length > 0) return true;
    if (
      !isConstraintError(error) ||
      !isImitation ||
      !(await store.read.get(sql`SELECT 1 WHERE ${isImitation}`))
    )
      throw error;
  }
  const nameTaken = audit.row(c, { success: false, info: "name_taken", ...target });
  await store.commit([pending.remove(id), nameTaken]);
  throw new SealpostError("registration_refused", `ERR402: ${TEXTS[language(c, LANGUAGES)].nameTaken}`);
}

/** The text whose keyed hash is stored instead of the code. Letter case, spaces and hyphens do not matter. */
export function codeText(id: string, code: string): string {
  return `code ${id} ${code.toUpperCase().replaceAll(/[\s-]/g, "")}`;
}

function nameOf({ username, realm }: UserName): string {
  return `${username}@${realm}`;
}
