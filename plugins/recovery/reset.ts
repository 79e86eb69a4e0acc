import type { Context } from "hono";
import { type Directory, type DirectoryUser, type Env, language, lookupNames } from "sealpost/plugin";
import {
  type Account,
  eventDataOf,
  type FindAccount,
  hashCode,
  identifierOf,
  withMinimumDuration,
} from "./accounts.ts";
import { disabledError, type Options, type RecoveryContext } from "./config.ts";
import { changedMessage } from "./message.ts";
import type { ResetParams } from "./schema.ts";
import type { Claim, CodeStore } from "./store.ts";
import { LANGUAGES } from "./texts.ts";

/** More attempts than any user needs, and too few to guess a code. */
const PER_CLIENT = { key: "reset", max: 60, windowSeconds: 3_600 };

interface ResetDeps
  extends Pick<
      RecoveryContext,
      "mail" | "store" | "settings" | "audit" | "secrets" | "limits" | "events" | "time" | "random" | "log"
    >,
    Pick<Options, "leastPasswordCharacters" | "leastAnswerMs"> {
  readonly directory: Directory;
  readonly findAccount: FindAccount;
  readonly codes: CodeStore;
}

/** Sets a new password, if the code is valid. @returns whether it was set. */
type ResetPassword = (c: Context<Env>, given: ResetParams) => Promise<boolean>;

export function createResetPassword(deps: ResetDeps): ResetPassword {
  const { settings, limits, secrets, leastPasswordCharacters, leastAnswerMs } = deps;
  return async (c, given) => {
    if (!(await settings.get("recovery.enabled"))) throw disabledError();
    // Whichever user it names, and whether or not that user exists.
    for (const { username } of lookupNames(given))
      await secrets.password.assertAllowed(given.password, {
        username,
        minCharacters: leastPasswordCharacters,
      });
    await limits.consume(...limits.perClient(c, PER_CLIENT));
    return withMinimumDuration(leastAnswerMs, () => useCode(deps, c, given));
  };
}

/** A claimed code and the user whose password it changes. */
interface Claimed extends Pick<Account, "key"> {
  readonly identifier: string;
  readonly claim: string;
  readonly user: DirectoryUser;
}

async function useCode(deps: ResetDeps, c: Context<Env>, given: ResetParams): Promise<boolean> {
  const { store, audit, time, random, findAccount, codes } = deps;
  const account = await findAccount(given);
  c.set("eventData", eventDataOf(account));
  const identifier = identifierOf(account);
  const hash = await hashCode(deps, account, given.recoverycode);
  const claim = random.id();
  const claiming = codes.claim(account.key, hash, claim, time.now());
  const { results, verdict } = await store.decide([claiming], codes.claimOf(account.key, claim));
  const rows = verdict ?? (results[0] as readonly Claim[]);
  if (account.found === null || !rows.some((row) => row.claim === claim)) {
    await audit.write(c, { success: false, identifier, info: "no valid code" });
    return false;
  }
  const claimed = { key: account.key, identifier, claim, user: account.found };
  if (!(await setPassword(deps, c, claimed, given.password))) {
    await audit.write(c, { success: false, identifier, info: "the directory did not set the password" });
    return false;
  }
  await notify(deps, c, account.found);
  return true;
}

/** Sets the password and deletes the code, in one commit if the directory is in this database. */
async function setPassword(
  { store, audit, time, directory, codes }: ResetDeps,
  c: Context<Env>,
  { key, identifier, claim, user }: Claimed,
  password: string,
): Promise<boolean> {
  const row = audit.row(c, { success: true, identifier, fields: "password" });
  const release = () => store.commit([codes.release(key, claim)]);
  try {
    const also = [codes.spend(key), codes.record(claim, time.now()), row];
    const isSet = await directory.setPassword(user, password, also);
    if (!isSet) await release();
    return isSet;
  } catch (error) {
    if ((await store.readAfter(error, codes.recordOf(claim))).length > 0) return true;
    await release();
    throw error;
  }
}

/** Emits the event and notifies the user. The password is set: a failure here must not deny it. */
async function notify(
  { mail, events, log }: Pick<ResetDeps, "mail" | "events" | "log">,
  c: Context<Env>,
  user: DirectoryUser,
): Promise<void> {
  events.emit("password_changed", { user: user.username, realm: user.realm });
  const message = changedMessage(user, language(c, LANGUAGES));
  if (message === null) return;
  try {
    await mail.submit(undefined, message, { queue: true, request: c });
  } catch (error) {
    log.error("Cannot notify a user of the changed password: {error}", { error });
  }
}
