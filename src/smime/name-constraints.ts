import type { BaseBlock } from "asn1js";
import { remember } from "../domain/cache.ts";
import { domainOf, parseAddress } from "../domain/mailbox.ts";
import { child, children, type Der, isContext, joinedOctetsOf, rawOf } from "./der.ts";
import { comparableName, nameText } from "./names.ts";

/** The names for which an authority may issue certificates (RFC 5280 4.2.1.10). */
export interface NameConstraints {
  /** Returns the first name of a certificate below the authority that is forbidden; `null` if none. */
  readonly forbiddenName: (certificate: Named) => string | null;
}

/** The names of a certificate. */
interface Named {
  readonly addresses: readonly string[];
  readonly subject: Der;
}

/** The constraints by kind of name. Certificates for mail have no other names that can be constrained. */
interface NameBases {
  /** Mailboxes, hosts, or the hosts of a domain if they start with a period; comparable. */
  readonly addresses: readonly string[];
  /** The first parts of subjects, comparable. */
  readonly names: readonly (readonly string[])[];
}

/** `GeneralName` choices (RFC 5280 4.2.1.6). */
const RFC822_NAME = 1;
const DIRECTORY_NAME = 4;

/** @throws {DerError} for a damaged extension. */
export function readNameConstraints(constraints: BaseBlock): NameConstraints {
  const lists = children(constraints);
  const basesOf = (tag: number): NameBases => {
    const subtrees = lists.filter((list) => isContext(list, tag)).flatMap((list) => children(list));
    const bases = subtrees.map((subtree) => child(subtree, 0));
    return {
      addresses: bases
        .filter((base) => isContext(base, RFC822_NAME))
        .map((base) => comparableBase(ia5Of(base))),
      names: bases
        .filter((base) => isContext(base, DIRECTORY_NAME))
        .map((base) => comparableName(rawOf(child(base, 0)))),
    };
  };
  const [permitted, excluded] = [basesOf(0), basesOf(1)];
  return { forbiddenName: remember((certificate) => forbiddenName(permitted, excluded, certificate)) };
}

function forbiddenName(
  permitted: NameBases,
  excluded: NameBases,
  { addresses, subject }: Named,
): string | null {
  const address = addresses.find((text) => {
    const mailbox = parseAddress(text) ?? text;
    const host = domainOf(mailbox).toLowerCase();
    return isForbidden(permitted.addresses, excluded.addresses, (base) =>
      isAddressWithin(mailbox, host, base),
    );
  });
  if (address !== undefined) return address;
  const name = comparableName(subject);
  const isNameForbidden =
    name.length > 0 && isForbidden(permitted.names, excluded.names, (base) => isNameWithin(name, base));
  return isNameForbidden ? nameText(subject) : null;
}

function isForbidden<T>(
  permitted: readonly T[],
  excluded: readonly T[],
  isWithin: (base: T) => boolean,
): boolean {
  return (permitted.length > 0 && !permitted.some(isWithin)) || excluded.some(isWithin);
}

function isAddressWithin(mailbox: string, host: string, base: string): boolean {
  if (base.startsWith(".")) return host.endsWith(base);
  return base === (base.includes("@") ? mailbox : host);
}

/** The local part of a mailbox is compared with regard to case. */
function comparableBase(base: string): string {
  const isMailbox = base.includes("@") && !base.startsWith(".");
  return isMailbox ? (parseAddress(base) ?? base) : base.toLowerCase();
}

function isNameWithin(name: readonly string[], base: readonly string[]): boolean {
  return base.every((part, index) => part === name[index]);
}

/** Returns the contents of an implicitly tagged IA5String. */
export function ia5Of(text: BaseBlock): string {
  return new TextDecoder("latin1").decode(joinedOctetsOf(text));
}
