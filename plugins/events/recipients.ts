import type { Mailbox } from "sealpost";
import { type DirectoryUser, parseMailbox } from "sealpost/plugin";
import { listOf } from "./conditions.ts";
import type { Scene } from "./context.ts";

/** Who gets a mail. */
export interface Recipient {
  readonly mailbox: Mailbox;
  readonly givenname: string;
  readonly surname: string;
}

/** Those who are meant, or why there is nobody; that is for the audit log. */
export type Found = readonly Recipient[] | { readonly nobody: string };

export interface RecipientKind {
  readonly description: string;
  /** Whether it is of no use without its companion. */
  readonly needsCompanion: boolean;
  /** What is wrong with a companion; null: nothing. */
  readonly problem?: (companion: string) => string | null;
  /** @param companion the option that says more, such as `To email`; empty: not given. */
  readonly find: (companion: string, scene: Scene) => Promise<Found>;
}

const DEFAULT_ATTRIBUTE = "email";

/** By the values of `To` and `reply_to`. */
export const RECIPIENT_KINDS: Readonly<Record<string, RecipientKind>> = {
  tokenowner: {
    description: "Attribute of the user that holds the address; default: email",
    needsCompanion: false,
    async find(attribute, scene) {
      if (scene.directory === null) return { nobody: "there is no directory" };
      if (scene.owner === null) return { nobody: "it is about no user whom the directory knows" };
      return addressOf(scene, scene.owner, attribute);
    },
  },
  logged_in_user: {
    description: "Attribute of the admin, as the directory has it, that holds the address; default: email",
    needsCompanion: false,
    async find(attribute, scene) {
      const { actor } = scene.event;
      if (actor === null) return { nobody: "no admin was logged in" };
      // A local admin is no user of the directory, whoever has the same name there.
      if (actor.realm === "") return localAdmin(actor.username, scene);
      const user = await scene.directory?.find(actor);
      return user ? addressOf(scene, user, attribute) : { nobody: "the directory does not know the admin" };
    },
  },
  "internal admin": {
    description: "Name of a local admin, whose address is in events.admins",
    needsCompanion: true,
    find: async (name, scene) => localAdmin(name, scene),
  },
  "admin realm": {
    description: "Realm of the directory, all of whose users get the mail, each for himself",
    needsCompanion: true,
    async find(realm, { directory }) {
      if (directory === null) return { nobody: "there is no directory" };
      // An empty realm would mean everybody.
      const users = realm === "" ? [] : await directory.list({ realm });
      const found = users.flatMap((user) => toRecipient(user.email, user) ?? []);
      return found.length > 0 ? found : { nobody: "nobody in the realm has an address" };
    },
  },
  email: {
    description: "Addresses, comma-separated",
    needsCompanion: true,
    problem: (addresses) =>
      listOf(addresses).every((address) => parseMailbox(address) !== null)
        ? null
        : "expected mail addresses, comma-separated",
    async find(addresses) {
      const found = listOf(addresses).flatMap((address) => toRecipient(address) ?? []);
      return found.length > 0 ? found : { nobody: "no address is given" };
    },
  },
};

async function addressOf({ directory }: Scene, user: DirectoryUser, attribute: string): Promise<Found> {
  const name = attribute || DEFAULT_ATTRIBUTE;
  const address = name === DEFAULT_ATTRIBUTE ? user.email : await directory?.attribute(user, name);
  const recipient = toRecipient(address ?? "", user);
  return recipient ? [recipient] : { nobody: `the attribute ${name} of the user holds no address` };
}

function localAdmin(name: string, { adminAddresses }: Scene): Found {
  const address = Object.hasOwn(adminAddresses, name) ? adminAddresses[name] : undefined;
  const recipient = toRecipient(address ?? "");
  return recipient ? [recipient] : { nobody: "events.admins has no address of this admin" };
}

function toRecipient(address: string, user?: Pick<DirectoryUser, "givenname" | "surname">): Recipient | null {
  const mailbox = parseMailbox(address);
  return mailbox && { mailbox, givenname: user?.givenname ?? "", surname: user?.surname ?? "" };
}
