import type { Context as HonoContext } from "hono";
import { type Directory, type DirectoryUser, type Env, invalidParameter, language } from "sealpost/plugin";
import { type Account, findAccount, hashCode, identifierOf, noSooner } from "./accounts.ts";
import { type Context, type Options, switchedOff } from "./config.ts";
import { changedMail } from "./message.ts";
import type { ResetParams } from "./schema.ts";
import type { Codes } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

/** More tries than any user needs, and too few to find a code. */
const MOST_OF_CLIENT = { key: "reset", max: 60, windowSeconds: 3_600 };

/** Makes what sets a password for who has a code. */
export function createReset(
  ctx: Context,
  codes: Codes,
  { leastPasswordCharacters, leastAnswerMs }: Pick<Options, "leastPasswordCharacters" | "leastAnswerMs">,
) {
  /** The password and the end of the code are one commit, where the directory is in this database. */
  async function set(
    c: HonoContext<Env>,
    directory: Directory,
    { key, identifier, claim, user }: Claimed,
    password: string,
  ): Promise<boolean> {
    const said = ctx.audit.row(c, { success: true, identifier, fields: "password" });
    try {
      const also = [codes.spend(key), codes.record(claim), said];
      const isSet = await directory.setPassword(user, password, also);
      if (!isSet) await codes.release(key, claim);
      return isSet;
    } catch (error) {
      if ((await ctx.store.readAfter(error, codes.recordOf(claim))).length > 0) return true;
      await codes.release(key, claim);
      throw error;
    }
  }

  /** The password is changed by now: what goes wrong here is no reason to say otherwise. */
  async function tell(c: HonoContext<Env>, user: DirectoryUser): Promise<void> {
    ctx.events.emit("password_changed", { user: user.username, realm: user.realm });
    const mail = changedMail(user, language(c, LANGUAGES));
    if (mail === null) return;
    try {
      await ctx.mail.submit(undefined, mail, { queue: true, request: c });
    } catch (error) {
      ctx.log.error("A user was not told of a changed password: {error}", { error });
    }
  }

  async function use(c: HonoContext<Env>, directory: Directory, given: ResetParams): Promise<boolean> {
    const account = await findAccount(ctx, directory, given);
    const identifier = identifierOf(account);
    const claim = await codes.claim(account.key, await hashCode(ctx, account, given.recoverycode));
    if (claim === null || account.found === null) {
      await ctx.audit.write(c, { success: false, identifier, info: "no valid code" });
      return false;
    }
    const claimed = { key: account.key, identifier, claim, user: account.found };
    if (!(await set(c, directory, claimed, given.password))) {
      await ctx.audit.write(c, {
        success: false,
        identifier,
        info: "the directory did not set the password",
      });
      return false;
    }
    await tell(c, account.found);
    return true;
  }

  return async (c: HonoContext<Env>, directory: Directory, given: ResetParams): Promise<boolean> => {
    if (!(await ctx.settings.get("recovery.enabled"))) throw switchedOff();
    if ([...given.password].length < leastPasswordCharacters) {
      throw invalidParameter("password", `expected at least ${leastPasswordCharacters} characters`);
    }
    await ctx.limits.consume(...ctx.limits.perClient(c, MOST_OF_CLIENT));
    return noSooner(leastAnswerMs, () => use(c, directory, given));
  };
}

interface Claimed extends Pick<Account, "key"> {
  readonly identifier: string;
  readonly claim: string;
  readonly user: DirectoryUser;
}
