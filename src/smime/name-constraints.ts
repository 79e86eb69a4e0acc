import type { BaseBlock } from "asn1js";
import { domainOf, parseAddress } from "../domain/mailbox.ts";
import { child, children, type Der, DerError, isContext, rawOf, readDer } from "./der.ts";
import { comparableName, nameText } from "./names.ts";

/** The names for which an authority may issue certificates (RFC 5280 4.2.1.10). */
export interface NameConstraints {
  readonly permitted: NameBases;
  readonly excluded: NameBases;
}

/** The constraints by kind of name. Certificates for mail have no other names that can be constrained. */
interface NameBases {
  /** Mailboxes, hosts, or the hosts of a domain if they start with a period. */
  readonly addresses: readonly string[];
  /** The first parts of subjects, comparable. */
  readonly names: readonly (readonly string[])[];
}

/** `GeneralName` choices (RFC 5280 4.2.1.6). */
const RFC822_NAME = 1;
const DIRECTORY_NAME = 4;

/** @throws {DerError} for a damaged extension. */
export function readNameConstraints(der: Der): NameConstraints {
  const lists = children(readDer(der));
  const basesOf = (tag: number): NameBases => {
    const subtrees = lists.filter((list) => isContext(list, tag)).flatMap((list) => children(list));
    const bases = subtrees.map((subtree) => child(subtree, 0));
    return {
      addresses: bases.filter((base) => isContext(base, RFC822_NAME)).map(textOf),
      names: bases
        .filter((base) => isContext(base, DIRECTORY_NAME))
        .map((base) => comparableName(rawOf(child(base, 0)))),
    };
  };
  return { permitted: basesOf(0), excluded: basesOf(1) };
}

/** Returns the first name of a certificate that the constraints of an authority above it forbid; `null` if none. */
export function forbiddenName(
  { permitted, excluded }: NameConstraints,
  { addresses, subject }: { readonly addresses: readonly string[]; readonly subject: Der },
): string | null {
  const address = addresses.find((one) =>
    isForbidden(permitted.addresses, excluded.addresses, (base) => isAddressWithin(one, base)),
  );
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

function isAddressWithin(text: string, base: string): boolean {
  const address = parseAddress(text) ?? text;
  const host = domainOf(address).toLowerCase();
  const wanted = base.toLowerCase();
  if (wanted.startsWith(".")) return host.endsWith(wanted);
  if (!base.includes("@")) return host === wanted;
  // The local part is compared with regard to case.
  return address === (parseAddress(base) ?? base);
}

function isNameWithin(name: readonly string[], base: readonly string[]): boolean {
  return base.every((part, index) => part === name[index]);
}

/** Returns the contents of an implicitly tagged IA5String. */
function textOf(base: BaseBlock): string {
  const { valueBlock }: { readonly valueBlock: object } = base;
  if (!("valueHexView" in valueBlock && valueBlock.valueHexView instanceof Uint8Array)) {
    throw new DerError("Not a text");
  }
  return new TextDecoder("latin1").decode(valueBlock.valueHexView);
}
