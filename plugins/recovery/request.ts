import { sql } from "drizzle-orm";
import type { Context as HonoContext } from "hono";
import {
  addressKey,
  type Directory,
  type Env,
  language,
  type PluginAuditEntry,
  type RateLimit,
} from "sealpost/plugin";
import { type Account, addressOf, findAccount, hashCode, identifierOf, noSooner } from "./accounts.ts";
import { type Context, switchedOff } from "./config.ts";
import { recoveryMail } from "./message.ts";
import type { RecoverParams } from "./schema.ts";
import type { Codes } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const MOST_OF_CLIENT = { key: "ask", max: 20, windowSeconds: HOUR_SECONDS };
/** A mail that was lost can be asked for again; a mailbox cannot be flooded. */
const MOST_OF_ACCOUNT = { max: 3, windowSeconds: HOUR_SECONDS };
const MOST_OF_ADDRESS = { max: 5, windowSeconds: HOUR_SECONDS };

const CODE_CHARACTERS = 24;
/** Letters and digits that are not taken for each other; 24 of them are 136 bits. */
const CODE_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/**
 * Creates what responds to a user who has forgotten a password. Whether there is such an account, whether the address is
 * its own and whether the message can be sent changes neither what is written nor in which order: a code and a message
 * are made in any case, and those that no one is to get are decoys.
 */
export function createAsk(ctx: Context, codes: Codes, leastAnswerMs: number) {
  /**
   * Counts the request.
   * @returns why no one gets the message; null: the user does. Never shown to the client.
   * @throws {SealpostError} `too_many_tries` for the client.
   */
  async function reasonAgainst(
    client: readonly RateLimit[],
    account: Account,
    given: string,
  ): Promise<string | null> {
    const isTheirs = addressOf(account, given) !== null;
    // Counted by the real recipient: the name alone is not enough to use up the limit of a user.
    const kind = isTheirs ? "user" : "nobody";
    const ofClient = await ctx.limits.plan(...client);
    const ofAccount = await ctx.limits.plan(
      { key: `${kind} ${account.key}`, ...MOST_OF_ACCOUNT },
      { key: `${kind} mail ${addressKey(given)}`, ...MOST_OF_ADDRESS },
    );
    const results = await ctx.store.commit([
      ...ofClient.consume,
      ...ofAccount.consume,
      ...ofAccount.refund(sql`NOT (${ofClient.isWithin})`),
    ]);
    const clients = ofClient.consume.length;
    ctx.limits.assertAllowed(ofClient.result(results.slice(0, clients)));
    const { allowed } = ofAccount.result(results.slice(clients, clients + ofAccount.consume.length));
    if (!account.found) return "there is no such user";
    if (!isTheirs) return "the user has another address";
    if (!allowed) return "asked for too often";
    return ctx.baseUrl === "" ? "no base URL is set" : null;
  }

  async function send(
    c: HonoContext<Env>,
    given: RecoverParams,
    { account, reason }: { readonly account: Account; readonly reason: string | null },
    config: Awaited<ReturnType<Context["settings"]["all"]>>,
  ): Promise<true> {
    const isDecoy = reason !== null;
    const address = addressOf(account, given.email) ?? given.email;

    const validSeconds = config["recovery.validtime"];
    const expiresAt = new Date(ctx.time.now().getTime() + validSeconds * 1_000);
    const code = ctx.random.text(CODE_CHARACTERS, CODE_ALPHABET);
    const { beginning, whole } = await hashCode(ctx, account, code);
    const row = { account: account.key, decoy: isDecoy, beginning, code: whole, expiresAt };
    const entry: PluginAuditEntry = {
      success: !isDecoy,
      identifier: identifierOf(account),
      recipient: address,
      info: reason === null ? "a code was made" : `no mail: ${reason}`,
    };
    const user = account.found ?? account.name;
    const texts = { subject: config["recovery.subject"], text: config["recovery.text"] };
    const mail = recoveryMail(
      { ...texts, user, address, code, validSeconds },
      language(c, LANGUAGES),
      ctx.baseUrl,
    );
    const mode = { queue: true, decoy: isDecoy, purpose: "code", onUnknown: "repeat" } as const;
    const also = () => [codes.replace(row), ctx.audit.row(c, entry)];
    const { state } = await ctx.mail.submit(undefined, mail, { ...mode, expiresAt, request: c, also });
    if (ctx.baseUrl === "") ctx.log.error("Passwords cannot be recovered: SEALPOST_BASE_URL is not set");
    if (state === "failed")
      ctx.log.error("Passwords cannot be recovered: no mail can be sent; the audit log says why");
    return true;
  }

  return async (c: HonoContext<Env>, directory: Directory, given: RecoverParams): Promise<true> => {
    const startMs = performance.now();
    const client = ctx.limits.perClient(c, MOST_OF_CLIENT);
    // A directory that lies elsewhere is not asked by a client that asks too often.
    if (!directory.lookup) await ctx.limits.consume(...client);
    // The first read brings the settings along.
    const account = await findAccount(ctx, directory, given);
    const config = await ctx.settings.all();
    if (!config["recovery.enabled"]) throw switchedOff();
    const reason = await reasonAgainst(directory.lookup ? client : [], account, given.email);
    const leftMs = Math.max(0, leastAnswerMs - (performance.now() - startMs));
    return noSooner(leftMs, () => send(c, given, { account, reason }, config));
  };
}
