import { sql } from "drizzle-orm";
import type { Context } from "hono";
import {
  type Directory,
  type DirectoryUser,
  type Env,
  type LookupNames,
  nameKey,
  type PluginContext,
} from "sealpost/plugin";
import type { TokenContext } from "./config.ts";
import type { OwnedToken, TokenFilter, TokenRepository, TokenRow } from "./store.ts";

/** Whom a request is about, as it says it; empty: not said. */
export interface OwnerQuery {
  readonly user: string;
  readonly realm: string;
  readonly serial: string;
}

/** What a PIN is compared with. */
export interface PinTargets {
  readonly targets: readonly OwnedToken[];
  /** Whether any PIN in the database still has an old hash. */
  readonly hasOldPins: boolean;
}

/** Tokens that were found, and the user who was named or who owns them. */
export interface Found {
  readonly rows: readonly TokenRow[];
  readonly owner: DirectoryUser | null;
  readonly hasOldPins: boolean;
}

export type Owners = ReturnType<typeof createOwners>;

/**
 * Finds the owners of tokens. Without a directory the named user is the owner, and addresses have to be fixed. Tokens and
 * their owner are read in one batch, where the directory is in this database.
 */
export function createOwners(parts: {
  readonly ctx: Pick<PluginContext, "random" | "store">;
  readonly directory: Directory | null;
  readonly tokens: TokenRepository;
}) {
  const { ctx, directory, tokens } = parts;
  const { read } = ctx.store;

  /** Without a realm, `user@realm` is understood as well. The whole text comes first. */
  function namesOf({ user, realm }: Pick<OwnerQuery, "user" | "realm">): LookupNames {
    const at = user.lastIndexOf("@");
    if (realm !== "") return [{ username: user, realm }];
    const parted = { username: user.slice(0, at), realm: user.slice(at + 1) };
    return at < 1 ? [{ username: user }] : [{ username: user }, parted];
  }

  async function find(named: Pick<OwnerQuery, "user" | "realm">): Promise<DirectoryUser | null> {
    if (!directory) return unlisted(named.user, named.realm);
    const [whole, parted] = await Promise.all(namesOf(named).map((name) => directory.find(name)));
    return whole ?? parted ?? null;
  }

  /** The user who is named or, by the token alone, owns it. */
  function ownerKey(named: OwnerQuery) {
    return named.user === ""
      ? { id: sql`(SELECT user_id FROM email_token_token WHERE serial = ${named.serial})` }
      : { names: namesOf(named) };
  }

  async function search(named: OwnerQuery): Promise<Found> {
    const filter = { serial: named.serial === "" ? undefined : named.serial };
    if (directory?.lookup) {
      const { lookup } = directory;
      const by = ownerKey(named);
      const userId = "names" in by ? lookup.id(by.names) : undefined;
      const [rows, users, old] = await read.batch([
        tokens.select({ ...filter, userId }),
        lookup.select(by) as BatchSelect,
        tokens.selectOldPin(),
      ]);
      return { ...foundOf(rows, old), owner: lookup.user(users) };
    }
    if (named.user === "") return withOwner(await searchTokens(filter));
    const owner = await find(named);
    return { ...(await searchTokens({ ...filter, userId: owner?.id ?? ctx.random.id() })), owner };
  }

  async function searchTokens(filter: TokenFilter): Promise<Omit<Found, "owner">> {
    const [rows, old] = await read.batch([tokens.select(filter), tokens.selectOldPin()]);
    return foundOf(rows, old);
  }

  /** By the token alone. */
  async function withOwner({ rows, hasOldPins }: Omit<Found, "owner">): Promise<Found> {
    const { username = "", realm = "" } = rows[0] ?? {};
    const owner = directory ? await directory.find({ username, realm }) : unlisted(username, realm);
    return { rows, owner, hasOldPins };
  }

  /** A token whose owner is gone has none, and is not used. */
  function ownedBy({ rows, owner }: Pick<Found, "rows" | "owner">, named: OwnerQuery): readonly OwnedToken[] {
    if (named.user !== "") {
      return rows.filter(({ userId }) => userId === owner?.id).map((token) => ({ token, owner }));
    }
    return rows
      .filter(({ userId }) => userId === "" || userId === owner?.id)
      .map((token) => ({ token, owner: token.userId === "" ? null : owner }));
  }

  return {
    find,
    search,

    /** One text for all ways to write a name, whether there is such a user or not. */
    fullName({ user, realm }: Pick<OwnerQuery, "user" | "realm">): string {
      if (realm === "" && user.includes("@")) return user;
      return `${user}@${realm || (directory?.defaultRealm ?? "")}`;
    },

    /** Their tokens; the same work if there are none. */
    async tokensForPin(named: OwnerQuery): Promise<PinTargets> {
      const found = await search(named);
      return { targets: ownedBy(found, named), hasOldPins: found.hasOldPins };
    },

    tokensOf: async (named: OwnerQuery): Promise<readonly OwnedToken[]> =>
      ownedBy(await search(named), named),

    /** Those of their tokens that a code was sent to in this transaction; the same work if there are none. */
    async tokensIn(transactionId: string, named: OwnerQuery): Promise<readonly OwnedToken[]> {
      const ofTransaction = tokens.selectOfTransaction(transactionId);
      const isNamed = ({ serial }: TokenRow) => named.serial === "" || serial === named.serial;
      if (directory?.lookup) {
        const { lookup } = directory;
        const by = ownerKey(named);
        const [rows, users] = await read.batch([ofTransaction, lookup.select(by) as BatchSelect]);
        return ownedBy({ rows: rows.filter(isNamed), owner: lookup.user(users) }, named);
      }
      const rows = (await ofTransaction).filter(isNamed);
      // Without such a transaction the named user is not read: finding one takes a little longer than finding none.
      if (rows.length === 0) return [];
      const found = named.user === "" ? await withOwner({ rows, hasOldPins: false }) : null;
      return ownedBy({ rows, owner: found ? found.owner : await find(named) }, named);
    },
  };
}

/** A select as `read.batch` takes it. */
type BatchSelect = ReturnType<TokenRepository["selectOldPin"]>;

function foundOf(
  rows: readonly { readonly token: TokenRow | null }[],
  old: readonly unknown[],
): Omit<Found, "owner"> {
  return { rows: rows.flatMap((row) => row.token ?? []), hasOldPins: old.length > 0 };
}

/** A user whom no directory knows. */
function unlisted(username: string, realm: string): DirectoryUser {
  const id = JSON.stringify([nameKey(realm), nameKey(username)]);
  return { id, username, realm, email: "", phone: "", givenname: "", surname: "" };
}

/** PHC string: how PINs were hashed before they had a keyed hash. */
const OLD_HASH = /^\$scrypt\$/;

export type Pins = ReturnType<typeof createPins>;

/** Creates the hashing and checking of PINs. A PIN is protected by its limits and by the pepper in its hash. */
export function createPins({
  ctx,
  tokens,
}: {
  readonly ctx: TokenContext;
  readonly tokens: TokenRepository;
}) {
  const {
    store,
    secrets: { pin, password },
  } = ctx;
  return {
    hash: pin.hash,

    /**
     * Compares a PIN with a stored hash; `null`: there is none. Time does not reveal which kind of hash it is, or whether
     * there is one: while any old hash exists, every check takes as long as an old one does.
     * @returns `renewed`: the hash that replaced an old one in all tokens; `null`: nothing was replaced.
     * @throws {SealpostError} `busy`.
     */
    async verify(
      c: Context<Env>,
      given: string,
      stored: string | null,
      { hasOldPins }: { readonly hasOldPins: boolean },
    ): Promise<{ readonly ok: boolean; readonly renewed: string | null }> {
      const ok = await pin.verify(given, stored);
      if (!hasOldPins) return { ok, renewed: null };
      const old = stored !== null && OLD_HASH.test(stored) ? stored : null;
      const verdict = await password.verify(given, old, { request: c });
      if (old === null || !verdict.ok) return { ok, renewed: null };
      const renewed = await pin.hash(given);
      await store.commit([tokens.renewPin(old, renewed)]);
      return { ok: true, renewed };
    },
  };
}
