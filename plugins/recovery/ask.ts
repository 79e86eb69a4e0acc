import type { Context as HonoContext } from "hono";
import { addressKey, type Directory, type Env, language, type PluginAuditEntry } from "sealpost";
import { type Account, addressOf, findAccount, hashCode, identifierOf } from "./accounts.ts";
import type { Codes } from "./codes.ts";
import { type Context, switchedOff } from "./config.ts";
import { recoveryMail } from "./mails.ts";
import { noSooner } from "./no-sooner.ts";
import type { RecoverParams } from "./schema.ts";
import { LANGUAGES } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const MOST_OF_CLIENT = { key: "ask", most: 20, windowSeconds: HOUR_SECONDS };
/** A mail that was lost can be asked for again; a mailbox cannot be flooded. */
const MOST_OF_ACCOUNT = { most: 3, windowSeconds: HOUR_SECONDS };
const MOST_OF_ADDRESS = { most: 5, windowSeconds: HOUR_SECONDS };

const CODE_CHARACTERS = 24;
/** Letters and digits that are not taken for each other; 24 of them are 136 bits. */
const CODE_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/**
 * Makes what answers somebody who has forgotten a password. Whether there is such an account, whether the address is
 * its own and whether the mail can be sent changes neither what is written nor in which order: a code and a mail are
 * made in any case, and those that nobody is to get are decoys.
 */
export function createAsk(ctx: Context, codes: Codes, leastAnswerMs: number) {
  /** Why nobody gets the mail; null: the user does. Never told to who asks. */
  async function reasonAgainst(account: Account, given: string): Promise<string | null> {
    const isTheirs = addressOf(account, given) !== null;
    // Counted for those whom it would reach: nobody can use up the tries of a user by the name alone.
    const kind = isTheirs ? "user" : "nobody";
    const { allowed } = await ctx.limit.take(
      { key: `${kind} ${account.key}`, ...MOST_OF_ACCOUNT },
      { key: `${kind} mail ${addressKey(given)}`, ...MOST_OF_ADDRESS },
    );
    if (!account.found) return "there is no such user";
    if (!isTheirs) return "the user has another address";
    if (!allowed) return "asked for too often";
    return ctx.baseUrl === "" ? "no base URL is set" : null;
  }

  async function handIn(
    c: HonoContext<Env>,
    directory: Directory,
    given: RecoverParams,
    config: Awaited<ReturnType<Context["config"]["all"]>>,
  ): Promise<true> {
    const account = await findAccount(ctx, directory, given);
    const reason = await reasonAgainst(account, given.email);
    const isDecoy = reason !== null;
    const address = addressOf(account, given.email) ?? given.email;

    const validSeconds = config["recovery.validtime"];
    const expiresAt = new Date(ctx.now().getTime() + validSeconds * 1_000);
    const code = ctx.randomText(CODE_CHARACTERS, CODE_ALPHABET);
    const { beginning, whole } = await hashCode(ctx, account, code);
    const row = { account: account.key, decoy: isDecoy, beginning, code: whole, expiresAt };
    const said: PluginAuditEntry = {
      success: !isDecoy,
      identifier: identifierOf(account),
      recipient: address,
      info: reason === null ? "a code was made" : `no mail: ${reason}`,
    };
    await ctx.store.commit([codes.replace(row), ctx.auditRow(c, said)]);

    const user = account.found ?? account.name;
    const texts = { subject: config["recovery.subject"], text: config["recovery.text"] };
    const mail = recoveryMail(
      { ...texts, user, address, code, validSeconds },
      language(c, LANGUAGES),
      ctx.baseUrl,
    );
    const mode = { queue: true, decoy: isDecoy, purpose: "code", onUnknown: "repeat" } as const;
    const { state } = await ctx.mail.submit(undefined, mail, { ...mode, expiresAt, request: c });
    if (ctx.baseUrl === "") ctx.log.error("Passwords cannot be recovered: SEALPOST_BASE_URL is not set");
    if (state === "failed")
      ctx.log.error("Passwords cannot be recovered: no mail can be sent; the audit log says why");
    return true;
  }

  return async (c: HonoContext<Env>, directory: Directory, given: RecoverParams): Promise<true> => {
    const config = await ctx.config.all();
    if (!config["recovery.enabled"]) throw switchedOff();
    await ctx.limit.require(...ctx.limit.ofClient(c, MOST_OF_CLIENT));
    return noSooner(leastAnswerMs, () => handIn(c, directory, given, config));
  };
}
