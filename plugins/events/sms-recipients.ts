import type { DirectoryUser } from "sealpost/plugin";
import { listOf } from "./conditions.ts";
import type { HandlerContext } from "./context.ts";
import type { RecipientKind } from "./recipients.ts";

/** A recipient of an SMS. */
interface PhoneOwner {
  readonly phone: string;
  readonly givenname: string;
  readonly surname: string;
}

const DEFAULT_ATTRIBUTE = "phone";
const PHONE = /^\+?[\d ()/.-]{3,50}$/;

/** Kinds of recipients of an SMS, by the values of `To`. */
export const PHONE_KINDS: Readonly<Record<string, RecipientKind<PhoneOwner>>> = {
  tokenowner: {
    description: "Attribute of the user that holds the phone number (default: phone)",
    needsArgument: false,
    async find(attribute, context) {
      if (context.directory === null) return { reason: "there is no directory" };
      if (context.owner === null) return { reason: "the directory has no such user" };
      return phoneOf(context, context.owner, attribute);
    },
  },
  "admin realm": {
    description: "Realm of the directory; each of its users gets a separate SMS",
    needsArgument: true,
    async find(realm, { directory }) {
      const users = realm === "" || directory === null ? [] : await directory.list({ realm });
      const found = users.flatMap(({ phone, ...user }) => (phone === "" ? [] : toOwner(phone, user)));
      return found.length > 0 ? found : { reason: "no user in the realm has a phone number" };
    },
  },
  phone: {
    description: "Phone numbers, comma-separated",
    needsArgument: true,
    problem: (numbers) =>
      listOf(numbers).every((number) => PHONE.test(number))
        ? null
        : "expected phone numbers, comma-separated",
    find: async (numbers) => listOf(numbers).map((phone) => ({ phone, givenname: "", surname: "" })),
  },
};

async function phoneOf({ directory }: HandlerContext, user: DirectoryUser, attribute: string) {
  const name = attribute || DEFAULT_ATTRIBUTE;
  const phone = name === DEFAULT_ATTRIBUTE ? user.phone : await directory?.attribute(user, name);
  return phone ? [toOwner(phone, user)] : { reason: `the attribute ${name} of the user is empty` };
}

function toOwner(phone: string, user: Pick<DirectoryUser, "givenname" | "surname">): PhoneOwner {
  return { phone, givenname: user.givenname, surname: user.surname };
}
