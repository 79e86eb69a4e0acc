import { type Directory, type DirectoryUser, nameKey, type PluginContext } from "sealpost";
import type { TokenRow } from "./tables.ts";
import type { TokenRepository } from "./tokens.ts";

/** Whom a request is about, as it says it; empty: not said. */
export interface Named {
  readonly user: string;
  readonly realm: string;
  readonly serial: string;
}

/** A token, and what the directory tells of its owner; null: there is no directory, or the token is nobody's. */
export interface Owned {
  readonly token: TokenRow;
  readonly owner: DirectoryUser | null;
}

/** What a PIN is compared with. */
export interface PinTargets {
  readonly targets: readonly Owned[];
  /** Whether any PIN in the database still has an old hash. */
  readonly hasOldPins: boolean;
}

export type Owners = ReturnType<typeof createOwners>;

/** Who tokens belong to. Without a directory, whoever is named; then addresses have to be fixed. */
export function createOwners(parts: {
  readonly ctx: Pick<PluginContext, "newId">;
  readonly directory: Directory | null;
  readonly tokens: TokenRepository;
}) {
  const { ctx, directory, tokens } = parts;

  /** `user@realm` is understood too, where no realm is said. */
  async function find({ user, realm }: Pick<Named, "user" | "realm">): Promise<DirectoryUser | null> {
    if (!directory) return unlisted(user, realm);
    const at = user.lastIndexOf("@");
    if (realm !== "") return directory.find({ username: user, realm });
    const whole = await directory.find({ username: user });
    if (at < 1) return whole;
    const parted = await directory.find({ username: user.slice(0, at), realm: user.slice(at + 1) });
    return whole ?? parted;
  }

  /** By its serial alone. */
  async function owned(token: TokenRow | undefined): Promise<readonly Owned[]> {
    const { userId = "", username = "", realm = "" } = token ?? {};
    const owner = directory ? await directory.find({ username, realm }) : unlisted(username, realm);
    if (!token || (userId !== "" && owner?.id !== userId)) return [];
    return [{ token, owner: userId === "" ? null : owner }];
  }

  /** Their tokens; the same work if there are none. A token whose owner is gone has none. */
  async function search(named: Named): Promise<PinTargets> {
    if (named.user === "") {
      const { rows, hasOldPins } = await tokens.searchForPin({ serial: named.serial });
      return { targets: await owned(rows[0]), hasOldPins };
    }
    const owner = await find(named);
    const serial = named.serial === "" ? undefined : named.serial;
    const { rows, hasOldPins } = await tokens.searchForPin({ userId: owner?.id ?? ctx.newId(), serial });
    return { targets: rows.map((token) => ({ token, owner })), hasOldPins };
  }

  return {
    find,

    /** One text for all ways to write a name, whether there is such a user or not. */
    fullName({ user, realm }: Pick<Named, "user" | "realm">): string {
      if (realm === "" && user.includes("@")) return user;
      return `${user}@${realm || (directory?.defaultRealm ?? "")}`;
    },

    tokensForPin: search,

    tokensOf: async (named: Named): Promise<readonly Owned[]> => (await search(named)).targets,

    /**
     * Those of their tokens that a code was sent to in this transaction. Where there is no such transaction, nothing is
     * read of who is named: to look somebody up takes a little longer than to find nobody.
     */
    async tokensIn(transactionId: string, named: Named): Promise<readonly Owned[]> {
      const rows = (await tokens.ofTransaction(transactionId)).filter(
        ({ serial }) => named.serial === "" || serial === named.serial,
      );
      if (rows.length === 0) return [];
      if (named.user === "") return owned(rows[0]);
      const owner = await find(named);
      return rows.filter(({ userId }) => userId === owner?.id).map((token) => ({ token, owner }));
    },
  };
}

/** A user whom no directory knows. */
function unlisted(username: string, realm: string): DirectoryUser {
  const id = JSON.stringify([nameKey(realm), nameKey(username)]);
  return { id, username, realm, email: "", phone: "", givenname: "", surname: "" };
}
