import { sql } from "drizzle-orm";
import type { Context } from "hono";
import {
  addressKey,
  type Directory,
  type Env,
  language,
  type PluginAuditEntry,
  type RateLimit,
} from "sealpost/plugin";
import {
  type Account,
  addressOf,
  eventDataOf,
  type FindAccount,
  hashCode,
  identifierOf,
  withMinimumDuration,
} from "./accounts.ts";
import { disabledError, type RecoveryContext, type RecoverySettings } from "./config.ts";
import { recoveryMessage } from "./message.ts";
import type { RecoverParams } from "./schema.ts";
import type { CodeStore } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

const HOUR_SECONDS = 3_600;
const PER_CLIENT = { key: "ask", max: 20, windowSeconds: HOUR_SECONDS };
/** A user can ask again for a lost message, and no other client can use up these attempts. */
const PER_CLIENT_AND_ACCOUNT = { max: 3, windowSeconds: HOUR_SECONDS };
const PER_CLIENT_AND_ADDRESS = { max: 5, windowSeconds: HOUR_SECONDS };
/** No one can flood a mailbox. */
const PER_RECIPIENT = { max: 25, windowSeconds: HOUR_SECONDS };

const CODE_CHARACTERS = 24;
/** Letters and digits that do not look alike; 24 of them are 136 bits. */
const CODE_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

interface RequestDeps
  extends Pick<
    RecoveryContext,
    "mail" | "store" | "settings" | "audit" | "secrets" | "limits" | "time" | "random" | "log" | "baseUrl"
  > {
  readonly directory: Directory;
  readonly findAccount: FindAccount;
  readonly codes: CodeStore;
  readonly leastAnswerMs: number;
}

/** Sends a recovery link. The response is the same whether a message is sent or not. */
type RequestCode = (c: Context<Env>, given: RecoverParams) => Promise<true>;

/**
 * Creates `requestCode`. Whether the account exists, the address belongs to it and the message can be sent changes neither
 * what is written nor in which order: it always creates a code and a message, and those that no one may get are decoys.
 */
export function createRequestCode(deps: RequestDeps): RequestCode {
  const { settings, limits, directory, findAccount, leastAnswerMs } = deps;
  return async (c, given) => {
    const startMs = performance.now();
    const client = limits.perClient(c, PER_CLIENT);
    // Do not query an external directory for a client that asks too often.
    if (!directory.lookup) await limits.consume(...client);
    // Before the settings, which come along with the first read.
    const account = await findAccount(given);
    c.set("eventData", eventDataOf(account));
    const values = await settings.all();
    if (!values["recovery.enabled"]) throw disabledError();
    const counted = { c, client: directory.lookup ? client : [], account, given: given.email };
    const reason = await countRequest(deps, counted);
    const leftMs = Math.max(0, leastAnswerMs - (performance.now() - startMs));
    return withMinimumDuration(leftMs, () => send(deps, c, given, { account, reason, settings: values }));
  };
}

/**
 * Counts the request.
 * @returns why no one gets the message, for the audit log; `null` if the user does.
 * @throws {SealpostError} `too_many_tries` for the client.
 */
async function countRequest(
  { store, limits, baseUrl }: RequestDeps,
  {
    c,
    client,
    account,
    given,
  }: {
    readonly c: Context<Env>;
    readonly client: readonly RateLimit[];
    readonly account: Account;
    readonly given: string;
  },
): Promise<string | null> {
  const isTheirs = addressOf(account, given) !== null;
  // Counted by the real recipient: knowing the name is not enough to use up the limit of a user.
  const kind = isTheirs ? "user" : "nobody";
  const perClient = await limits.plan(...client);
  const accountKey = `${kind} ${account.key}`;
  const addressLimitKey = `${kind} mail ${addressKey(given)}`;
  const perAccount = await limits.planInOrder(
    ...limits.perClient(c, { key: accountKey, ...PER_CLIENT_AND_ACCOUNT }),
    ...limits.perClient(c, { key: addressLimitKey, ...PER_CLIENT_AND_ADDRESS }),
    { key: accountKey, ...PER_RECIPIENT },
    { key: addressLimitKey, ...PER_RECIPIENT },
  );
  const results = await store.commit([
    ...perClient.consume,
    ...perAccount.consume,
    ...perAccount.refund(sql`NOT (${perClient.isWithin})`),
  ]);
  const clients = perClient.consume.length;
  limits.assertAllowed(perClient.result(results.slice(0, clients)));
  const { allowed } = perAccount.result(results.slice(clients, clients + perAccount.consume.length));
  if (!account.found) return "the user does not exist";
  if (!isTheirs) return "the user has another address";
  if (!allowed) return "asked for too often";
  return baseUrl === "" ? "no base URL is set" : null;
}

async function send(
  deps: RequestDeps,
  c: Context<Env>,
  given: RecoverParams,
  {
    account,
    reason,
    settings,
  }: { readonly account: Account; readonly reason: string | null; readonly settings: RecoverySettings },
): Promise<true> {
  const { mail, audit, time, random, log, baseUrl, codes } = deps;
  const isDecoy = reason !== null;
  const address = addressOf(account, given.email) ?? given.email;
  const validSeconds = settings["recovery.validtime"];
  const expiresAt = new Date(time.now().getTime() + validSeconds * 1_000);
  const code = random.text(CODE_CHARACTERS, CODE_ALPHABET);
  const { beginning, whole } = await hashCode(deps, account, code);
  const row = { account: account.key, decoy: isDecoy, beginning, code: whole, expiresAt };
  const entry = (problem: string | null): PluginAuditEntry => ({
    success: problem === null,
    identifier: identifierOf(account),
    recipient: address,
    info: problem === null ? "a code was created" : `no mail: ${problem}`,
  });
  const content = { settings, user: account.found ?? account.name, address, code, validSeconds, baseUrl };
  const { state } = await mail.submit(undefined, recoveryMessage(content, language(c, LANGUAGES)), {
    purpose: "code",
    onUnknown: "repeat",
    expiresAt,
    queue: true,
    decoy: isDecoy,
    request: c,
    // A link that was sent stays valid if no other can follow it.
    also: ({ state }) =>
      state === "failed"
        ? [audit.row(c, entry(reason ?? "it cannot be sent"))]
        : [codes.replace(row), audit.row(c, entry(reason))],
  });
  if (state === "failed") {
    log.error("Passwords cannot be recovered: no message can be sent; see the audit log");
  }
  return true;
}
