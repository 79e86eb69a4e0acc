import type { Context } from "hono";
import { SealpostError } from "sealpost";
import { type Env, isConstraintError, missingParameter, missingRight, type Statement } from "sealpost/plugin";
import type { TokenChanges } from "./changes.ts";
import type { TokenContext } from "./config.ts";
import { type Enroll, userUnknown } from "./enroll.ts";
import type { ForeignAddresses, OwnerNotice } from "./foreign.ts";
import { auditedFields, type ChooseOwnPin, type OwnPin, SETPIN_RIGHT } from "./own-pin.ts";
import type { Owners, Pins } from "./owners.ts";
import type { InitParams, ListParams, NamedParams, PinParams, SetParams } from "./schema.ts";
import type { TokenRow, TokenStore } from "./store.ts";
import { type Trigger, type TriggerResult, triggerRow } from "./trigger.ts";

const SEARCHED = ["user", "realm", "tokenrealm", "serial", "type"] as const;

/** An enrolled token. */
interface Enrolled {
  readonly serial: string;
  /** The code that ends the enrollment; `null` if the token needs none. */
  readonly verification: TriggerResult | null;
}

/** Tokens, as admins see and change them. Each change is committed with its audit row. */
export interface Tokens {
  /** Creates a token, or replaces one. @throws an error of {@link Enroll}. */
  init(c: Context<Env>, params: InitParams): Promise<Enrolled>;
  /** Returns one page, and the number of all matches. */
  page(c: Context<Env>, params: ListParams): Promise<{ rows: readonly TokenRow[]; total: number }>;
  /** Clears the fail counters of one token, or of all tokens of a user. Returns their number. @throws an error of {@link findNamed}. */
  reset(c: Context<Env>, named: NamedParams): Promise<number>;
  /**
   * Changes the description of tokens, the PIN of their owner, or both. Returns the number of tokens that changed.
   * @throws {SealpostError} `missing_parameter`, `action_denied`, or an error of {@link findNamed}.
   */
  set(c: Context<Env>, params: SetParams): Promise<number>;
  /** Changes the PIN of a person, for all tokens. Returns their number. @throws an error of {@link findNamed}. */
  setPin(c: Context<Env>, params: PinParams): Promise<number>;
  /** Deletes a token and its codes. Returns 1. @throws {SealpostError} `resource_not_found`. */
  remove(c: Context<Env>, serial: string): Promise<number>;
}

export interface TokensDeps extends Pick<TokenContext, "store" | "audit" | "random" | "guard"> {
  readonly tokens: TokenStore;
  readonly changes: TokenChanges;
  readonly owners: Owners;
  readonly enroll: Enroll;
  readonly foreign: ForeignAddresses;
  readonly chooseOwnPin: ChooseOwnPin;
  readonly trigger: Trigger;
  readonly pins: Pick<Pins, "hash">;
}

export function createTokens(deps: TokensDeps): Tokens {
  const { store, audit, random, guard, tokens, changes, owners, enroll, foreign, trigger } = deps;
  return {
    async init(c, params) {
      const { row, owner } = await untilCommitted(async () => {
        const enrollment = await enroll(c, params);
        const { row, own, owner, replaced, reroute } = enrollment;
        setTarget(c, row);
        const { serial, address: recipient, type } = row;
        const infos = [type, ...(replaced ? ["replaced"] : []), ...(reroute.info ? [reroute.info] : [])];
        const entry = { success: true, identifier: serial, recipient, info: infos.join(", ") };
        const notice = await foreign.noticeOf(c, { token: row, owner });
        const isCommitted = await commitWithPin(deps, own, notice, [
          replaced ? changes.replace(row) : changes.insert(row),
          changes.requireChange(),
          audit.row(c, { ...entry, fields: auditedFields(own) }),
          changes.voidCodes([serial]),
        ]);
        if (!isCommitted) return null;
        reroute.report();
        return enrollment;
      });
      const { serial } = row;
      if (row.rolloutState === "") return { serial, verification: null };
      const target = { token: row, owner };
      return { serial, verification: await trigger(c, [target], (sent) => [triggerRow(audit, c, sent)]) };
    },

    async page(c, params) {
      const { user, realm, tokenrealm, serial, type, page, pagesize } = params;
      const owner = user === "" ? null : await owners.find({ user, realm });
      const filter = {
        patterns: { serial, type: type?.toLowerCase(), realm: tokenrealm },
        userId: user === "" ? undefined : (owner?.id ?? random.id()),
        realm: user === "" && realm !== "" ? realm : undefined,
      };
      const { rows, total } = await tokens.page(filter, page, pagesize);
      // Personal data was read, so log it; the search terms are personal data themselves, so log only their names.
      const fields = SEARCHED.filter((name) => params[name]).join(",");
      await audit.write(c, { success: true, fields, info: `${rows.length} tokens` });
      return { rows, total };
    },

    async reset(c, named) {
      const rows = await findNamed(deps, c, named);
      const serials = rows.map(({ serial }) => serial);
      const row = audit.row(c, { success: true, identifier: serials.join(",") }, "ifChanged");
      const [reset] = await store.commit([changes.reset(serials), row]);
      return reset.rowsAffected;
    },

    async set(c, { pin, description, ...named }) {
      if (pin === undefined && description === undefined) throw missingParameter("description");
      if (pin !== undefined && !(await guard.isAllowed(c, SETPIN_RIGHT))) throw missingRight(SETPIN_RIGHT);
      return setFields(deps, c, named, { pin, description });
    },

    async setPin(c, { otppin, ...named }) {
      if (otppin === undefined) throw missingParameter("otppin");
      return setFields(deps, c, named, { pin: otppin });
    },

    async remove(c, serial) {
      const token = await tokens.find(serial);
      if (token) setTarget(c, token);
      const row = audit.row(c, { success: true, identifier: serial }, "ifChanged");
      const [, removed] = await store.commit([...changes.remove(serial), row]);
      if (removed.rowsAffected === 0) throw notFound();
      return removed.rowsAffected;
    },
  };
}

/**
 * Sets the description of the named tokens, and the PIN of all tokens of their owners. What is `undefined` stays.
 * @returns the number of tokens that changed.
 */
async function setFields(
  deps: TokensDeps,
  c: Context<Env>,
  named: NamedParams,
  { description, pin }: Pick<SetParams, "description" | "pin">,
): Promise<number> {
  const { store, audit, changes, pins } = deps;
  const rows = await findNamed(deps, c, named);
  const serials = rows.map(({ serial }) => serial);
  const set = {
    ...(description !== undefined && { description: changes.describe(serials, description) }),
    // Last, because it changes the named tokens and more.
    ...(pin !== undefined && { pin: changes.setPin(rows, pin === "" ? "" : await pins.hash(pin)) }),
  };
  const entry = { success: true, identifier: serials.join(","), fields: Object.keys(set).join(",") };
  const results = await store.commit([...Object.values(set), audit.row(c, entry, "ifChanged")]);
  return results.at(-2)?.rowsAffected ?? 0;
}

/**
 * Finds one token, or all tokens of a user, which may be none.
 * @throws {SealpostError} `missing_parameter`, `resource_not_found` for an unknown serial or one that the user does not have,
 * `user_refused` for an unknown user.
 */
export async function findNamed(
  { tokens, owners }: Pick<TokensDeps, "tokens" | "owners">,
  c: Context<Env>,
  named: NamedParams,
): Promise<readonly TokenRow[]> {
  const { user, serial } = named;
  if (serial === "" && user === "") throw missingParameter("serial");
  c.set("auditTarget", { identifier: serial || user, recipient: "" });
  const found = user === "" ? null : await owners.search(named);
  if (found?.owner === null) throw userUnknown();
  const token = found === null ? await tokens.find(serial) : null;
  const rows = found?.rows ?? (token ? [token] : []);
  const [first] = rows;
  if (first) setTarget(c, first);
  else if (serial !== "") throw notFound();
  return rows;
}

/** More than the tokens that a user may get meanwhile, each of which can make a decision one of the past. */
const MAX_COMMITS = 20;

/**
 * Decides about a token and commits that, again if other requests have changed tokens of the owner, or the one with the
 * serial. So the last writer wins.
 * @param attempt returns `null` if it could not commit.
 */
export async function untilCommitted<T>(attempt: () => Promise<T | null>): Promise<T> {
  for (let commits = 0; commits < MAX_COMMITS; commits++) {
    const result = await attempt();
    if (result !== null) return result;
  }
  throw new SealpostError(
    "database_unavailable",
    "Other requests keep changing the tokens of this user: try again in a moment",
  );
}

/**
 * Commits a token with the PIN of its owner, all or nothing, and sends the notice.
 * @returns false if another request has changed tokens of the owner, or the one with the serial. Then nothing was done.
 */
export async function commitWithPin(
  { store, changes }: Pick<TokensDeps, "store" | "changes">,
  { changed, pinHash }: OwnPin,
  { count, send }: OwnerNotice,
  statements: readonly Statement[],
): Promise<boolean> {
  const all = [...count, changes.setPin(changed, pinHash), ...statements];
  const results: readonly unknown[] | null = await store.commit(all).catch((error) => {
    if (isConstraintError(error)) return null;
    throw error;
  });
  if (results === null) return false;
  await send(results.slice(0, count.length));
  return true;
}

/** Sets what the event, and the audit row of a rejected request, say about the token. */
export function setTarget(c: Context<Env>, { serial, type, username, realm, address }: TokenRow): void {
  c.set("eventData", { user: username, realm, serial, tokentype: type });
  c.set("auditTarget", { identifier: serial, recipient: address });
}

export function notFound(): SealpostError {
  return new SealpostError("resource_not_found", "The requested Token could not be found.");
}
