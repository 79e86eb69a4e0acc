import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { addressKey, type Env, language, parseAddress, type Statement } from "sealpost/plugin";
import type { DirectoryContext } from "./config.ts";
import type { EmailChangeStore } from "./email-change.ts";
import { codeMessage, noticeMessage } from "./message.ts";
import type { UserRow, UserStore } from "./store.ts";
import { LANGUAGES, type Notice } from "./texts.ts";

const HOUR_SECONDS = 3_600;
/** Messages that one client causes, so that it cannot use up those of others. */
const PER_CLIENT = { max: 3, windowSeconds: HOUR_SECONDS };
/** Messages to one address or about one user, regardless of who causes them. */
const IN_ALL = { max: 25, windowSeconds: HOUR_SECONDS };
/** Notices to one address. Those after the tenth would say nothing new. */
const NOTICES = { max: 10, windowSeconds: HOUR_SECONDS };

const DIGITS = "0123456789";
/** 27 bits, which cannot be guessed in five attempts. */
const CODE_DIGITS = 8;

/** An address that waits for its code, or why the code was not sent. */
type Held = { readonly expiresAt: Date } | { readonly code: string; readonly delivery: unknown };

type NewAddress = { readonly email: string; readonly certificate: string | null };

/** Changes of the address of a user. */
interface Addresses {
  /**
   * Sends a code to a new address, which replaces the old one when the code comes back.
   * @param change `certificate`: the one that waits with the address; `null` if the stored one stays.
   * @throws {SealpostError} `too_many_tries`.
   */
  hold(c: Context<Env>, user: UserRow, change: NewAddress): Promise<Held>;
  /**
   * Stores the address that waits, if the code is right.
   * @param given `email`: the address that the code is for, if the request names it.
   */
  confirm(
    c: Context<Env>,
    user: UserRow,
    given: { readonly code: string; readonly email: string | undefined },
  ): Promise<boolean>;
  /** Notifies the old address. A failure is logged: the change is made. */
  notify(c: Context<Env>, user: UserRow, notice: Notice): Promise<void>;
}

export interface AddressDeps
  extends Pick<
    DirectoryContext,
    "mail" | "store" | "settings" | "audit" | "secrets" | "limits" | "time" | "random" | "log" | "baseUrl"
  > {
  readonly users: UserStore;
  readonly emailChanges: EmailChangeStore;
}

export function createAddresses(deps: AddressDeps): Addresses {
  return {
    hold: (c, user, change) => hold(deps, c, user, change),
    confirm: (c, user, given) => confirm(deps, c, user, given),
    notify: (c, user, notice) => notify(deps, c, user, notice),
  };
}

async function hold(deps: AddressDeps, c: Context<Env>, user: UserRow, change: NewAddress): Promise<Held> {
  const { email } = change;
  const { mail, store, settings, secrets, time, random, emailChanges } = deps;
  const values = await settings.all();
  const refund = await countMessage(deps, c, user, email);
  const code = random.text(CODE_DIGITS, DIGITS);
  const codeMac = await secrets.mac(codeText(user, code));
  const expiresAt = new Date(time.now().getTime() + values["directory.validtime"] * 1_000);
  const row = { userId: user.id, ...change, codeMac, expiresAt };
  // Before the message, so that the code is valid when it arrives.
  const [[before]] = await store.commit([emailChanges.waiting(user.id), emailChanges.hold(row)]);
  const undo = async () => store.append(emailChanges.withdraw(row, before), ...refund);
  const message = codeMessage(contentOf(deps, c, user, values), { email, code, expiresAt });
  const options = { purpose: "code", expiresAt, request: c } as const;
  const outcome = await mail.submit(undefined, message, options).catch(async (error) => {
    await undo();
    throw error;
  });
  if (outcome.state !== "failed" || outcome.failure.outcome === "unknown") return { expiresAt };
  await undo();
  return { code: outcome.failure.code, delivery: await mail.diagnose(outcome) };
}

/**
 * Counts a message with a code.
 * @returns statements that take it back.
 * @throws {SealpostError} `too_many_tries`.
 */
async function countMessage(
  { store, limits }: AddressDeps,
  c: Context<Env>,
  user: UserRow,
  email: string,
): Promise<readonly Statement[]> {
  const keys = [`to ${addressKey(email)}`, `of ${user.id}`];
  const plan = await limits.planInOrder(
    ...keys.flatMap((key) => limits.perClient(c, { key, ...PER_CLIENT })),
    ...keys.map((key) => ({ key, ...IN_ALL })),
  );
  limits.assertAllowed(plan.result(await store.commit(plan.consume)));
  return plan.refund();
}

async function confirm(
  { store, audit, secrets, time, random, users, emailChanges }: AddressDeps,
  c: Context<Env>,
  user: UserRow,
  { code, email = null }: { readonly code: string; readonly email?: string | undefined | null },
): Promise<boolean> {
  const request = random.id();
  const codeMac = await secrets.mac(codeText(user, code));
  const attempt = { userId: user.id, codeMac, email, request, now: time.now() };
  const target = c.get("auditTarget") ?? {};
  const statements = [
    emailChanges.attempt(attempt),
    users.takeAddress(user.id, request),
    audit.row(c, { success: true, fields: "email", ...target }, "ifChanged"),
  ] as const;
  const isTaken = await store.commit(statements).then(
    ([, taken]) => taken.rowsAffected > 0,
    async (error) => {
      if ((await store.readAfter(error, emailChanges.confirmedBy(request))).length > 0) return true;
      throw error;
    },
  );
  if (!isTaken) await audit.write(c, { success: false, info: "wrong code for email", ...target });
  return isTaken;
}

async function notify(deps: AddressDeps, c: Context<Env>, user: UserRow, notice: Notice): Promise<void> {
  const { mail, settings, limits, log } = deps;
  const address = parseAddress(user.email);
  if (address === null) return;
  try {
    await limits.consume({ key: `notice to ${addressKey(address)}`, ...NOTICES });
    const content = contentOf(deps, c, user, await settings.all());
    await mail.submit(undefined, noticeMessage(content, notice, address), { queue: true, request: c });
  } catch (error) {
    if (error instanceof SealpostError && error.code === "too_many_tries") return;
    log.error("Cannot notify the old address of a user: {error}", { error });
  }
}

function contentOf(
  { baseUrl: url }: AddressDeps,
  c: Context<Env>,
  user: UserRow,
  settings: Awaited<ReturnType<AddressDeps["settings"]["all"]>>,
) {
  return { settings, language: language(c, LANGUAGES), user, url };
}

/** The text whose keyed hash is stored instead of the code. Spaces and hyphens do not matter. */
function codeText({ id }: UserRow, code: string): string {
  return `email ${id} ${code.replaceAll(/[\s-]/g, "")}`;
}
