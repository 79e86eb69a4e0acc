import { sql } from "drizzle-orm";
import type { Context } from "hono";
import {
  createFindUser,
  type Directory,
  type DirectoryLookup,
  type DirectoryUser,
  type Env,
  type GivenName,
  lookupNames,
  nameKey,
  type PluginStore,
} from "sealpost/plugin";
import type { TokenChanges } from "./changes.ts";
import type { TokenContext } from "./config.ts";
import type { OwnedToken, TokenFilter, TokenRow, TokenStore } from "./store.ts";

/** The owner or the token that a request names. A field is empty if the request does not have it. */
export interface OwnerQuery extends GivenName {
  readonly serial: string;
}
type UsableFilter = Pick<TokenFilter, "isUsable">;
/** `hasPin`: whether a PIN is compared, which has to know whether any has an old hash. */
type SearchOptions = UsableFilter & { readonly hasPin?: boolean };

/** Tokens to compare a PIN with. */
export interface PinTargets {
  readonly targets: readonly OwnedToken[];
  /** Whether any PIN in the database still has an old hash. */
  readonly hasOldPins: boolean;
}

/** The tokens that match a query, and the user who is named or owns them. */
export interface FoundTokens {
  readonly rows: readonly TokenRow[];
  readonly owner: DirectoryUser | null;
  readonly hasOldPins: boolean;
}

/** Finds tokens and their owners. Every search does the same work, whether it finds something or not. */
export interface Owners {
  /** Finds the named user, or `null` if there is none. */
  find(name: GivenName): Promise<DirectoryUser | null>;
  /** Returns all tokens, usable or not. */
  search(query: OwnerQuery): Promise<FoundTokens>;
  /** Returns one text for all ways to write a name, folded, whether the user exists or not. */
  fullName(name: GivenName): string;
  /** Returns the usable tokens, to compare a PIN with. */
  tokensForPin(query: OwnerQuery): Promise<PinTargets>;
  /** Returns the usable tokens, to send codes to. */
  usableTokens(query: OwnerQuery): Promise<readonly OwnedToken[]>;
  /** Returns the matching usable tokens that this transaction sent a code to. */
  tokensIn(transactionId: string, query: OwnerQuery): Promise<readonly OwnedToken[]>;
}

/**
 * Creates the search for tokens by owner. Without a directory the named user is the owner, and tokens need fixed
 * addresses. If the directory is in this database, tokens and their owner are read in one batch.
 */
export function createOwners({
  store: { read, prepare },
  random,
  directory,
  tokens,
}: Pick<TokenContext, "store" | "random"> & {
  readonly directory: Directory | null;
  readonly tokens: TokenStore;
}): Owners {
  const { lookup } = directory ?? {};
  const selectTokens = prepareTokens(prepare, tokens, lookup);
  const selectOwner = lookup && prepareOwner(prepare, lookup);

  const find = directory
    ? createFindUser({ read, prepare }, directory)
    : async ({ user, realm }: GivenName) => unlistedUser(user, realm);

  async function search(
    query: OwnerQuery,
    { hasPin = true, ...which }: SearchOptions = {},
  ): Promise<FoundTokens> {
    const oldPin = hasPin ? [tokens.selectOldPin()] : [];
    if (lookup && selectOwner) {
      const batch = [selectTokens(query, which), selectOwner(query), ...oldPin] as const;
      const [rows, users, old = []] = await read.batch(batch);
      return { ...toFound(rows, old), owner: lookup.user(users) };
    }
    const named = query.user === "" ? null : await find(query);
    const userId = named?.id ?? random.id();
    const [rows, old = []] = await read.batch([selectTokens(query, which, userId), ...oldPin]);
    const found = toFound(rows, old);
    return query.user === "" ? withOwner(found) : { ...found, owner: named };
  }

  /** Adds the owner of the first token. */
  async function withOwner({ rows, hasOldPins }: Omit<FoundTokens, "owner">): Promise<FoundTokens> {
    const { username = "", realm = "" } = rows[0] ?? {};
    const owner = directory ? await directory.find({ username, realm }) : unlistedUser(username, realm);
    return { rows, owner, hasOldPins };
  }

  return {
    find,
    search: (query) => search(query),
    fullName: (name) => fullNameOf(name, directory?.defaultRealm ?? ""),
    async tokensForPin(query) {
      const found = await search(query, { isUsable: true });
      return { targets: ownedBy(found, query), hasOldPins: found.hasOldPins };
    },
    usableTokens: async (query) => ownedBy(await search(query, { isUsable: true, hasPin: false }), query),
    async tokensIn(transactionId, query) {
      const ofTransaction = tokens.selectOfTransaction(transactionId);
      const isMeant = ({ serial }: TokenRow) => query.serial === "" || serial === query.serial;
      if (lookup && selectOwner) {
        const [all, users] = await read.batch([ofTransaction, selectOwner(query)]);
        return ownedBy({ rows: all.filter(isMeant), owner: lookup.user(users) }, query);
      }
      const [all] = await read.batch([ofTransaction]);
      const rows = all.filter(isMeant);
      // Do not read the user for an unknown transaction: finding one takes a little longer than finding none.
      if (rows.length === 0) return [];
      const found = query.user === "" ? await withOwner({ rows, hasOldPins: false }) : null;
      return ownedBy({ rows, owner: found ? found.owner : await find(query) }, query);
    },
  };
}

/** Prepares the select of the tokens that match a query. Without a lookup it takes the ID of the named user. */
function prepareTokens(
  prepare: PluginStore["prepare"],
  tokens: TokenStore,
  lookup: DirectoryLookup | undefined,
) {
  const serial = sql.placeholder("serial");
  const userId = lookup?.id ?? sql`${sql.placeholder("userId")}`;
  const prepareWhere = (which: UsableFilter) => ({
    ofUser: prepare(() => tokens.select({ ...which, userId })),
    withSerial: prepare(() => tokens.select({ ...which, serial })),
    ofUserWithSerial: prepare(() => tokens.select({ ...which, userId, serial })),
  });
  const [all, usable] = [prepareWhere({}), prepareWhere({ isUsable: true })];
  return (query: OwnerQuery, { isUsable = false }: UsableFilter, id = "") => {
    const { ofUser, withSerial, ofUserWithSerial } = isUsable ? usable : all;
    if (query.user === "") return withSerial({ serial: query.serial });
    const values = {
      serial: query.serial,
      ...(lookup?.values(lookupNames(query)) ?? { userId: id }),
    };
    return query.serial === "" ? ofUser(values) : ofUserWithSerial(values);
  };
}

/** Prepares the select of the named user or, if only a token is named, of its owner. */
function prepareOwner(prepare: PluginStore["prepare"], lookup: DirectoryLookup) {
  const named = prepare(() => lookup.select(lookup.id));
  const ofToken = prepare(() =>
    lookup.select(sql`(SELECT user_id FROM email_token_token WHERE serial = ${sql.placeholder("serial")})`),
  );
  return (query: OwnerQuery) =>
    query.user === "" ? ofToken({ serial: query.serial }) : named(lookup.values(lookupNames(query)));
}

function fullNameOf(given: GivenName, defaultRealm: string): string {
  const [{ username, realm = defaultRealm }] = lookupNames(given);
  const [name, realmKey] = [nameKey(username), nameKey(realm)];
  return realmKey === nameKey(defaultRealm) ? name : `${name}@${realmKey}`;
}

/** Drops tokens whose owner no longer exists. */
function ownedBy(
  { rows, owner }: Pick<FoundTokens, "rows" | "owner">,
  query: OwnerQuery,
): readonly OwnedToken[] {
  if (query.user !== "") {
    return rows.filter(({ userId }) => userId === owner?.id).map((token) => ({ token, owner }));
  }
  return rows
    .filter(({ userId }) => userId === "" || userId === owner?.id)
    .map((token) => ({ token, owner: token.userId === "" ? null : owner }));
}

function toFound(
  rows: readonly { readonly token: TokenRow | null }[],
  old: readonly unknown[],
): Omit<FoundTokens, "owner"> {
  return { rows: rows.flatMap((row) => row.token ?? []), hasOldPins: old.length > 0 };
}

/** The named user, where there is no directory. */
function unlistedUser(username: string, realm: string): DirectoryUser {
  const id = JSON.stringify([nameKey(realm), nameKey(username)]);
  return { id, username, realm, email: "", phone: "", givenname: "", surname: "" };
}

/** Returns the event data of the token with this serial. Without a field if the token is not among the rows. */
export function eventDataOf(rows: readonly TokenRow[], serial: string): Readonly<Record<string, unknown>> {
  const row = rows.find((one) => one.serial === serial);
  return row ? { user: row.username, realm: row.realm, serial, tokentype: row.type } : {};
}

/** Starts the PHC strings that PINs had before the keyed hash. */
const OLD_HASH = /^\$scrypt\$/;

/** Hashes and verifies PINs. Rate limits and the pepper in the hash protect them. */
export interface Pins {
  hash(pin: string): Promise<string>;
  /**
   * Compares a PIN with a stored hash, or with `null` if there is none. The time does not reveal the kind of the hash, or
   * its existence: as long as any old hash exists, every check takes as long as one with an old hash.
   * @returns `renewed`: the hash that replaced an old one in all tokens; `null` if nothing was replaced.
   * @throws {SealpostError} `busy`.
   */
  verify(
    c: Context<Env>,
    given: string,
    stored: string | null,
    options: { readonly hasOldPins: boolean },
  ): Promise<{ readonly ok: boolean; readonly renewed: string | null }>;
}

export function createPins({
  store,
  secrets: { pin, password },
  changes,
}: Pick<TokenContext, "store" | "secrets"> & { readonly changes: TokenChanges }): Pins {
  return {
    hash: pin.hash,
    async verify(c, given, stored, { hasOldPins }) {
      const ok = await pin.verify(given, stored);
      if (!hasOldPins) return { ok, renewed: null };
      const old = stored !== null && OLD_HASH.test(stored) ? stored : null;
      const verdict = await password.verify(given, old, { request: c });
      if (old === null || !verdict.ok) return { ok, renewed: null };
      const renewed = await pin.hash(given);
      await store.commit([changes.renewPin(old, renewed)]);
      return { ok: true, renewed };
    },
  };
}
