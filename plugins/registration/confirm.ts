import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, language, type UserName } from "sealpost/plugin";
import { codeText } from "./code.ts";
import type { RegistrationParts } from "./register.ts";
import type { PendingRow } from "./store.ts";
import { LANGUAGES, TEXTS } from "./texts.ts";

const FROM_CLIENT = { key: "confirm", max: 60, windowSeconds: 3_600 };

/** Makes what turns a registration into a user, if the code is right. */
export function createConfirm({ ctx, pending }: RegistrationParts) {
  /**
   * @returns the user that was made; null: the code is wrong, has been used or does not hold any more.
   * @throws {SealpostError} `registration_refused` if somebody else has got the name in the meantime.
   */
  return async (c: Context<Env>, id: string, code: string): Promise<UserName | null> => {
    await ctx.limits.consume(...ctx.limits.perClient(c, FROM_CLIENT));
    const codeMac = await ctx.secrets.mac(codeText(id, code));
    const [[row]] = await ctx.store.commit([pending.tryCode(id, codeMac, ctx.time.now())]);
    if (row) c.set("eventData", { user: row.username, realm: row.realm });
    if (row?.codeMac === codeMac && (await makeUser(c, row)))
      return { username: row.username, realm: row.realm };
    const identifier = row ? nameOf(row) : "";
    await ctx.audit.write(c, {
      success: false,
      info: row ? "wrong_code" : "no_such_registration",
      identifier,
    });
    return null;
  };

  /** The user, the end of the registration and the audit row, or nothing of it. @returns false: another did it. */
  async function makeUser(c: Context<Env>, row: PendingRow): Promise<boolean> {
    const { id, userId, username, realm, email, phone, givenname, surname, passwordHash } = row;
    const user = { id: userId, username, realm, email, phone, givenname, surname, passwordHash };
    const target = { identifier: nameOf(row), recipient: email };
    const request = ctx.random.id();
    const said = ctx.audit.row(c, { success: true, ...target }, "ifChanged");
    const confirmed = pending.confirmedBy(id, request);
    try {
      const isFree = await ctx.capabilities
        .use("directory")
        .create(user, [pending.confirm(id, request), said]);
      if (isFree) return (await confirmed(ctx.store.read)).length > 0;
    } catch (error) {
      if ((await ctx.store.readAfter(error, confirmed)).length > 0) return true;
      throw error;
    }
    const refused = ctx.audit.row(c, { success: false, info: "name_taken", ...target });
    await ctx.store.commit([pending.remove(id), refused]);
    throw new SealpostError("registration_refused", `ERR402: ${TEXTS[language(c, LANGUAGES)].nameTaken}`);
  }
}

function nameOf({ username, realm }: UserName): string {
  return `${username}@${realm}`;
}
