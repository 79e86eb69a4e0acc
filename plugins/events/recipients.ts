import type { Mailbox } from "sealpost";
import { type DirectoryUser, domainOf, parseMailbox } from "sealpost/plugin";
import { listOf } from "./conditions.ts";
import type { HandlerContext } from "./context.ts";

/** A recipient of a message. */
export interface Recipient {
  readonly mailbox: Mailbox;
  readonly givenname: string;
  readonly surname: string;
}

/** The recipients, or for the audit log the reason why there are none. */
type Found<R> = readonly R[] | { readonly reason: string };
type Recipients = Found<Recipient>;

/** A kind of recipients, of mail or of SMS. */
export interface RecipientKind<R> {
  readonly description: string;
  /** Whether its argument is required. */
  readonly needsArgument: boolean;
  /** Returns the problem with an argument, or `null`. */
  readonly problem?: (argument: string) => string | null;
  /** @param argument the option that qualifies this one, such as `To email`. Empty if the option is absent. */
  readonly find: (argument: string, context: HandlerContext) => Promise<Found<R>>;
}

const DEFAULT_ATTRIBUTE = "email";

/** Kinds of recipients, by the values of `To` and `reply_to`. */
export const RECIPIENT_KINDS: Readonly<Record<string, RecipientKind<Recipient>>> = {
  tokenowner: {
    description: "Attribute of the user that holds the address (default: email)",
    needsArgument: false,
    async find(attribute, context) {
      if (context.directory === null) return { reason: "there is no directory" };
      if (context.owner === null) return { reason: "the directory has no such user" };
      return addressOf(context, context.owner, attribute);
    },
  },
  logged_in_user: {
    description: "Attribute of the admin's directory entry that holds the address (default: email)",
    needsArgument: false,
    async find(attribute, context) {
      const { actor } = context.event;
      if (actor === null) return { reason: "no admin was logged in" };
      // A local admin is not in the directory, even if a user there has the same name.
      if (actor.realm === "") return localAdmin(actor.username, context);
      const user = await context.directory?.find(actor);
      return user ? addressOf(context, user, attribute) : { reason: "the directory does not have the admin" };
    },
  },
  "internal admin": {
    description: "Name of a local admin, whose address is in events.admins",
    needsArgument: true,
    find: async (name, context) => localAdmin(name, context),
  },
  "admin realm": {
    description: "Realm of the directory; each of its users gets a separate message",
    needsArgument: true,
    async find(realm, { directory }) {
      if (directory === null) return { reason: "there is no directory" };
      // An empty realm would match every user.
      const users = realm === "" ? [] : await directory.list({ realm });
      const found = users.flatMap((user) => toRecipient(user.email, user) ?? []);
      return found.length > 0 ? found : { reason: "no user in the realm has an address" };
    },
  },
  email: {
    description: "Addresses, comma-separated",
    needsArgument: true,
    problem: (addresses) =>
      listOf(addresses).every((address) => parseMailbox(address) !== null)
        ? null
        : "expected email addresses, comma-separated",
    async find(addresses, { bounds }) {
      const found = listOf(addresses).flatMap((address) => toRecipient(address) ?? []);
      const allowed = found.filter(({ mailbox }) => bounds.includes(domainOf(mailbox.address)));
      if (allowed.length < found.length) return { reason: "an address is outside the domains of recipients" };
      return found.length > 0 ? found : { reason: "no address is given" };
    },
  },
};

async function addressOf(
  { directory }: HandlerContext,
  user: DirectoryUser,
  attribute: string,
): Promise<Recipients> {
  const name = attribute || DEFAULT_ATTRIBUTE;
  const address = name === DEFAULT_ATTRIBUTE ? user.email : await directory?.attribute(user, name);
  const recipient = toRecipient(address ?? "", user);
  return recipient ? [recipient] : { reason: `the attribute ${name} of the user is not an address` };
}

function localAdmin(name: string, { adminAddresses, bounds }: HandlerContext): Recipients {
  const address = Object.hasOwn(adminAddresses, name) ? adminAddresses[name] : undefined;
  const recipient = toRecipient(address ?? "");
  if (recipient && !bounds.includes(domainOf(recipient.mailbox.address)))
    return { reason: "the address of this admin is outside the domains of recipients" };
  return recipient ? [recipient] : { reason: "events.admins has no address of this admin" };
}

function toRecipient(address: string, user?: Pick<DirectoryUser, "givenname" | "surname">): Recipient | null {
  const mailbox = parseMailbox(address);
  return mailbox && { mailbox, givenname: user?.givenname ?? "", surname: user?.surname ?? "" };
}
