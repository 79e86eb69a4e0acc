import { SealpostError } from "sealpost";
import {
  type Directory,
  type DirectoryUser,
  isConstraintError,
  type LookupNames,
  type NewUser,
  nameKey,
  type PluginContext,
  parseAddress,
  type Statement,
  type UserName,
} from "sealpost/plugin";
import { idOf, type UserRepository, type UserRow } from "./store.ts";

/** What `attribute` knows, by the names that are in use for it. */
const ATTRIBUTES: Readonly<Record<string, (row: UserRow) => string>> = {
  username: ({ username }) => username,
  realm: ({ realm }) => realm,
  userid: ({ id }) => id,
  email: ({ email }) => email,
  phone: ({ phone }) => phone,
  mobile: ({ phone }) => phone,
  givenname: ({ givenname }) => givenname,
  surname: ({ surname }) => surname,
};

type Context = Pick<PluginContext, "store" | "secrets" | "events">;

/** The users of Sealpost's own database. */
export function createDirectory(parts: {
  readonly ctx: Context;
  readonly users: UserRepository;
  readonly defaultRealm: string;
}): Directory {
  const { ctx, users, defaultRealm } = parts;

  async function verify(row: UserRow | undefined, password: string): Promise<boolean> {
    const { ok, rehash } = await ctx.secrets.password.verify(password, row?.passwordHash || null);
    if (row && rehash) await renew(row, password);
    return ok;
  }

  /** A login does not fail for want of a better hash: the next one renews it. */
  async function renew(row: UserRow, password: string): Promise<void> {
    try {
      await ctx.store.commit([users.rehash(row, await ctx.secrets.password.hash(password))]);
    } catch (error) {
      if (!(error instanceof SealpostError && error.code === "busy")) throw error;
    }
  }

  const inRealm = (names: LookupNames): readonly UserName[] =>
    names.map(({ username, realm = defaultRealm }) => ({ username, realm }));

  return {
    defaultRealm,
    lookup: {
      select: (by) => users.select("names" in by ? { names: inRealm(by.names) } : by),
      id: (names) => idOf(inRealm(names)),
      user(rows) {
        const [row] = rows as readonly { readonly user: UserRow | null }[];
        return row?.user ? toUser(row.user) : null;
      },
    },
    async find({ username, realm = defaultRealm }) {
      const row = await users.find({ username, realm });
      return row ? toUser(row) : null;
    },
    async findByAddress(email) {
      const address = parseAddress(email);
      return address === null ? [] : (await users.findByAddress(address)).map(toUser);
    },
    list: async ({ realm } = {}) => (await users.list(realm)).map(toUser),
    async attribute(name, attribute) {
      const read = Object.hasOwn(ATTRIBUTES, attribute) ? ATTRIBUTES[attribute] : undefined;
      const row = read ? await users.find(name) : undefined;
      return row && read ? read(row) : "";
    },
    verifyPassword: async (name, password) => verify(await users.find(name), password),

    async setPassword(name, password, also = []) {
      const hash = await ctx.secrets.password.hash(password);
      try {
        await ctx.store.commit([users.setPasswordHash(name, hash), users.requireChange(), ...also]);
        return true;
      } catch (error) {
        if (isConstraintError(error) && !(await users.find(name))) return false;
        throw error;
      }
    },

    async create(user, also = []) {
      const made = await createUser({ store: ctx.store, users }, user, also);
      if (made === "made") ctx.events.emit("user_add", eventData(user));
      return made !== "taken";
    },

    async remove(name) {
      const [removed] = await ctx.store.commit([users.remove(name)]);
      if (removed.rowsAffected === 0) return false;
      ctx.events.emit("user_delete", eventData(name));
      return true;
    },
  };
}

/**
 * Makes a user together with `also`, or nothing at all.
 * @returns `known`: the user of this id is there already, and `also` is done; `taken`: another has the name.
 */
export async function createUser(
  { store, users }: { readonly store: Context["store"]; readonly users: UserRepository },
  user: NewUser,
  also: readonly Statement[],
): Promise<"made" | "known" | "taken"> {
  try {
    const [{ rowsAffected }] = await store.commit([users.insert(user), ...also]);
    return rowsAffected > 0 ? "made" : "known";
  } catch (error) {
    if (!isConstraintError(error)) throw error;
    const holder = await users.find(user);
    if (holder && holder.id !== user.id) return "taken";
    throw error;
  }
}

/** What handlers of events are told. */
export function eventData({ username, realm }: UserName) {
  return { user: username.normalize("NFC"), realm: nameKey(realm) };
}

function toUser({ id, username, realm, email, phone, givenname, surname }: UserRow): DirectoryUser {
  return { id, username, realm, email, phone, givenname, surname };
}
