import { SealpostError } from "sealpost";
import {
  type Directory,
  type DirectoryUser,
  isConstraintError,
  lookAlikeKeys,
  type NewUser,
  nameKey,
  type PluginContext,
  parseAddress,
  type Statement,
  type UserName,
} from "sealpost/plugin";
import { createLookAlikes } from "./look-alikes.ts";
import { idByNames, type UserRow, type UserStore, valuesOf } from "./store.ts";

/** The user attributes that `attribute` returns, under every name in use for them. */
const ATTRIBUTES: Readonly<Record<string, (row: UserRow) => string>> = {
  username: ({ username }) => username,
  realm: ({ realm }) => realm,
  userid: ({ id }) => id,
  email: ({ email }) => email,
  phone: ({ phone }) => phone,
  mobile: ({ phone }) => phone,
  givenname: ({ givenname }) => givenname,
  surname: ({ surname }) => surname,
  certificate: ({ certificate }) => certificate,
};

/** Bounds the commits of one new user: each further one needs another with this name, created and deleted meanwhile. */
const MAX_COMMITS = 5;

/** Creates the directory of the users in Sealpost's own database. */
export function createDirectory({
  store,
  secrets: { password: passwords },
  events,
  users,
  defaultRealm,
}: Pick<PluginContext, "store" | "secrets" | "events"> & {
  readonly users: UserStore;
  readonly defaultRealm: string;
}): Directory {
  async function verify(row: UserRow | undefined, password: string): Promise<boolean> {
    const { ok, rehash } = await passwords.verify(password, row?.passwordHash || null);
    if (row && rehash) await renewHash(row, password);
    return ok;
  }

  /** A login must not fail because a better hash cannot be computed now: the next login renews it. */
  async function renewHash(row: UserRow, password: string): Promise<void> {
    try {
      await store.commit([users.rehash(row, await passwords.hash(password))]);
    } catch (error) {
      if (!(error instanceof SealpostError && error.code === "busy")) throw error;
    }
  }

  return {
    defaultRealm,
    lookup: {
      id: idByNames(defaultRealm),
      values: (names) => valuesOf(names, defaultRealm),
      select: users.select,
      user(rows) {
        const [row] = rows as readonly { readonly user: UserRow | null }[];
        return row?.user ? toUser(row.user) : null;
      },
      lookAlikes: createLookAlikes(store),
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
      await passwords.assertAllowed(password, name);
      const hash = await passwords.hash(password);
      try {
        await store.commit([users.setPasswordHash(name, hash), users.requireChange(), ...also]);
        return true;
      } catch (error) {
        if (isConstraintError(error) && !(await users.find(name))) return false;
        throw error;
      }
    },

    async create(user, also = []) {
      const result = await createUser({ store, users }, user, also);
      if (result === "created") events.emit("user_add", eventData(user));
      return result !== "taken";
    },

    async remove(name) {
      const [, removed] = await store.commit(users.remove(name));
      if (removed.rowsAffected === 0) return false;
      events.emit("user_delete", eventData(name));
      return true;
    },
  };
}

/**
 * Creates a user and runs `also` in the same commit.
 * @returns `exists`: the user with this ID already exists, and `also` is done; `taken`: another user has the name, and
 * nothing is done.
 */
export async function createUser(
  { store, users }: Pick<PluginContext, "store"> & { readonly users: UserStore },
  user: NewUser,
  also: readonly Statement[],
): Promise<"created" | "exists" | "taken"> {
  const [lookAlike] = await lookAlikeKeys(user.username);
  for (let commits = 1; ; commits++) {
    try {
      const [{ rowsAffected }] = await store.commit([users.insert(user, lookAlike), ...also]);
      return rowsAffected > 0 ? "created" : "exists";
    } catch (error) {
      if (!isConstraintError(error)) throw error;
      const holder = await users.find(user);
      if (holder && holder.id !== user.id) return "taken";
      // The holder of the name was deleted before it was read, or a statement of `also` cannot be committed.
      if (commits === MAX_COMMITS) throw error;
    }
  }
}

/** Returns the event data of a user. */
export function eventData({ username, realm }: UserName) {
  return { user: username.normalize("NFC"), realm: nameKey(realm) };
}

function toUser({
  id,
  username,
  realm,
  email,
  phone,
  givenname,
  surname,
  certificate,
}: UserRow): DirectoryUser {
  return { id, username, realm, email, phone, givenname, surname, certificate };
}
